"""Exports: every format brings every voxel back to its place; files appear whole."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from medheart.errors import MedHeartError, NotFound
from medheart.records import LabelVersion
from medheart.schema import load_schema
from medheart.volume import LabelMap
from medheart_io import read_labels
from medheart_store import Store
from medheart_work.exporting import export_labels, export_named, export_version, write_label
from medheart_work.files import appearing


@pytest.mark.parametrize("ending", ["nii.gz", "nii", "seg.nrrd", "nrrd", "mha", "mhd", "dcm"])
def test_label_survives(store: Store, version: LabelVersion, tmp_path: Path, ending: str) -> None:
    path = write_label(store, version.id, tmp_path / f"label.{ending}")
    labels = store.labels(version.id)
    back = read_labels(path, labels.schema, like=labels.geometry)
    assert np.array_equal(back.array, labels.array)


def test_dicom_seg_refers_to_the_original_series(
    store: Store, version: LabelVersion, tmp_path: Path, dicom: Path
) -> None:
    (path,) = export_labels(store, version.id, tmp_path, endings=["dcm"])
    source = pydicom.dcmread(next(iter(sorted(dicom.iterdir()))), stop_before_pixels=True)
    seg = pydicom.dcmread(path)
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == source.SeriesInstanceUID
    assert seg.StudyInstanceUID == source.StudyInstanceUID
    assert {segment.SegmentAlgorithmType for segment in seg.SegmentSequence} == {"MANUAL"}


def test_version_folder_holds_labels_and_measurements(store: Store, version: LabelVersion, tmp_path: Path) -> None:
    files = export_version(store, version.id, tmp_path / "out")
    assert {path.name for path in files} >= {"label.nii.gz", "label.seg.nrrd", "label.dcm", "measurements.json"}
    data = json.loads((tmp_path / "out" / "measurements.json").read_text())
    volumes = {label["name"]: label["measurements"][1]["value"] for label in data["labels"]}
    assert volumes["hippocampus_anterior"] == pytest.approx(4 * 10 * 6 * 1.0 * 1.2 * 2.0 / 1000)
    assert data["source"] == version.id


def test_a_study_and_its_series_export_the_same(store: Store, version: LabelVersion, tmp_path: Path) -> None:
    study = store.series(version.image).study
    by_study = export_named(store, study, tmp_path / "a")
    by_series = export_named(store, version.image, tmp_path / "b")
    assert [path.relative_to(tmp_path / "a") for path in by_study] == [p.relative_to(tmp_path / "b") for p in by_series]


def test_a_submitted_label_and_the_draft_of_another_model_are_both_exported(
    store: Store, version: LabelVersion, tmp_path: Path
) -> None:
    labels = store.labels(version.id)
    other = replace(labels, schema=replace(labels.schema, id="other"))
    made = store.add_version(other, image=version.image, author="a", origin="other@1", state="draft")
    tables = [file for file in export_named(store, version.image, tmp_path) if file.name == "measurements.json"]
    sources = {json.loads(file.read_text(encoding="utf-8"))["source"] for file in tables}
    assert sources == {version.id, made.id}
    assert len({file.parent for file in tables}) == 2


def test_unknown_name_and_ending_are_said(store: Store, version: LabelVersion, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nothing-like-it"):
        export_named(store, "nothing-like-it", tmp_path)
    for name in ("label.xyz", "LABEL.NII.GZ", "标签.mhd"):
        with pytest.raises(MedHeartError, match=name) as caught:
            write_label(store, version.id, tmp_path / name)
        assert caught.value.code == "usage"


def test_an_mhd_names_the_raw_beside_it(store: Store, version: LabelVersion, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write_label(store, version.id, tmp_path / "out" / "label.mhd")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"label.mhd", "label.raw"}
    assert b"ElementDataFile = label.raw" in (tmp_path / "out" / "label.mhd").read_bytes()


def test_failed_writing_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "report.pdf"
    target.write_bytes(b"old")
    with pytest.raises(RuntimeError), appearing(target) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError("disk full")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.pdf"]


@pytest.mark.parametrize("edited", [False, True])
def test_research_results_say_so_in_every_export(
    store: Store, version: LabelVersion, tmp_path: Path, *, edited: bool
) -> None:
    labels = store.labels(version.id)
    schema = load_schema("lung-nodule")
    nodules = LabelMap((labels.array == 1).astype(np.uint8), labels.geometry, schema)
    made = store.add_version(nodules, image=version.image, author="host", origin="lung-nodule@1")
    if edited:
        made = store.add_version(nodules, image=version.image, author="reader", origin="edited", base=made.id)
    export_version(store, made.id, tmp_path)
    assert pydicom.dcmread(tmp_path / "label.dcm").SeriesDescription == "For research only"
    assert b"For research only" in (tmp_path / "label.seg.nrrd").read_bytes()[:4000]
    assert b"For research only" in nibabel.load(tmp_path / "label.nii.gz").header["descrip"].tobytes()
    for ending in ("nrrd", "mha", "mhd"):
        path = write_label(store, made.id, tmp_path / f"other.{ending}")
        assert b"For research only" in path.read_bytes()[:1000]
        assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), nodules.array)
        assert np.array_equal(read_labels(path, schema).array, nodules.array)
    notice = json.loads((tmp_path / "measurements.json").read_text(encoding="utf-8"))["notice"]
    assert notice == {"en": "For research only", "zh": "仅供科研"}


def test_other_results_carry_no_notice(store: Store, version: LabelVersion, tmp_path: Path) -> None:
    export_version(store, version.id, tmp_path)
    assert pydicom.dcmread(tmp_path / "label.dcm").SeriesDescription == "Segmentation"
    assert "notice" not in json.loads((tmp_path / "measurements.json").read_text(encoding="utf-8"))
