"""Volumes, label maps and DICOM series for the tests of readers and writers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from medheart.geometry import Geometry
from medheart.schema import Code, LabelClass, LabelSchema
from medheart.volume import LabelMap, Volume
from medheart_io import write_dicom_series

KIDNEY = Code("SCT", "64033007", "Kidney")
ORGAN = Code("SCT", "123037004", "Anatomical Structure")
LEFT = Code("SCT", "7771000", "Left")


@pytest.fixture(scope="session")
def schema() -> LabelSchema:
    """Values that are not 1..N, a laterality, a region, a Chinese name."""
    return LabelSchema(
        "test",
        "1",
        (
            LabelClass(7, "kidney_left", {"en": "left kidney", "zh": "左肾"}, ORGAN, KIDNEY, (200, 80, 60), None, LEFT),
            LabelClass(3, "liver", {"en": "liver", "zh": "肝"}, ORGAN, Code("SCT", "10200004", "Liver"), (180, 90, 40)),
            LabelClass(
                200,
                "mass",
                {"en": "mass", "zh": "肿块"},
                Code("SCT", "49755003", "Morphologically Altered Structure"),
                Code("SCT", "4147007", "Mass"),
                (0, 255, 0),
                Code("SCT", "10200004", "Liver"),
            ),
        ),
    )


@pytest.fixture(scope="session")
def oblique() -> Geometry:
    """An oblique, anisotropic, left-handed grid of 5 x 6 x 7 voxels."""
    turn = np.linalg.qr(np.array([[1.0, 0.2, -0.1], [-0.3, 1.0, 0.25], [0.15, -0.2, 1.0]]))[0]
    turn[:, 2] *= -np.sign(np.linalg.det(turn))
    return Geometry.from_parts(shape=(5, 6, 7), spacing=(0.7, 1.3, 2.5), origin=(-81.5, 12.25, 304.0), direction=turn)


@pytest.fixture(scope="session")
def volume(oblique: Geometry) -> Volume:
    """Every voxel another HU value."""
    values = np.random.default_rng(3).permutation(210).reshape(oblique.shape) - 1000
    return Volume(values.astype(np.int16), oblique, "CT")


@pytest.fixture(scope="session")
def labels(oblique: Geometry, schema: LabelSchema) -> LabelMap:
    """All labels, and an empty first slice."""
    values = np.random.default_rng(4).choice([0, *schema.values], size=oblique.shape).astype(np.uint8)
    values[0] = 0
    return LabelMap(values, oblique, schema)


def write_upright(folder: Path, slices: int = 8, size: tuple[int, int] = (12, 10), **texts: Any) -> list[Path]:
    """Write a CT series with axes along the patient's, 2.5 mm apart."""
    geometry = Geometry.from_parts(shape=(slices, *size), spacing=(0.8, 0.9, 2.5), origin=(-4, -5, 100))
    values = np.random.default_rng(5).integers(-1000, 1000, geometry.shape).astype(np.int16)
    return write_dicom_series(folder, Volume(values, geometry, "CT"), **{"patient_id": "P1", **texts})


@pytest.fixture
def series(tmp_path: Path) -> list[Path]:
    """Eight good CT slices in a folder of their own."""
    return write_upright(tmp_path / "series")


@pytest.fixture(scope="session")
def make_series() -> Callable[..., list[Path]]:
    """`write_upright`, for tests that need several series."""
    return write_upright


@pytest.fixture(scope="session")
def change() -> Callable[..., None]:
    """Return a function that overwrites attributes of a DICOM file, without pydicom's own checks."""

    def apply(path: Path, **values: Any) -> None:
        dataset = pydicom.dcmread(path)
        for keyword, value in values.items():
            if value is None:
                del dataset[keyword]
            elif isinstance(value, bytes):
                tag = Tag(keyword)
                vr = pydicom.datadict.dictionary_VR(tag)
                even = value + b" " * (len(value) % 2)
                dataset._dict[tag] = RawDataElement(tag, vr, len(even), even, 0, False, True)
            else:
                setattr(dataset, keyword, value)
        dataset.save_as(path)

    return apply


@pytest.fixture(scope="session")
def same_places() -> Callable[[NDArray[Any], Geometry, NDArray[Any], Geometry], None]:
    """Return a check that two arrays hold equal values at equal places (1e-3 mm), whatever their axes."""

    def check(one: NDArray[Any], one_grid: Geometry, other: NDArray[Any], other_grid: Geometry) -> None:
        assert one.size == other.size
        k, j, i = np.indices(other.shape).reshape(3, -1)
        index = one_grid.lps_to_index(other_grid.index_to_lps(np.stack([i, j, k], axis=1)))
        whole = np.rint(index).astype(int)
        moved = one_grid.index_to_lps(index) - one_grid.index_to_lps(whole)
        assert np.abs(moved).max() < 1e-3
        np.testing.assert_array_equal(one[whole[:, 2], whole[:, 1], whole[:, 0]], other[k, j, i])

    return check
