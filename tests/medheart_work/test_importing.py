"""Importing: answers per case, pseudonyms, what a person must decide, and importing twice."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medheart.errors import ImageRejected
from medheart.settings import Settings
from medheart.volume import Volume
from medheart_io import write_dicom_series, write_volume
from medheart_store import Store
from medheart_work.importing import import_paths


def test_dicom_series_goes_in_without_identity(
    store: Store, settings: Settings, dicom: Path, oblique: Volume, tmp_path: Path
) -> None:
    (case,) = import_paths(store, settings, [dicom])
    assert case.accepted
    study = store.study(case.study)
    assert "MRN-4711" not in json.dumps([str(study), case.to_dict()["series"]])
    assert "小明" not in str(study)
    assert np.array_equal(store.volume(case.series).array, oblique.array)
    assert len(store.originals(case.series, tmp_path / "back")) == 20


def test_names_of_files_may_be_in_any_bytes(store: Store, settings: Settings, dicom: Path, tmp_path: Path) -> None:
    for n, path in enumerate(sorted(dicom.iterdir())):
        path.rename(path.with_name(os.fsdecode(f"切片{n:02d}.dcm".encode("gb18030"))))
    (case,) = import_paths(store, settings, [dicom])
    assert case.accepted, case
    back = store.originals(case.series, tmp_path / "back")
    assert {path.name for path in back} == {f"切片{n:02d}.dcm" for n in range(20)}
    assert {path.read_bytes() for path in back} == {path.read_bytes() for path in dicom.iterdir()}


def test_importing_again_finds_what_is_there(store: Store, settings: Settings, dicom: Path) -> None:
    first, again = (import_paths(store, settings, [dicom])[0] for _ in range(2))
    assert (first.study, first.series) == (again.study, again.series)
    assert len(store.studies()) == 1


def test_oblique_left_handed_file_keeps_its_grid(
    store: Store, settings: Settings, oblique: Volume, nifti: Callable[[Volume, str], Path]
) -> None:
    (case,) = import_paths(store, settings, [nifti(oblique, "case.nii.gz")])
    kept = store.volume(case.series)
    assert kept.geometry.matches(oblique.geometry, tolerance_mm=1e-3)
    assert np.array_equal(kept.array, oblique.array)


def test_dry_run_keeps_nothing(store: Store, settings: Settings, dicom: Path) -> None:
    (case,) = import_paths(store, settings, [dicom], dry_run=True)
    assert case.to_dict()["status"] == "accepted"
    assert set(case.to_dict()) >= {"path", "code", "message", "kind", "shape", "spacing_mm", "orientation"}
    assert store.studies() == []
    assert not (settings.home / "site.key").exists()


def test_several_patients_stop_and_ask(store: Store, settings: Settings, dicom: Path, oblique: Volume) -> None:
    other = Volume(oblique.array[::-1].copy(), store_geometry(dicom, store, settings), "MR")
    write_dicom_series(dicom.parent / "both" / "b", other, patient_id="4712", patient_name="Other^One")
    shutil.copytree(dicom, dicom.parent / "both" / "a")
    cases = import_paths(store, settings, [dicom.parent / "both"])
    assert {case.candidate.code for case in cases} == {"several_patients"}
    chosen = next(iter(cases[0].candidate.choices))
    after = import_paths(store, settings, [dicom.parent / "both"], choices=[chosen])
    assert [case.accepted for case in after] == [True, False]


def store_geometry(dicom: Path, store: Store, settings: Settings):
    (case,) = import_paths(store, settings, [dicom])
    return store.volume(case.series).geometry


def test_zip_is_imported_like_its_folder(store: Store, settings: Settings, dicom: Path, tmp_path: Path) -> None:
    archive = tmp_path / "study.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for path in dicom.iterdir():
            target.write(path, f"series/{path.name}")
    (zipped,) = import_paths(store, settings, [archive])
    (plain,) = import_paths(store, settings, [dicom])
    assert zipped.series == plain.series
    assert str(zipped.candidate.path).startswith(str(archive))


def test_files_of_one_study_stay_together(
    store: Store, settings: Settings, oblique: Volume, nifti: Callable[[Volume, str], Path]
) -> None:
    other = Volume(oblique.array + np.int16(1), oblique.geometry, "MR")
    paths = [nifti(oblique, "ZhangSan_flair.nii.gz"), nifti(other, "ZhangSan_t1c.nii.gz")]
    apart = import_paths(store, settings, paths)
    together = import_paths(store, settings, paths, one_study=True)
    assert apart[0].study != apart[1].study
    assert together[0].study == together[1].study
    said = [series.description for series in store.study(together[0].study).series]
    assert "ZhangSan" not in " ".join(said)


def test_a_better_name_tells_what_an_image_is(
    store: Store, settings: Settings, oblique: Volume, nifti: Callable[[Volume, str], Path]
) -> None:
    (first,) = import_paths(store, settings, [nifti(oblique, "image.nii.gz")])
    (again,) = import_paths(store, settings, [nifti(oblique, "ZhangSan_flair.nii.gz")])
    assert again.series == first.series
    assert store.series(first.series).description == "flair"
    assert store.volume(first.series).meta["series_description"] == "flair"


def test_what_speaks_against_an_input_is_kept_of_a_name(
    store: Store, settings: Settings, oblique: Volume, nifti: Callable[[Volume, str], Path]
) -> None:
    (case,) = import_paths(store, settings, [nifti(oblique, "ZhangSan_hippocampus_T2.nii.gz")])
    assert store.series(case.series).description == "hippocampus t2"


def test_missing_path_is_named(store: Store, settings: Settings) -> None:
    with pytest.raises(ImageRejected, match="/nowhere"):
        import_paths(store, settings, [Path("/nowhere")])


@pytest.mark.parametrize("case", ["missing_slice", "duplicate_slice", "missing_ipp"])
def test_defects_are_refused_or_asked(
    store: Store, settings: Settings, test_data: Callable[[str], Path], case: str
) -> None:
    found = import_paths(store, settings, [test_data(f"dicom/defects/{case}")])
    assert found
    assert not any(one.accepted for one in found)
    assert all(one.candidate.message for one in found)
    assert store.studies() == []


def test_planted_identity_stays_outside_the_records(
    store: Store, settings: Settings, test_data: Callable[[str], Path]
) -> None:
    import pydicom

    folder = test_data("dicom/defects/phi")
    header = pydicom.dcmread(next(iter(sorted(folder.rglob("*.dcm")))))
    cases = import_paths(store, settings, [folder])
    kept = json.dumps([str(store.studies()), [case.to_dict()["series"] for case in cases]], ensure_ascii=False)
    for word in (str(header.PatientID), *str(header.PatientName).split("^")):
        assert not word or word not in kept


def test_a_segmentation_becomes_a_version_of_its_image(
    store: Store, settings: Settings, test_data: Callable[[str], Path]
) -> None:
    folder = test_data("dicom/dcmqi/segmentations/23x38x3")
    paths = [folder / "image", folder / "seg" / "label.seg"]
    cases = import_paths(store, settings, paths, one_study=True)
    image, seg = sorted(cases, key=lambda case: case.candidate.kind == "segmentation")
    assert image.accepted
    assert seg.accepted, seg.candidate.message
    (version,) = store.versions(image.series)
    assert (version.origin, version.schema_id) == ("imported", "stated")
    labels = store.labels(version.id)
    assert [label.names["en"] for label in labels.schema.labels] == ["Liver"]
    assert sum(labels.counts.values()) > 0
    import_paths(store, settings, paths, one_study=True)
    assert len(store.versions(image.series)) == 1


def test_a_segmentation_without_its_image_is_rejected(
    store: Store, settings: Settings, test_data: Callable[[str], Path]
) -> None:
    (case,) = import_paths(store, settings, [test_data("dicom/dcmqi/segmentations/23x38x3/seg/label.seg")])
    assert (case.candidate.status, case.candidate.code) == ("rejected", "image_missing")


def test_our_own_dicom_seg_comes_back(store: Store, settings: Settings, dicom: Path, version, tmp_path: Path) -> None:
    from medheart_work.exporting import write_label

    write_label(store, version.id, tmp_path / "seg" / "label.dcm")
    with Store.open(tmp_path / "other") as other:
        cases = import_paths(other, settings, [dicom, tmp_path / "seg"])
        assert all(case.accepted for case in cases)
        (back,) = other.versions(cases[0].series)
        assert back.schema_id == "hippocampus"
        assert np.array_equal(other.labels(back.id).array, store.labels(version.id).array)


@pytest.mark.parametrize(
    ("names", "studies"),
    [
        (("p1_flair.nii.gz", "p1_t1c.nii.gz"), 1),
        (("FLAIR.nii.gz", "T1_post.nii.gz"), 1),
        (("patient07_flair.nii.gz", "patient19_flair.nii.gz"), 2),
        (("a/flair.nii.gz", "b/t1c.nii.gz"), 2),
    ],
)
def test_files_of_a_folder_are_one_study_only_if_their_names_say_so(
    store: Store, settings: Settings, oblique: Volume, tmp_path: Path, names: tuple[str, str], studies: int
) -> None:
    folder = tmp_path / "folder"
    for n, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_volume(folder / name, Volume(oblique.array + n, oblique.geometry, "MR"))
    cases = import_paths(store, settings, [folder], one_study=True)
    assert len({case.study for case in cases}) == studies
    assert len({store.study(case.study).patient for case in cases}) == studies
    named = import_paths(store, settings, [folder / name for name in names], one_study=True)
    assert len({case.study for case in named}) == 1, "files that a person names together are one study"


def test_a_question_that_only_the_voxels_raise_can_be_answered(
    store: Store, settings: Settings, oblique: Volume, tmp_path: Path
) -> None:
    values = oblique.array.astype(np.float32)
    values[0, 0, 0] = np.nan
    path = write_volume(tmp_path / "hole.nii.gz", Volume(values, oblique.geometry))
    (asked,) = import_paths(store, settings, [path])
    assert (asked.candidate.status, asked.candidate.code) == ("needs_choice", "not_finite_voxels")
    (answered,) = import_paths(store, settings, [path], choices=["zero-not-finite"])
    assert answered.accepted


def test_one_question_after_another_can_be_answered(store: Store, settings: Settings, dicom: Path) -> None:
    damaged = sorted(dicom.iterdir())[9]
    damaged.write_bytes(damaged.read_bytes()[:-40])
    (asked,) = import_paths(store, settings, [dicom], choices=["skip-damaged"])
    assert asked.candidate.code == "missing_slices"
    (answered,) = import_paths(store, settings, [dicom], choices=["skip-damaged", "resample-even"])
    assert answered.accepted
