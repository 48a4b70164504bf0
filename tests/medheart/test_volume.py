from __future__ import annotations

import numpy as np
import pytest

from medheart.errors import GeometryError, SchemaError
from medheart.geometry import Geometry
from medheart.schema import Code, LabelClass, LabelSchema
from medheart.volume import LabelMap, Volume

CODE = Code("SCT", "85756007", "Tissue")
SCHEMA = LabelSchema(
    "s", "1", (LabelClass(2, "a", {}, CODE, CODE, (0, 0, 0)), LabelClass(300, "b", {}, CODE, CODE, (0, 0, 0)))
)
GRID = Geometry.from_parts(shape=(2, 2, 2), spacing=(1, 1, 1))


def test_counts_and_mask_by_value() -> None:
    labels = LabelMap(np.array([[[0, 2], [2, 300]], [[0, 0], [0, 300]]], np.uint16), GRID, SCHEMA)
    assert labels.counts == {2: 2, 300: 2}
    assert labels.mask(300).sum() == 2


def test_an_empty_label_map_has_no_counts() -> None:
    assert LabelMap(np.zeros((2, 2, 2), np.uint8), GRID, SCHEMA).counts == {}


def test_values_outside_the_schema_are_refused() -> None:
    with pytest.raises(SchemaError, match="1"):
        LabelMap(np.ones((2, 2, 2), np.uint8), GRID, SCHEMA)


@pytest.mark.parametrize("dtype", [np.int16, np.float32, bool])
def test_label_maps_are_unsigned(dtype: type) -> None:
    with pytest.raises(GeometryError):
        LabelMap(np.zeros((2, 2, 2), dtype), GRID, SCHEMA)


def test_shape_and_grid_must_agree() -> None:
    with pytest.raises(GeometryError, match="shape"):
        Volume(np.zeros((2, 2, 3)), GRID)


def test_digest_knows_dtype_grid_and_voxels_but_not_byte_order() -> None:
    array = np.arange(8, dtype="<i2").reshape(2, 2, 2)
    digest = Volume(array, GRID).digest
    assert Volume(array.astype(">i2"), GRID).digest == digest
    assert Volume(array.astype("<i4"), GRID).digest != digest
    assert Volume(array + 1, GRID).digest != digest
    assert Volume(array, Geometry.from_parts(shape=(2, 2, 2), spacing=(1, 1, 2))).digest != digest
