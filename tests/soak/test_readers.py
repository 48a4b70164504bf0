"""Long fuzz over the readers: nothing but `ImageRejected` comes out; memory and time stay bounded."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk

from medheart.geometry import Geometry
from medheart.schema import load_schema
from medheart.volume import LabelMap, Volume
from medheart_io import write_dicom_seg, write_dicom_series, write_labels, write_volume

LARGEST_BYTES = 400_000
PER_FOLDER = 2
READ = {".dcm", ".gz", ".nrrd", ".mha"}
SLOWEST_S = 25
PEAK_MIB = 800


def real_files(folder: Path) -> list[Path]:
    """Return a few small files of every format from every folder, and one of each kind that no reader knows."""
    found, strange = [], {}
    for home in sorted({path.parent for path in folder.rglob("*") if path.is_file()}):
        by_ending: dict[str, list[Path]] = {}
        for path in sorted(home.iterdir()):
            if path.is_file() and 0 < path.stat().st_size <= LARGEST_BYTES:
                by_ending.setdefault(path.suffix, []).append(path)
        for ending, paths in by_ending.items():
            if ending in READ:
                found += paths[:PER_FOLDER]
            else:
                strange[ending] = paths[0]
    return found + list(strange.values())


def own_files(folder: Path) -> list[Path]:
    """Write a file in each format that the real ones lack."""
    grid = Geometry.from_parts(shape=(6, 64, 66), spacing=(0.7, 1.3, 2.5), origin=(-80, 12, 300))
    voxels = np.random.default_rng(1).integers(-1000, 1000, grid.shape).astype(np.int16)
    volume = Volume(voxels, grid, "CT")
    labels = LabelMap((voxels > 500).astype(np.uint8), grid, load_schema("hippocampus"))
    paths = [write_volume(folder / name, volume) for name in ("a.nii", "a.nii.gz", "a.nrrd", "a.mha", "b.mhd")]
    paths += [write_labels(folder / "a.seg.nrrd", labels), write_dicom_seg(folder / "seg.dcm", labels, origin="manual")]
    deflated = folder / "deflated.mha"
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(deflated), useCompression=True)
    series = write_dicom_series(folder / "series", volume, patient_id="P1")
    with zipfile.ZipFile(folder / "series.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in series:
            archive.write(path, path.name)
    for path, syntax in zip(series, (pydicom.uid.JPEG2000Lossless, pydicom.uid.RLELossless), strict=False):
        dataset = pydicom.dcmread(path)
        dataset.compress(syntax)
        dataset.save_as(path)
    return [*paths, deflated, folder / "series.zip", *series[:3]]


def assert_bounded(result: dict[str, Any]) -> None:
    assert result["problems"] == []
    assert result["slowest_s"] < SLOWEST_S, result["slowest"]
    assert result["peak_mib"] < PEAK_MIB


def test_damaged_files(
    test_data: Callable[[str], Path], tmp_path: Path, run_script: Callable[..., dict[str, Any]]
) -> None:
    (tmp_path / "own").mkdir()
    files = real_files(test_data("MANIFEST.csv").parent) + own_files(tmp_path / "own")
    result = run_script("soak_readers.py", tmp_path, *files)
    assert_bounded(result)
    assert result["cases"] >= 40
    assert result["outcomes"]["accepted"] > 0
    assert len(result["outcomes"]) > 3


def test_bombs(tmp_path: Path, run_script: Callable[..., dict[str, Any]]) -> None:
    result = run_script("soak_readers.py", tmp_path)
    assert_bounded(result)
    assert result["cases"] > 30
    assert not list(tmp_path.glob("**/up.dcm"))
