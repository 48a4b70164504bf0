"""The measuring engine against closed forms, real labels, and its own contract."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from medheart import Geometry, ImageRejected, LabelMap, Volume
from medheart.errors import GeometryError
from medheart_measure import load_quantities, measure


def test_sphere_has_the_volume_surface_and_diameter_of_a_sphere(ellipsoid):
    table = measure(ellipsoid((40, 40, 40)))["label_1"]
    assert table["volume"].value == pytest.approx(4 / 3 * math.pi * 40**3 / 1000, rel=2e-3)
    assert table["surface_area"].value == pytest.approx(4 * math.pi * 40**2, rel=0.007)
    for code in ("max_diameter_3d", "long_axis_axial", "short_axis_axial"):
        assert table[code].value == pytest.approx(80, abs=1.0)
    for code in ("max_area_axial", "max_area_coronal", "max_area_sagittal"):
        assert table[code].value == pytest.approx(math.pi * 40**2, rel=0.01)
    assert [table[f"centroid_{a}"].value for a in "xyz"] == pytest.approx([12.3, -45.6, 78.9], abs=0.01)


def test_box_is_measured_from_outer_edge_to_outer_edge(label_map):
    array = np.zeros((9, 12, 20), bool)
    array[2:5, 3:4, 4:14] = True
    table = measure(label_map(array, spacing=(0.5, 2.0, 3.0)))["label_1"]
    assert table["voxel_count"].value == 30
    assert table["volume"].value == pytest.approx(30 * 3 / 1000)
    assert table["long_axis_axial"].value == pytest.approx(5.0)
    assert table["short_axis_axial"].value == pytest.approx(2.0)
    assert table["max_area_axial"].value == pytest.approx(10 * 1.0)
    assert table["max_area_coronal"].value == pytest.approx(30 * 1.5)
    assert table["max_area_sagittal"].value == pytest.approx(3 * 6.0)
    assert [table[f"bounding_box_{a}"].value for a in "xyz"] == pytest.approx([5.0, 2.0, 9.0])
    assert table["max_diameter_3d"].value == pytest.approx(math.hypot(9.0, 4.5))


def test_one_voxel_is_as_large_as_a_voxel(label_map):
    array = np.zeros((3, 3, 3), bool)
    array[1, 1, 1] = True
    table = measure(label_map(array, spacing=(0.5, 0.7, 3.0)))["label_1"]
    assert table["max_diameter_3d"].value == pytest.approx(3.0)
    assert table["long_axis_axial"].value == pytest.approx(0.7)
    assert table["short_axis_axial"].value == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("direction", "planes"),
    [
        (np.eye(3), "axial coronal sagittal"),
        (np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], float), "sagittal axial coronal"),
        (np.array([[-1, 0, 0], [0, 0, 1], [0, 1, 0]], float), "coronal axial sagittal"),
    ],
)
def test_planes_are_named_by_the_patient_not_by_the_array(label_map, direction, planes):
    array = np.zeros((8, 10, 12), bool)
    array[2:4, 2:7, 2:9] = True
    table = measure(label_map(array, direction=direction))["label_1"]
    slices, rows, columns = (table[f"max_area_{plane}"].value for plane in planes.split())
    assert (slices, rows, columns) == (35, 14, 10)


def test_two_lesions_are_not_bridged_by_the_axial_diameter(label_map):
    array = np.zeros((5, 30, 60), bool)
    array[2, 10:14, 5:15] = True
    array[2, 10:13, 45:51] = True
    table = measure(label_map(array))["label_1"]
    assert table["component_count"].value == 2
    assert [part["voxel_count"].value for part in table.components] == [40, 18]
    assert table["long_axis_axial"].value == table.components[0]["long_axis_axial"].value < 11
    assert table["max_diameter_3d"].value > 45


def test_parts_that_touch_at_a_corner_are_one(label_map):
    array = np.zeros((4, 4, 4), bool)
    array[1, 1, 1] = array[2, 2, 2] = True
    assert measure(label_map(array))["label_1"]["component_count"].value == 1


def test_intensities_are_in_hounsfield_units_for_ct_only(ellipsoid):
    labels = ellipsoid((6, 5, 4))
    values = np.random.default_rng(0).normal(40, 12, labels.array.shape).astype(np.float32)
    inside = values[labels.array == 1].astype(np.float64)
    table = measure(labels, Volume(values, labels.geometry, "CT"))["label_1"]
    expected = {
        "mean": inside.mean(),
        "std": inside.std(),
        "min": inside.min(),
        "max": inside.max(),
        "median": np.median(inside),
        "p10": np.percentile(inside, 10),
        "p90": np.percentile(inside, 90),
    }
    assert {k: table[f"intensity_{k}"].value for k in expected} == pytest.approx(expected)
    assert table["intensity_mean"].unit == "[hnsf'U]"
    assert measure(labels, Volume(values, labels.geometry, "MR"))["label_1"]["intensity_mean"].unit == "1"


def test_an_image_on_another_grid_is_refused(ellipsoid):
    labels = ellipsoid((6, 5, 4))
    moved = Geometry.from_parts(shape=labels.geometry.shape, spacing=labels.geometry.spacing, origin=(0, 0, 0.5))
    with pytest.raises(GeometryError, match="grid"):
        measure(labels, Volume(np.zeros(labels.array.shape), moved))


def test_an_image_that_is_no_number_inside_the_label_is_refused(ellipsoid):
    labels = ellipsoid((6, 5, 4))
    values = np.zeros(labels.array.shape)
    values[labels.array == 1] = np.nan
    with pytest.raises(ImageRejected, match="not finite"):
        measure(labels, Volume(values, labels.geometry))


def test_an_absent_label_is_counted_as_zero_and_not_measured(schema_of):
    array = np.zeros((4, 5, 6), np.uint8)
    labels = LabelMap(array, Geometry.from_parts(shape=array.shape, spacing=(1, 1, 1)), schema_of(3, 900))
    for label in measure(labels).labels:
        assert [m.code for m in label.measurements] == ["voxel_count", "volume", "component_count"]
        assert {m.value for m in label.measurements} == {0}
        assert label.components == ()


def test_small_parts_beyond_the_limit_are_counted_and_said(label_map):
    array = np.zeros((3, 21, 21), bool)
    array[1, 1::2, 1::2] = True
    array[1, 0, 0:2] = True
    array[0, 0, 0] = True
    table = measure(label_map(array), max_components=5)
    label = table["label_1"]
    assert label["component_count"].value == 100
    assert [part["voxel_count"].value for part in label.components] == [4, 1, 1, 1, 1]
    assert table.warnings == ("components_limited",)


def test_a_single_slice_is_said(label_map):
    assert measure(label_map(np.ones((1, 4, 4), bool))).warnings == ("single_slice",)


def test_large_label_values_keep_their_value_and_name(schema_of):
    array = np.zeros((3, 4, 5), np.uint16)
    array[1, 1, 1:4] = 65535
    array[2, 2, 2] = 7
    labels = LabelMap(array, Geometry.from_parts(shape=array.shape, spacing=(1, 1, 1)), schema_of(65535, 7))
    table = measure(labels)
    assert [(label.value, label["voxel_count"].value) for label in table.labels] == [(65535, 3), (7, 1)]


def test_json_form_holds_value_unit_and_method_of_every_number(ellipsoid):
    labels = ellipsoid((6, 5, 4))
    data = json.loads(json.dumps(measure(labels, source="v1").to_dict()))
    (label,) = data["labels"]
    assert (label["value"], label["name"]) == (1, "label_1")
    for measurement in label["measurements"] + label["components"][0]["measurements"]:
        assert measurement["source"] == "v1"
        assert measurement["unit"]
        assert measurement["method"]
        assert data["quantities"][measurement["code"]]["definition"]["zh"]
    assert [part["index"] for part in label["components"]] == [1]


def test_without_orientation_nothing_is_measured_along_the_patients_directions(ellipsoid):
    labels = ellipsoid((6, 5, 4))
    assumed = Volume(labels.array, labels.geometry, "MR", {"warnings": ("orientation-assumed",)})
    table = measure(labels, assumed)
    said = json.dumps(table.to_dict())
    for word in ("centroid", "bounding_box", "left", "to the head"):
        assert word not in said
    assert table.warnings == ("orientation-assumed",)
    kept = {code for code, q in load_quantities().items() if not q.directed}
    assert {m.code for m in table["label_1"].measurements} == kept


def test_every_quantity_is_measured_and_nothing_else(ellipsoid):
    labels = ellipsoid((6, 5, 4))
    table = measure(labels, Volume(labels.array, labels.geometry))["label_1"]
    assert [m.code for m in table.measurements] == list(load_quantities())
    parts = {m.code for m in table.components[0].measurements}
    assert parts == {code for code, q in load_quantities().items() if q.scope == "region"}


def test_a_schema_without_labels_gives_an_empty_table(schema_of):
    labels = LabelMap(
        np.zeros((2, 3, 4), np.uint8), Geometry.from_parts(shape=(2, 3, 4), spacing=(1, 1, 1)), schema_of()
    )
    assert measure(labels).labels == ()


def test_a_limit_below_one_part_is_refused(ellipsoid):
    with pytest.raises(ValueError, match="max_components"):
        measure(ellipsoid((3, 3, 3)), max_components=0)


def test_two_voxels_in_one_row_are_two_parts(schema_of):
    array = np.array([[[1, 0, 1]]], np.uint8)
    geometry = Geometry.from_parts(shape=(1, 1, 3), spacing=(1, 2, 3))
    (label,) = measure(LabelMap(array, geometry, schema_of(1))).labels
    assert [part["volume"].value for part in label.components] == pytest.approx([0.006, 0.006])
