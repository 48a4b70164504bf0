"""A store and settings in a folder of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from medheart.geometry import Geometry
from medheart.records import LabelVersion
from medheart.schema import load_schema
from medheart.settings import Settings
from medheart.volume import LabelMap, Volume
from medheart_io import write_dicom_series, write_volume
from medheart_store import Store
from medheart_work.importing import import_paths


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with Store.open(settings.store_dir) as opened:
        yield opened


@pytest.fixture
def oblique() -> Volume:
    """A small MR volume on an oblique, anisotropic, left-handed grid."""
    turn = np.array([[0.96, -0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, -1.0]])
    grid = Geometry.from_parts(shape=(20, 40, 30), spacing=(1.0, 1.2, 2.0), origin=(10, -20, 30), direction=turn)
    array = np.random.default_rng(0).integers(0, 500, grid.shape).astype(np.int16)
    return Volume(array, grid, "MR", {"body_part": "HEAD"})


@pytest.fixture
def dicom(tmp_path: Path, oblique: Volume) -> Path:
    """The same as a DICOM series of an invented patient."""
    upright = Geometry.from_parts(shape=oblique.geometry.shape, spacing=(1.0, 1.2, 2.0), origin=(10, -20, 30))
    volume = Volume(oblique.array, upright, "MR")
    folder = tmp_path / "dicom"
    write_dicom_series(
        folder, volume, patient_id="MRN-4711", patient_name="王^小明", series_description="T1 mprage", body_part="HEAD"
    )
    return folder


@pytest.fixture
def version(store: Store, settings: Settings, dicom: Path) -> LabelVersion:
    """A version of the hippocampus schema on the DICOM series."""
    (case,) = import_paths(store, settings, [dicom])
    grid = store.volume(case.series).geometry
    array = np.zeros(grid.shape, np.uint8)
    array[5:9, 10:20, 8:14] = 1
    array[10:14, 10:20, 8:14] = 2
    labels = LabelMap(array, grid, load_schema("hippocampus"))
    return store.add_version(labels, image=case.series, author="reader", origin="manual")


@pytest.fixture
def nifti(tmp_path: Path) -> Callable[[Volume, str], Path]:
    """Write a volume as a NIfTI file of that name."""

    def write(volume: Volume, name: str) -> Path:
        return write_volume(tmp_path / name, volume)

    return write
