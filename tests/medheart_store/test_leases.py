"""Leases: two annotators are not given the same case."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from medheart.errors import Conflict, NotFound
from medheart.records import Series
from medheart.volume import LabelMap, Volume
from medheart_store import Store


@pytest.fixture
def images(store: Store, volume: Volume) -> list[str]:
    for n in (2, 3):
        store.add_series(Series(f"image-{n}", "study-1", "CT", "", "", "", {}), volume)
    return ["image-1", "image-2", "image-3"]


def test_each_annotator_gets_another_case(store: Store, images: list[str]) -> None:
    assert store.lease_case(images, "ann", seconds=60) == "image-1"
    assert store.lease_case(images, "bob", seconds=60) == "image-2"
    assert store.lease_case(images, "ann", seconds=60) == "image-1"
    assert store.lease_case(images[:2], "eve", seconds=60) is None
    assert store.leased() == {"image-1": "ann", "image-2": "bob"}


def test_lease_runs_out_and_can_be_renewed_and_released(store: Store, images: list[str], clock: Any) -> None:
    store.lease_case(images, "ann", seconds=60)
    clock.now += 59
    store.renew("image-1", "ann", seconds=60)
    clock.now += 59
    assert store.lease_case(images[:1], "bob", seconds=60) is None
    clock.now += 2
    assert store.lease_case(images[:1], "bob", seconds=60) == "image-1"
    with pytest.raises(Conflict, match="not leased to 'ann'") as caught:
        store.renew("image-1", "ann", seconds=60)
    assert caught.value.details["holder"] == "bob"
    store.release("image-1", "ann")
    assert store.leased() == {"image-1": "bob"}
    store.release("image-1", "bob")
    assert store.leased() == {}


def test_a_draft_of_a_model_keeps_no_lease(
    store: Store, images: list[str], clock: Any, label: Callable[..., LabelMap]
) -> None:
    store.lease_case(images, "ann", seconds=60)
    store.add_version(label((1, 5, 1, 5, 1, 5, 1)), image="image-1", author="ann", origin="liver@1", state="draft")
    clock.now += 61
    assert store.lease_case(images[:1], "bob", seconds=60) == "image-1"


def test_a_draft_keeps_the_lease_for_hours(
    store: Store, images: list[str], clock: Any, label: Callable[..., LabelMap]
) -> None:
    store.lease_case(images, "ann", seconds=60)
    draft = label((1, 5, 1, 5, 1, 5, 1))
    store.add_version(draft, image="image-1", author="ann", origin="manual", state="draft")
    clock.now += 6 * 3600
    assert store.lease_case(images[:1], "bob", seconds=60) is None
    store.renew("image-1", "ann", seconds=60)
    clock.now += 3600
    assert store.leased() == {"image-1": "ann"}
    clock.now += 2 * 3600
    assert store.leased() == {}


def test_unknown_case_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound, match="'none'"):
        store.lease_case(["none"], "ann", seconds=60)


def test_many_at_once_get_different_cases(store: Store, images: list[str], tmp_path: Path) -> None:
    with Store.open(tmp_path / "store") as other, ThreadPoolExecutor(8) as pool:
        stores = [store, other] * 4
        given = list(pool.map(lambda n: stores[n].lease_case(images, f"a{n}", seconds=1e9), range(8)))
    assert sorted(image for image in given if image) == images
