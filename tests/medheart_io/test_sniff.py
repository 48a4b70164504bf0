"""Formats are found by content, whatever the name."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from medheart.errors import ImageRejected
from medheart.volume import Volume
from medheart_io import write_volume
from medheart_io.sniff import sniff

Locate = Callable[[str], Path]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.nii", "nifti"), ("a.nii.gz", "nifti"), ("a.nrrd", "nrrd"), ("a.mha", "metaimage"), ("a.mhd", "metaimage")],
)
def test_own_files(name: str, kind: str, tmp_path: Path, volume: Volume) -> None:
    path = write_volume(tmp_path / name, volume)
    assert sniff(path.rename(tmp_path / "IM0001.dcm")) == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("dicom/defects/good/IM0000.dcm", "dicom"),
        ("dicom/dcmqi/segmentations/23x38x3/seg/label.seg", "dicom"),
        ("not_patient/acr_mr_phantom/GE_Signa_3T_T1/Z14", "dicom"),
        ("mr/hippocampus/images/hippocampus_190.nii.gz", "nifti"),
        ("mr/pyradiomics/brain1_image.nrrd", "nrrd"),
        ("odd_volumes/mha.mha", "metaimage"),
    ],
)
def test_real_files(name: str, kind: str, test_data: Locate, tmp_path: Path) -> None:
    shutil.copy(test_data(name), tmp_path / "upload")
    assert sniff(tmp_path / "upload") == kind


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "a PNG picture"),
        (b"\xff\xd8\xff\xe0" + bytes(200), "a JPEG picture"),
        (b"%PDF-1.7" + bytes(200), "a PDF document"),
        (b"\x1f\x8b\x08" + bytes(200), "none of these"),
        (b"hello", "none of these"),
    ],
)
def test_what_it_seems_to_be_is_said(data: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(data)
    with pytest.raises(ImageRejected, match=words) as caught:
        sniff(path)
    assert caught.value.code == "unknown_format"


def test_folders_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(ImageRejected) as caught:
        sniff(tmp_path)
    assert caught.value.code == "not_a_file"
