"""Studies, series and their voxels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medheart.errors import Conflict, Corrupt, NotFound, StoreError
from medheart.geometry import Geometry
from medheart.records import Series, Study
from medheart.schema import load_schema
from medheart.volume import LabelMap, Volume
from medheart_store import Store


def _series(series_id: str, study: str = "study-1", **fields: str) -> Series:
    return Series(**{"id": series_id, "study": study, "modality": "", "body_part": "", "description": "",
                     "image_digest": "", "geometry": {}, **fields})  # fmt: skip


def test_volume_comes_back_as_it_went_in(store: Store, volume: Volume) -> None:
    back = store.volume("image-1")
    assert back.array.dtype == volume.array.dtype
    assert np.array_equal(back.array, volume.array)
    assert (back.geometry, back.modality, back.meta) == (volume.geometry, "CT", volume.meta)
    series = store.series("image-1")
    assert series.image_digest == volume.digest
    assert Geometry.from_dict(series.geometry) == volume.geometry


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, ">i2", np.uint16, np.int32, np.float32, np.float64])
def test_every_voxel_type_survives(store: Store, geometry: Geometry, dtype: str) -> None:
    array = np.random.default_rng(5).integers(0, 200, geometry.shape).astype(dtype)
    store.add_series(_series("typed", modality="MR"), Volume(array, geometry, "MR"))
    back = store.volume("typed").array
    assert back.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    assert np.array_equal(back, array)


def test_image_is_kept_once_per_patient(store: Store, volume: Volume, tmp_path: Path) -> None:
    store.add_series(_series("image-2"), volume)
    assert len(list((tmp_path / "store").rglob("images/*"))) == 1
    assert np.array_equal(store.volume("image-2").array, volume.array)


def test_adding_again_changes_nothing(store: Store, volume: Volume) -> None:
    before = store.studies()
    store.add_study(Study("study-1", "pseudo-1", "other date", "other words"))
    store.add_series(replace(store.series("image-1"), description="other"), volume)
    assert store.studies() == before


def test_a_missing_description_is_learned_once(store: Store, volume: Volume) -> None:
    store.add_series(_series("plain"), volume)
    for words in ("flair", "t1c"):
        store.add_series(_series("plain", description=words), volume)
    assert store.series("plain").description == "flair"
    assert np.array_equal(store.volume("plain").array, volume.array)


def test_identity_and_image_of_an_id_cannot_change(store: Store, volume: Volume) -> None:
    with pytest.raises(Conflict, match="another patient") as caught:
        store.add_study(Study("study-1", "pseudo-2", "", ""))
    assert caught.value.code == "other_patient"
    other = replace(volume, array=volume.array + 1)
    with pytest.raises(Conflict, match="another image"):
        store.add_series(_series("image-1"), other)
    with pytest.raises(StoreError, match="names image"):
        store.add_series(_series("image-3", image_digest=volume.digest), other)


@pytest.mark.parametrize("bad", ["", "a/b", "..", "a b", "x" * 65, "名"])
def test_ids_that_are_no_ids_are_refused(store: Store, volume: Volume, bad: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="study id has"):
        store.add_study(Study(bad, "p", "", ""))
    with pytest.raises(StoreError, match="series id has"):
        store.add_series(_series(bad), volume)
    with pytest.raises(StoreError, match="tenant id has"):
        Store.open(tmp_path / "other", tenant=bad)


def test_unknown_is_not_found(store: Store, volume: Volume) -> None:
    for call in (
        lambda: store.study("none"),
        lambda: store.series("none"),
        lambda: store.volume("none"),
        lambda: store.add_series(_series("x", study="none"), volume),
    ):
        with pytest.raises(NotFound, match="'none'"):
            call()


def test_query_finds_by_any_text(store: Store, volume: Volume) -> None:
    store.add_study(Study("study-2", "pseudo-2", "2026-03-04", "颅脑 MR 100%"))
    store.add_series(_series("flair", study="study-2", modality="MR", description="FLAIR axial"), volume)
    for query in ("颅脑", "flair", "AXIAL", "pseudo-2", "2026-03", "100%"):
        assert [study.id for study in store.studies(query)] == ["study-2"], query
    assert {study.id for study in store.studies()} == {"study-1", "study-2"}
    assert {study.id for study in store.studies("pseudo")} == {"study-1", "study-2"}
    assert store.studies("%nothing") == []
    assert [series.id for series in store.study("study-2").series] == ["flair"]
    assert (store.study_count(), store.study_count("flair"), store.study_count("%nothing")) == (2, 1, 0)


def test_studies_come_in_parts_each_with_its_series(store: Store, volume: Volume) -> None:
    for n in range(3):
        store.add_study(Study(f"more-{n}", "pseudo-3", "", ""))
        store.add_series(_series(f"image-of-{n}", study=f"more-{n}"), volume)
    whole = store.studies()
    assert [one for n in range(0, 6, 2) for one in store.studies(limit=2, offset=n)] == whole
    assert store.studies(offset=1) == whole[1:]
    assert all(len(study.series) == 1 for study in whole)


def test_label_versions_are_counted_by_study(store: Store, volume: Volume) -> None:
    store.add_study(Study("study-2", "pseudo-2", "", ""))
    store.add_series(_series("bare", study="study-2"), volume)
    labels = LabelMap(np.zeros(volume.geometry.shape, np.uint8), volume.geometry, load_schema("hippocampus"))
    for _ in range(2):
        store.add_version(labels, image=store.study("study-1").series[0].id, author="a", origin="manual")
    assert store.version_counts(["study-1", "study-2"]) == {"study-1": 2}
    assert store.version_counts([]) == {}


@pytest.mark.parametrize("part", ["magic", "head", "voxels", "short"])
def test_a_damaged_image_is_found(store: Store, tmp_path: Path, part: str) -> None:
    (path,) = (tmp_path / "store").rglob("images/*")
    data = bytearray(path.read_bytes())
    if part == "short":
        del data[-10:]
    else:
        data[{"magic": 1, "head": 14, "voxels": len(data) // 2}[part]] ^= 1
    path.write_bytes(data)
    with pytest.raises(Corrupt, match="image-1"):
        store.volume("image-1")


def test_two_processes_see_the_same_store(store: Store, volume: Volume, tmp_path: Path) -> None:
    with Store.open(tmp_path / "store") as other:
        other.add_study(Study("study-9", "pseudo-9", "", ""))
    assert store.study("study-9").patient == "pseudo-9"
