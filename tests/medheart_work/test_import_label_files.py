"""Label maps that come as files: told from images, given to their image, or asked about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medheart.schema import load_schema
from medheart.settings import Settings
from medheart.volume import LabelMap, Volume
from medheart_io import read_image, write_labels
from medheart_store import Store
from medheart_work.import_label_files import AS_IMAGE, looks_like_labels
from medheart_work.importing import import_paths

Write = Callable[[Volume, str], Path]


@pytest.fixture
def label(oblique: Volume) -> LabelMap:
    array = np.zeros(oblique.geometry.shape, np.uint8)
    array[4:9, 8:20, 6:14] = 1
    array[9:12, 8:20, 6:14] = 2
    return LabelMap(array, oblique.geometry, load_schema("hippocampus"))


@pytest.mark.parametrize("name", ["image.nii.gz", "image.mha"])
def test_label_beside_its_image_becomes_a_version(
    store: Store, settings: Settings, oblique: Volume, label: LabelMap, nifti: Write, tmp_path: Path, name: str
) -> None:
    paths = [write_labels(tmp_path / "a-label.nii.gz", label), nifti(oblique, name)]
    given, image = import_paths(store, settings, paths, one_study=True)
    assert (given.candidate.code, given.series, given.study) == ("labels", image.series, image.study)
    assert [one.id for one in store.study(image.study).series] == [image.series]
    head = store.head(image.series)
    assert head is not None
    assert head.origin == "imported"
    kept = store.labels(head.id)
    assert np.array_equal(kept.array, label.array)
    colors = [one.color for one in kept.schema.labels]
    assert len(colors) == len(set(colors)) == 2


def test_named_segments_keep_their_schema(
    store: Store, settings: Settings, oblique: Volume, label: LabelMap, nifti: Write, tmp_path: Path
) -> None:
    paths = [nifti(oblique, "image.nii.gz"), write_labels(tmp_path / "case.seg.nrrd", label)]
    given, image = import_paths(store, settings, paths, one_study=True)
    assert given.candidate.code == "labels"
    assert store.head(image.series, schema_id="hippocampus") is not None


def test_a_corrected_label_lies_beside_the_first_and_says_so(
    store: Store, settings: Settings, oblique: Volume, label: LabelMap, nifti: Write, tmp_path: Path
) -> None:
    image = nifti(oblique, "image.nii.gz")
    _, first = import_paths(store, settings, [write_labels(tmp_path / "label.nii.gz", label), image], one_study=True)
    other = np.where(label.array == 2, 1, label.array)
    path = write_labels(tmp_path / "label.nii.gz", label.with_array(other))
    _, again = import_paths(store, settings, [path, image], one_study=True)
    assert again.version != first.version
    assert store.head(again.series).id == first.version
    assert "version 2, beside version 1, which stays the current one" in again.candidate.message


def test_label_alone_is_asked_about(store: Store, settings: Settings, label: LabelMap, tmp_path: Path) -> None:
    path = write_labels(tmp_path / "mask.nii.gz", label)
    (case,) = import_paths(store, settings, [path], one_study=True)
    assert (case.candidate.status, case.candidate.code) == ("needs_choice", "label_map")
    assert "mask.nii.gz: looks like a label map" in case.candidate.message
    assert store.studies() == []
    (case,) = import_paths(store, settings, [path], one_study=True, choices=case.candidate.choices)
    assert case.accepted
    assert case.candidate.choices == {}
    assert np.array_equal(store.volume(case.series).array, label.array)


def test_name_decides_between_images_on_one_grid(
    store: Store, settings: Settings, oblique: Volume, label: LabelMap, nifti: Write, tmp_path: Path
) -> None:
    other = Volume(oblique.array[::-1].copy(), oblique.geometry, "MR")
    images = [nifti(oblique, "anna_t1.nii.gz"), nifti(other, "berta_t1.nii.gz")]
    own = import_paths(store, settings, [*images, write_labels(tmp_path / "berta_label.nii.gz", label)])
    assert [case.accepted for case in own] == [True] * 3
    assert own[2].series == own[1].series
    strange = import_paths(store, settings, [*images, write_labels(tmp_path / "mask.nii.gz", label)])
    assert strange[2].candidate.code == "label_map"
    assert AS_IMAGE in strange[2].candidate.choices


@pytest.mark.parametrize(
    ("name", "is_label"),
    [
        ("mr/hippocampus/images/hippocampus_001.nii.gz", False),
        ("mr/hippocampus/labels/hippocampus_001.nii.gz", True),
        ("mr/brats2013/brats_2013_pat0005_1_label.nii.gz", True),
        ("ct/totalseg_example/example_seg.nii.gz", True),
        ("ct/totalseg_example/example_ct_sm.nii.gz", False),
        ("multimodal/STS_008/PET_image.nii.gz", False),
        ("multimodal/STS_008/PET_mask.nii.gz", True),
        ("mr/spine_sct/t2/t2_seg-manual.nii.gz", True),
        ("mr/spine_sct/t2/t2.nii.gz", False),
        ("not_patient/iguana_ct.nii.gz", False),
    ],
)
def test_real_files_are_told_apart(test_data: Callable[[str], Path], name: str, is_label: bool) -> None:
    assert looks_like_labels(read_image(test_data(name))) is is_label


def test_blank_image_is_no_label_map(oblique: Volume) -> None:
    assert not looks_like_labels(Volume(np.zeros_like(oblique.array), oblique.geometry, "MR"))


def test_few_levels_above_any_label_are_an_image(oblique: Volume, label: LabelMap) -> None:
    assert looks_like_labels(Volume(label.array, oblique.geometry, "MR"))
    assert not looks_like_labels(Volume(label.array.astype(np.int16) * 500, oblique.geometry, "MR"))
