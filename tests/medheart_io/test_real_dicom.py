"""Real DICOM: tilted heads, oblique stacks, multi-frame, PET, phantoms; a second reader agrees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from medheart.errors import NeedsChoice
from medheart.geometry import Geometry
from medheart_io import read_image, scan

Locate = Callable[[str], Path]
EVEN = {
    "dicom/hippocrop_study1": ("MR", (32, 51, 35)),
    "dicom/pet_with_seg/PET": ("PT", (43, 128, 128)),
    "dicom/torchio_ct17": ("CT", (17, 128, 88)),
    "dicom/sts_008_ct_pet_mr_rtstruct/CT/image": ("CT", (51, 137, 141)),
    "dicom/sts_008_ct_pet_mr_rtstruct/MR_T1/image": ("MR", (28, 79, 77)),
    "dicom/rt_utils/oriented_data": ("CT", (3, 50, 100)),
    "dicom/dcmqi/segmentations/ct-3slice": ("CT", (3, 512, 512)),
    "not_patient/acr_mr_phantom/GE_Signa_3T_T1": ("MR", (11, 256, 256)),
}


@pytest.mark.parametrize("name", EVEN)
def test_simpleitk_agrees(name: str, test_data: Locate) -> None:
    modality, shape = EVEN[name]
    volume = read_image(test_data(name))
    assert (volume.modality, volume.array.shape) == (modality, shape)
    (found,) = [c for c in scan([test_data(name)]) if c.status == "accepted"]
    positions = {}
    for path in found.files:
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        positions[path] = volume.geometry.lps_to_index(reader.GetOrigin())[2]
    image = sitk.ReadImage([str(path) for path in sorted(found.files, key=positions.__getitem__)])
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    assert Geometry(image.GetSize()[::-1], affine).matches(volume.geometry, tolerance_mm=1e-2)
    np.testing.assert_allclose(sitk.GetArrayFromImage(image), volume.array, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "degrees"), [("dicom/ge_human_head_tilt_varspacing", 18.5), ("dicom/philips_phantom_head_tilt16", 16.5)]
)
def test_tilted_heads_need_a_choice(name: str, degrees: float, test_data: Locate) -> None:
    with pytest.raises(NeedsChoice, match=f"tilted by {degrees} degrees") as caught:
        read_image(test_data(name))
    assert caught.value.code == "tilted"
    assert set(caught.value.choices) == {"resample-tilt"}
    (found,) = scan([test_data(name)])
    assert (found.status, found.code) == ("needs_choice", "tilted")
    volume = read_image(test_data(name), choice="resample-tilt")
    assert "resampled-tilt" in volume.meta["warnings"]
    spacing = volume.geometry.affine[:3, :3]
    assert np.abs(spacing.T @ spacing - np.diag(np.diag(spacing.T @ spacing))).max() < 1e-9


def test_resampling_keeps_pixels_at_their_place(test_data: Locate) -> None:
    """In the middle of each slice the resampled head has the slice's own values where planes coincide."""
    folder = test_data("dicom/ge_human_head_tilt_varspacing")
    volume = read_image(folder, choice="resample-tilt")
    itk = sitk.GetImageFromArray(volume.array.astype(np.float32))
    itk.SetOrigin(volume.geometry.origin.tolist())
    itk.SetSpacing(volume.geometry.spacing.tolist())
    itk.SetDirection(volume.geometry.direction.reshape(-1).tolist())
    (found,) = scan([folder])
    lowest = sitk.ReadImage(str(min(found.files, key=lambda p: _along(p, volume.geometry))))
    other = sitk.GetArrayFromImage(sitk.Resample(itk, lowest, sitk.Transform(), sitk.sitkLinear, -9999.0))[0]
    own = sitk.GetArrayFromImage(lowest)[0].astype(float)
    inside = other > -9000
    assert inside.mean() > 0.95
    # One linear interpolation within the plane is all that lies between both.
    assert np.median(np.abs(other - own)[inside]) < 5
    assert np.corrcoef(other[inside], own[inside])[0, 1] > 0.98


def _along(path: Path, geometry: Geometry) -> float:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return float(geometry.lps_to_index(reader.GetOrigin())[2])


def test_multiframe_equals_its_single_frames(test_data: Locate) -> None:
    for size in ("23x38x3", "24x38x3"):
        folder = test_data(f"dicom/dcmqi/segmentations/{size}")
        multi, single = read_image(folder / "multiframe"), read_image(folder / "image")
        assert multi.geometry.matches(single.geometry)
        np.testing.assert_array_equal(multi.array, single.array)


@pytest.mark.parametrize(
    ("name", "code", "kind"),
    [
        ("pydicom_data/color-pl.dcm", "color", "picture"),
        ("pydicom_data/OBXXXX1A_rle.dcm", "color", "picture"),
        ("pydicom_data/JPEG-LL.dcm", "secondary_capture", "picture"),
        ("pydicom_data/JPGLosslessP14SV1_1s_1f_8b.dcm", "not_a_volume", "picture"),
        ("pydicom_data/emri_small.dcm", "not_a_volume", "picture"),
        ("highdicom/dx_image.dcm", "not_a_volume", "picture"),
        ("highdicom/sm_image.dcm", "not_an_image", "picture"),
        ("highdicom/sr_document.dcm", "not_an_image", "report"),
        ("pydicom_data/liver.dcm", "not_an_image", "segmentation"),
        ("rt_utils/empty/dummy_rt.dcm", "not_an_image", "structures"),
        ("nibabel/nicom/csa_slice_norm.dcm", "no_pixels", "other"),
        ("nibabel/nicom/slicethickness_empty_string.dcm", "projection", "volume"),
        ("rt_utils/one_slice_data/0.dcm", "single_slice", "volume"),
    ],
)
def test_what_is_no_volume_is_refused_with_a_reason(name: str, code: str, kind: str, test_data: Locate) -> None:
    (found,) = scan([test_data(f"dicom/{name}")])
    assert (found.status, found.code, found.kind) == ("rejected", code, kind)
    assert Path(name).name in found.message


def test_series_of_a_study_are_told_apart(test_data: Locate) -> None:
    found = scan([test_data("dicom/sts_008_ct_pet_mr_rtstruct")])
    accepted = {c.modality: c for c in found if c.status == "accepted"}
    assert sorted(accepted) == ["CT", "MR", "PT"]
    assert len({c.study_uid for c in found}) >= 1
    assert {c.identity.key for c in found} == {accepted["CT"].identity.key}
    assert [c.kind for c in found if c.status == "rejected"] == ["structures"] * 3
