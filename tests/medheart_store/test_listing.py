"""Listing what many clients ask for again and again: ids of images, and what changed."""

from __future__ import annotations

import numpy as np
import pytest

from medheart.geometry import Geometry
from medheart.records import Series, Study
from medheart.schema import load_schema
from medheart.volume import LabelMap, Volume
from medheart_store import Store

SCHEMA = load_schema("hippocampus")


@pytest.fixture
def images(tmp_path):
    """Return a store with three images and a label map that fits them."""
    grid = Geometry.from_parts(shape=(4, 4, 4), spacing=(1, 1, 1))
    seconds = iter(range(10**6))
    with Store.open(tmp_path, clock=lambda: float(next(seconds))) as store:
        for n in range(3):
            store.add_study(Study(f"study-{n}", f"patient-{n}", "", ""))
            volume = Volume(np.full(grid.shape, n, np.int16), grid, "MR")
            store.add_series(Series(f"image-{n}", f"study-{n}", "MR", "", "", "", {}), volume)
        yield store, LabelMap(np.ones(grid.shape, np.uint8), grid, SCHEMA)


def test_ids_come_oldest_first(images):
    assert images[0].series_ids() == ["image-0", "image-1", "image-2"]


def test_another_tenant_sees_none_of_them(images, tmp_path):
    with Store.open(tmp_path, tenant="other") as other:
        assert other.series_ids() == []
        assert other.changed_images()[0] == set()


def test_what_changed_is_named_and_then_no_more(images):
    store, labels = images
    assert store.changed_images()[0] == set()
    first = store.add_version(labels, image="image-1", author="a", origin="manual")
    changed, mark = store.changed_images()
    assert changed == {"image-1"}
    assert store.changed_images(mark) == (set(), mark)
    store.add_event(first.id, "state", "approved", "b")
    changed, later = store.changed_images(mark)
    assert "image-1" in changed
    store.add_version(labels, image="image-2", author="a", origin="manual")
    assert "image-2" in store.changed_images(later)[0]
