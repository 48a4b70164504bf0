"""Files and parameters of an inference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medheart.errors import MedHeartError
from medheart.geometry import Geometry
from medheart.schema import LabelSchema, load_schema
from medheart.volume import LabelMap
from medheart_io import read_image
from medheart_labeling.results import centroids, label_names, result_dtype, result_ending, write_result

FIRST = load_schema("hippocampus").labels[0]
WIDE = LabelSchema("wide", "1", tuple(replace(FIRST, value=value, name=f"v{value}") for value in (1, 300)))
GRID = Geometry.from_parts(shape=(5, 6, 7), spacing=(1, 1, 1))


@pytest.fixture
def labels():
    """Return a label map with two labels; one needs 16 bits."""
    array = np.zeros(GRID.shape, np.uint16)
    array[1, 2, 3:6] = 300
    array[4, 5, 6] = 1
    return LabelMap(array, GRID, WIDE)


def test_centroids_are_voxels_as_i_j_k(labels):
    assert centroids(labels) == {"v1": ["6", "5", "4"], "v300": ["4", "2", "1"]}
    assert centroids(labels.with_array(np.zeros(GRID.shape, np.uint16))) == {}


def test_names(labels):
    assert label_names(labels) == {"v1": 1, "v300": 300}


@pytest.mark.parametrize("dtype", [None, "uint16", "int16", "int32", "float32"])
def test_values_survive_every_type_that_holds_them(labels, tmp_path, dtype):
    path = write_result(tmp_path / "label.nii.gz", labels, dtype=dtype, origin="manual")
    assert np.array_equal(read_image(path).array, labels.array)


def test_a_type_that_would_fold_values_is_refused(labels, tmp_path):
    with pytest.raises(MedHeartError, match="300") as caught:
        write_result(tmp_path / "label.nii.gz", labels, dtype="uint8", origin="manual")
    assert caught.value.code == "dtype_overflow"
    assert not list(tmp_path.iterdir())


def test_defaults_and_refusals():
    assert result_ending(None) == ".nii.gz"
    assert result_ending(".nrrd") == ".nrrd"
    assert result_dtype(None) is None
    for call, value in (
        (result_ending, "../x"),
        (result_ending, 5),
        (result_dtype, "object"),
        (result_dtype, ["uint8"]),
    ):
        with pytest.raises(MedHeartError):
            call(value)
