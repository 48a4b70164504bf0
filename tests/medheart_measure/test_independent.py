"""The engine beside independent implementations, on random blobs and on real labels."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import pdist
from skimage.measure import marching_cubes

from medheart import Code, Geometry, LabelClass, LabelMap, LabelSchema, Volume
from medheart_measure import measure

CODE = Code("SCT", "49755003", "Morphologically Abnormal Structure")


def labels_of(array, geometry):
    values = [int(v) for v in np.unique(array) if v]
    schema = LabelSchema("t", "1", tuple(LabelClass(v, f"label_{v}", {}, CODE, CODE, (1, 2, 3)) for v in values))
    return LabelMap(np.ascontiguousarray(array), geometry, schema)


def nifti(path, dtype=None):
    image = nib.load(path)
    array = np.asarray(image.dataobj if dtype is None else np.asarray(image.dataobj).astype(dtype)).T
    return array, Geometry.from_ras(array.shape, image.affine)


def itk(labels, *, perimeter=False):
    image = sitk.GetImageFromArray(labels.array)
    image.SetSpacing([float(s) for s in labels.geometry.spacing])
    image.SetOrigin([float(s) for s in labels.geometry.origin])
    image.SetDirection([float(x) for x in labels.geometry.direction.reshape(-1)])
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.SetComputePerimeter(perimeter)
    statistics.Execute(image)
    return statistics


@settings(max_examples=30, deadline=None)
@given(
    hnp.arrays(np.uint8, (6, 7, 8), elements=st.integers(0, 3)).filter(np.any),
    st.tuples(*[st.floats(0.4, 5)] * 3),
    st.integers(0, 2**16),
    st.booleans(),
)
def test_count_volume_and_centroid_are_those_of_simpleitk_on_any_grid(array, spacing, seed, left_handed):
    direction, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    direction *= np.sign(np.linalg.det(direction))
    if left_handed:
        direction[:, 2] *= -1
    geometry = Geometry.from_parts(shape=array.shape, spacing=spacing, origin=(5, -7, 11), direction=direction)
    labels = labels_of(array, geometry)
    reference = None if left_handed else itk(labels)
    for label in measure(labels).labels:
        mask = array == label.value
        assert label["voxel_count"].value == mask.sum()
        assert label["volume"].value * 1000 == pytest.approx(mask.sum() * np.prod(spacing))
        centroid = [label[f"centroid_{a}"].value for a in "xyz"]
        if reference is not None:
            assert label["volume"].value * 1000 == pytest.approx(reference.GetPhysicalSize(label.value))
            assert centroid == pytest.approx(reference.GetCentroid(label.value), abs=1e-6)
        centres = geometry.index_to_lps(np.argwhere(mask)[:, ::-1])
        assert centroid == pytest.approx(centres.mean(axis=0), abs=1e-6)
        corners = [geometry.index_to_lps(np.argwhere(mask)[:, ::-1] + np.array(c) - 0.5) for c in np.ndindex(2, 2, 2)]
        extent = np.concatenate(corners).max(axis=0) - np.concatenate(corners).min(axis=0)
        assert [label[f"bounding_box_{a}"].value for a in "xyz"] == pytest.approx(extent)


def test_hippocampus_beside_simpleitk_and_skimage(test_data):
    folder = test_data("mr/hippocampus")
    path = sorted(p for p in folder.rglob("*.nii.gz") if "label" in str(p))[0]
    array, geometry = nifti(path, np.uint8)
    labels = labels_of(array, geometry)
    table = measure(labels)
    reference = itk(labels, perimeter=True)
    assert np.allclose(geometry.spacing, 1.0)
    for label in table.labels:
        assert label["surface_area"].value == pytest.approx(reference.GetPerimeter(label.value), rel=1e-6)
        mask = (array == label.value).astype(np.uint8)
        assert label["voxel_count"].value == mask.sum()
        vertices = marching_cubes(np.pad(mask, 1), 0.5)[0]
        assert label["max_diameter_3d"].value == pytest.approx(pdist(vertices).max(), abs=1e-5)


def test_pyradiomics_baseline_of_a_real_brain_tumour(test_data):
    """Published baseline of the package's own test case `brain1`; its mask has two parts."""
    image = sitk.ReadImage(str(next(test_data("mr/pyradiomics").rglob("brain1_image.nrrd"))))
    mask = sitk.ReadImage(str(next(test_data("mr/pyradiomics").rglob("brain1_label.nrrd"))))
    array = (sitk.GetArrayFromImage(mask) == 1).astype(np.uint8)
    geometry = Geometry.from_parts(
        shape=array.shape, spacing=mask.GetSpacing(), origin=mask.GetOrigin(), direction=mask.GetDirection()
    )
    volume = Volume(sitk.GetArrayFromImage(image), geometry, "MR")
    label = measure(labels_of(array, geometry), volume)["label_1"]
    assert label["voxel_count"].value == 4137
    assert label["component_count"].value == 2
    assert label["volume"].value == pytest.approx(16.412658691406243)
    assert label["max_diameter_3d"].value == pytest.approx(69.6009903059)
    centroid = [label[f"centroid_{a}"].value for a in "xyz"]
    assert centroid == pytest.approx([46.47304432559825, 16.518518098863908, 15.529610829103234], abs=1e-6)


@pytest.mark.parametrize("name", ["STS_001", "STS_008", "STS_014"])
def test_real_sarcomas_beside_simpleitk(test_data, name):
    array, geometry = nifti(test_data(f"ct/sts_tumour_2mm/{name}_mask.nii.gz"), np.uint8)
    image, _ = nifti(test_data(f"ct/sts_tumour_2mm/{name}_ct.nii.gz"))
    labels = labels_of((array > 0).astype(np.uint8), geometry)
    label = measure(labels, Volume(np.ascontiguousarray(image), geometry, "CT"))["label_1"]
    reference = itk(labels)
    assert label["volume"].value * 1000 == pytest.approx(reference.GetPhysicalSize(1), rel=1e-5)
    assert (
        label["component_count"].value
        == sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(labels.array), True)).max()
    )
    inside = image[labels.array == 1].astype(float)
    assert label["intensity_mean"].value == pytest.approx(inside.mean())
    assert label["intensity_p90"].value == pytest.approx(np.percentile(inside, 90))
