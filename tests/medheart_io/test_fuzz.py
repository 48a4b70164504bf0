"""Nothing but `ImageRejected` comes out of a reader, whatever goes in; memory and time stay bounded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medheart.errors import ImageRejected
from medheart.schema import load_schema
from medheart.volume import LabelMap, Volume
from medheart_io import read_image, scan, write_dicom_seg, write_labels, write_volume

SOAK = os.environ.get("MEDHEART_SOAK") == "1"
Locate = Callable[[str], Path]
SCRIPT = Path(__file__).with_name("fuzz_readers.py")
REAL = (
    "dicom/defects/good/IM0003.dcm",
    "dicom/dcmqi/segmentations/23x38x3/multiframe/mf.dcm",
    "dicom/pydicom_data/emri_small_RLE.dcm",
    "dicom/pydicom_data/emri_small_big_endian.dcm",
    "mr/hippocampus/images/hippocampus_190.nii.gz",
    "mr/pyradiomics/breast1_image.nrrd",
    "odd_volumes/mha.mha",
)


@pytest.fixture
def own_files(tmp_path: Path, volume: Volume, labels: LabelMap, make_series: Callable[..., list[Path]]) -> list[Path]:
    schema = load_schema("hippocampus")
    small = LabelMap((labels.array > 0).astype("u1"), labels.geometry, schema)
    paths = [write_volume(tmp_path / name, volume) for name in ("a.nii", "a.nrrd", "a.mha", "a.mhd")]
    paths += [write_labels(tmp_path / "a.seg.nrrd", small)]
    paths += [write_dicom_seg(tmp_path / "seg.dcm", small, origin="manual")]
    wide, deflated, *_ = make_series(tmp_path / "series", 2, (64, 66))
    dataset = pydicom.dcmread(wide)
    dataset.compress(pydicom.uid.JPEG2000Lossless)
    dataset.save_as(wide)
    dataset = pydicom.dcmread(deflated)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.save_as(deflated)
    return [*paths, wide, deflated]


def _run(count: int, files: list[Path]) -> dict[str, object]:
    command = [sys.executable, "-W", "ignore", str(SCRIPT), "11", str(count), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    result: dict[str, object] = json.loads(done.stdout)
    return result


def test_mutated_files(own_files: list[Path], test_data: Locate) -> None:
    result = _run(20, own_files + [test_data(name) for name in REAL])
    assert result["problems"] == []
    assert result["cases"] == 20 * 15
    assert result["accepted"] > 0
    assert result["slowest_s"] < 10


@pytest.mark.slow
def test_many_mutated_files(own_files: list[Path], test_data: Locate) -> None:
    result = _run(150, own_files + [test_data(name) for name in REAL])
    assert result["problems"] == []
    assert result["slowest_s"] < 10


HEADS = [
    b"",
    b"NRRD0004\n",
    b"NRRD0004\ntype: short\ndimension: 3\nsizes: ",
    b"ObjectType = Image\nNDims = 3\n",
    b"ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\nElementSpacing = ",
    (348).to_bytes(4, "little") + bytes(340) + b"n+1\0",
    bytes(128) + b"DICM",
    bytes(128) + b"DICM\x02\x00\x00\x00UL\x04\x00\xff\xff\xff\xff",
    bytes(128) + b"DICM\x02\x00\x10\x00UI\x16\x001.2.840.10008.1.2.1.99",
    b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 192",
    b"\x1f\x8b\x08\0\0\0\0\0\0\3",
    b"PK\x03\x04",
]


@pytest.mark.soak
@pytest.mark.timeout(3600)
@settings(max_examples=10_000 if SOAK else 80, deadline=None, derandomize=not SOAK, database=None)
@given(head=st.sampled_from(HEADS), tail=st.binary(max_size=400))
def test_arbitrary_bytes(head: bytes, tail: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "upload"
        path.write_bytes(head + tail)
        scan([folder])
        with pytest.raises(ImageRejected):
            read_image(path)
