"""What a report of a stored version is made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medheart.records import LabelVersion
from medheart.schema import load_schema
from medheart.settings import Settings
from medheart.volume import LabelMap
from medheart_store import Store
from medheart_work.importing import import_paths
from medheart_work.report_content import content_of_version


@pytest.mark.parametrize(("meta", "research"), [({"status": "research"}, True), ({}, False)])
def test_an_edit_of_what_a_research_model_made_stays_research(
    store: Store, settings: Settings, dicom: Path, meta: dict[str, str], research: bool
) -> None:
    (case,) = import_paths(store, settings, [dicom])
    grid = store.volume(case.series).geometry
    array = np.zeros(grid.shape, np.uint8)
    array[5:9, 10:20, 8:14] = 1
    labels = LabelMap(array, grid, load_schema("hippocampus"))
    made = store.add_version(labels, image=case.series, author="a", origin="hippocampus@0", state="draft", meta=meta)
    edited = store.add_version(
        labels.with_array(array * 2), image=case.series, author="b", origin="edited", parents=(made.id,)
    )
    assert edited.meta == {}
    assert content_of_version(store, edited.id, language="en").research is research


def test_labels_that_no_model_took_part_in_are_no_research(store: Store, version: LabelVersion) -> None:
    assert not content_of_version(store, version.id, language="zh").research
