"""Label maps in files: one schema on every path, values unchanged."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from medheart.errors import GeometryError, ImageRejected, SchemaError
from medheart.geometry import Geometry
from medheart.schema import LabelSchema
from medheart.volume import LabelMap, Volume
from medheart_io import place, read_labels, write_labels, write_volume


@pytest.mark.parametrize("name", ["l.nii.gz", "l.nii", "l.seg.nrrd", "l.nrrd", "l.mha", "l.mhd"])
def test_digest_survives_every_format(name: str, tmp_path: Path, labels: LabelMap) -> None:
    back = read_labels(write_labels(tmp_path / name, labels), labels.schema, like=labels.geometry)
    assert back.digest == labels.digest


def test_float_labels_of_other_programs(tmp_path: Path, labels: LabelMap) -> None:
    image = nibabel.Nifti1Image(labels.array.astype(np.float64).T, labels.geometry.to_ras())
    nibabel.save(image, tmp_path / "float.nii.gz")
    assert read_labels(tmp_path / "float.nii.gz", labels.schema).array.dtype == np.uint8


@pytest.mark.parametrize("value", [-1.0, 0.5, 70000.0])
def test_what_is_no_label_is_refused(value: float, tmp_path: Path, labels: LabelMap) -> None:
    array = labels.array.astype(np.float32)
    array[0, 0, 0] = value
    path = write_volume(tmp_path / "odd.nii.gz", Volume(array, labels.geometry))
    with pytest.raises(ImageRejected, match="whole numbers") as caught:
        read_labels(path, labels.schema)
    assert caught.value.code == "not_labels"


@pytest.mark.parametrize("value", [5, 300])
def test_values_outside_the_schema_are_named(value: int, tmp_path: Path, labels: LabelMap) -> None:
    array = labels.array.astype(np.int16)
    array[0, 0, 0] = value
    path = write_volume(tmp_path / "odd.nii.gz", Volume(array, labels.geometry))
    with pytest.raises(SchemaError, match=rf"\[{value}\]") as caught:
        read_labels(path, labels.schema)
    assert caught.value.details["unknown"] == [value]


def test_type_follows_from_the_schema(tmp_path: Path, labels: LabelMap, schema: LabelSchema) -> None:
    data = schema.to_dict()
    data["labels"][0]["value"] = 700
    wide = LabelSchema.from_dict(data)
    path = write_labels(tmp_path / "l.nii.gz", labels.with_array(np.where(labels.array == 7, 0, labels.array)))
    assert read_labels(path, schema).array.dtype == np.uint8
    assert read_labels(path, wide).array.dtype == np.uint16


def test_unknown_endings_are_refused(tmp_path: Path, labels: LabelMap) -> None:
    with pytest.raises(ImageRejected, match=r"\.seg\.nrrd"):
        write_labels(tmp_path / "labels.tif", labels)


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize("flips", [(False, False, False), (True, False, True)])
def test_placing_turned_and_cropped_labels(
    axes: tuple[int, int, int], flips: tuple[bool, bool, bool], labels: LabelMap
) -> None:
    """Another program may store other axes, and only the part that holds labels."""
    part = labels.array[1:4, 1:, :-1]
    corner = labels.geometry.index_to_lps([0, 1, 1])
    affine = labels.geometry.affine.copy()
    affine[:3, 3] = corner
    turned = np.transpose(part, axes)[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
    grid = Geometry(part.shape, affine).reoriented(axes, flips)
    placed = place(LabelMap(np.ascontiguousarray(turned), grid, labels.schema), labels.geometry)
    expected = np.zeros_like(labels.array)
    expected[1:4, 1:, :-1] = part
    np.testing.assert_array_equal(placed.array, expected)
    assert placed.geometry is labels.geometry


def test_placing_refuses_what_does_not_coincide(labels: LabelMap) -> None:
    affine = labels.geometry.affine.copy()
    affine[:3, 3] += 0.3
    with pytest.raises(GeometryError, match="beside"):
        place(labels, Geometry(labels.geometry.shape, affine))
    affine = labels.geometry.affine.copy()
    affine[:3, :3] *= 2
    with pytest.raises(GeometryError, match="another size"):
        place(labels, Geometry(labels.geometry.shape, affine))
    smaller = Geometry((5, 6, 3), labels.geometry.affine)
    with pytest.raises(GeometryError, match="outside the image"):
        place(labels, smaller)


def test_placing_refuses_other_steps_that_meet_at_the_ends(tmp_path: Path, labels: LabelMap) -> None:
    """41 slices of 1.25 mm begin and end with 51 slices of 1 mm, and lie beside them in between."""
    like = Geometry.from_parts(shape=(51, 6, 7), spacing=(1, 1, 1))
    array = np.zeros((41, 6, 7), dtype=np.uint8)
    array[20, 3, 3] = 7
    thick = LabelMap(array, Geometry.from_parts(shape=array.shape, spacing=(1, 1, 1.25)), labels.schema)
    with pytest.raises(GeometryError, match=r"10\.000 mm beside"):
        read_labels(write_labels(tmp_path / "thick.nii.gz", thick), labels.schema, like=like)


def test_placing_refuses_a_grid_turned_about_its_diagonal(labels: LabelMap) -> None:
    """The first and the last voxel stay where they are, the others do not."""
    like = Geometry.from_parts(shape=(40, 40, 40), spacing=(1, 1, 1))
    axis, angle = np.ones(3) / np.sqrt(3), np.radians(5)
    cross = np.cross(np.eye(3), axis)
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    turned = Geometry.from_parts(shape=like.shape, spacing=(1, 1, 1), direction=turn)
    corners = turned.index_to_lps([[0, 0, 0], [39, 39, 39]])
    np.testing.assert_allclose(corners, [[0, 0, 0], [39, 39, 39]], atol=1e-9)
    with pytest.raises(GeometryError, match="beside"):
        place(LabelMap(np.zeros(like.shape, dtype=np.uint8), turned, labels.schema), like)
