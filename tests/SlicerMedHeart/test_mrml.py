"""Volumes, segmentations and parameters on a real scene of 3D Slicer's engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from medheart.errors import GeometryError, SchemaError
from medheart.phantom import random_geometry
from medheart.schema import LabelSchema, load_schema
from medheart.volume import LabelMap, Volume

SHAPE = (9, 11, 13)


@pytest.fixture
def mrml(slicer: Any) -> Any:
    """Return the modules under test; they import slicer."""
    from MedHeartLib.mrml import ParameterNode, Segmentations, Volumes

    class Parts:
        volumes, segmentations, parameters = Volumes, Segmentations, ParameterNode

    return Parts


def image(seed: int, *, dtype: str = "int16", modality: str = "MR") -> Volume:
    rng = np.random.default_rng(seed)
    geometry = random_geometry(rng, SHAPE, left_handed=bool(seed % 2))
    return Volume(rng.integers(0, 100, SHAPE).astype(dtype), geometry, modality)


def labelled(volume: Volume, seed: int = 0, schema: str = "brain-tumour") -> LabelMap:
    rng = np.random.default_rng(seed)
    found = load_schema(schema)
    return LabelMap(rng.choice([0, *found.values], SHAPE).astype(np.uint8), volume.geometry, found)


def world(node: Any, index: tuple[int, int, int]) -> np.ndarray:
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return np.array(matrix.MultiplyPoint([*index, 1.0]))[:3]


@pytest.mark.parametrize("seed", range(6))
def test_an_oblique_volume_keeps_every_voxel_in_its_place(mrml: Any, scene: Any, seed: int) -> None:
    volume = image(seed)
    node = mrml.volumes.nodeFromVolume(scene, volume, "oblique")
    for index in ((0, 0, 0), (12, 10, 8), (3, 7, 5)):
        place = volume.geometry.index_to_lps(index) * [-1, -1, 1]
        np.testing.assert_allclose(world(node, index), place, atol=1e-3)
        assert node.GetImageData().GetScalarComponentAsDouble(*index, 0) == volume.array[index[::-1]]
    back = mrml.volumes.volumeFromNode(node, modality="MR")
    assert back.geometry.matches(volume.geometry)
    np.testing.assert_array_equal(back.array, volume.array)
    assert back.geometry.is_left_handed is bool(seed % 2)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_the_type_of_the_voxels_stays(mrml: Any, scene: Any, dtype: str) -> None:
    volume = image(1, dtype=dtype)
    node = mrml.volumes.nodeFromVolume(scene, volume, "typed")
    assert mrml.volumes.volumeFromNode(node).array.dtype == np.dtype(dtype)


def test_a_copy_is_taken_so_that_the_node_may_change_meanwhile(mrml: Any, scene: Any) -> None:
    node = mrml.volumes.nodeFromVolume(scene, image(2), "copied")
    before = mrml.volumes.volumeFromNode(node)
    node.GetImageData().GetPointData().GetScalars().Fill(7)
    assert (before.array != 7).any()


def test_an_extent_that_does_not_begin_at_zero_is_respected(mrml: Any, scene: Any) -> None:
    volume = image(3)
    node = mrml.volumes.nodeFromVolume(scene, volume, "shifted")
    data = node.GetImageData()
    data.SetExtent(2, 14, 3, 13, 4, 12)
    found = mrml.volumes.geometryFromNode(node)
    np.testing.assert_allclose(found.origin, volume.geometry.index_to_lps((2, 3, 4)), atol=1e-6)


def test_an_empty_or_coloured_or_sheared_volume_is_refused(mrml: Any, scene: Any) -> None:
    import vtk

    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    with pytest.raises(GeometryError, match="'empty' has no voxels"):
        mrml.volumes.volumeFromNode(empty)
    node = mrml.volumes.nodeFromVolume(scene, image(4), "sheared")
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    matrix.SetElement(0, 2, matrix.GetElement(0, 2) + 3)
    node.SetIJKToRASMatrix(matrix)
    with pytest.raises(GeometryError, match="right angles"):
        mrml.volumes.volumeFromNode(node)
    coloured = mrml.volumes.nodeFromVolume(scene, image(4), "coloured")
    coloured.GetImageData().AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    with pytest.raises(GeometryError, match="3 components"):
        mrml.volumes.volumeFromNode(coloured)


def test_modality_and_window_reach_the_scene(mrml: Any, scene: Any) -> None:
    volume = image(5, modality="CT")
    node = mrml.volumes.nodeFromVolume(
        scene, Volume(volume.array, volume.geometry, "CT", {"window": [-600, 1500]}), "ct"
    )
    assert mrml.volumes.knownModality(node) == "CT"
    assert (node.GetDisplayNode().GetWindow(), node.GetDisplayNode().GetLevel()) == (1500, -600)
    unknown = mrml.volumes.nodeFromVolume(scene, image(5, modality=""), "unknown")
    assert mrml.volumes.knownModality(unknown) == ""


@pytest.mark.parametrize("seed", range(6))
def test_labels_come_back_voxel_for_voxel_from_oblique_grids(mrml: Any, scene: Any, seed: int) -> None:
    volume = image(seed)
    labels = labelled(volume, seed)
    volumeNode = mrml.volumes.nodeFromVolume(scene, volume, "image")
    node = mrml.segmentations.nodeFromLabelMap(scene, labels, volumeNode, "labels")
    back = mrml.segmentations.labelMapFromNode(node, volumeNode, labels.schema)
    assert back.geometry.matches(labels.geometry)
    np.testing.assert_array_equal(back.array, labels.array)


def test_a_segment_lies_where_its_voxels_are(mrml: Any, scene: Any, slicer: Any) -> None:
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    volume = image(1)
    array = np.zeros(SHAPE, dtype=np.uint8)
    array[4, 5, 6] = 2
    labels = LabelMap(array, volume.geometry, load_schema("brain-tumour"))
    volumeNode = mrml.volumes.nodeFromVolume(scene, volume, "image")
    node = mrml.segmentations.nodeFromLabelMap(scene, labels, volumeNode, "labels")
    segment = next(
        i for i in node.GetSegmentation().GetSegmentIDs() if node.GetSegmentation().GetSegment(i).GetLabelValue() == 2
    )
    found = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(segment, found)
    matrix = vtk.vtkMatrix4x4()
    found.GetImageToWorldMatrix(matrix)
    place = np.array(matrix.MultiplyPoint([6, 5, 4, 1]))[:3] * [-1, -1, 1]
    np.testing.assert_allclose(place, volume.geometry.index_to_lps((6, 5, 4)), atol=1e-3)
    assert found.GetScalarComponentAsDouble(6, 5, 4, 0) > 0
    assert np.count_nonzero(vtk_to_numpy(found.GetPointData().GetScalars())) == 1


def test_names_colours_values_and_codes_are_those_of_the_schema(mrml: Any, scene: Any, slicer: Any) -> None:
    import vtk

    volume = image(0)
    array = np.zeros(SHAPE, dtype=np.uint8)
    array[2:4, 3:6, 4:8] = 3
    schema = load_schema("brain-tumour")
    volumeNode = mrml.volumes.nodeFromVolume(scene, volume, "image")
    node = mrml.segmentations.nodeFromLabelMap(
        scene, LabelMap(array, volume.geometry, schema), volumeNode, "labels", language="zh"
    )
    segmentation = node.GetSegmentation()
    assert segmentation.GetNumberOfSegments() == len(schema.labels)
    for identifier, label in zip(segmentation.GetSegmentIDs(), schema.labels, strict=True):
        segment = segmentation.GetSegment(identifier)
        assert segment.GetLabelValue() == label.value
        assert segment.GetName() == label.names["zh"]
        np.testing.assert_allclose(np.array(segment.GetColor()) * 255, label.color, atol=0.5)
        entry = slicer.vtkSlicerTerminologyEntry()
        text = vtk.reference("")
        assert segment.GetTag(segment.GetTerminologyEntryTagName(), text)
        logic = slicer.vtkSlicerTerminologiesModuleLogic()
        assert logic.DeserializeTerminologyEntry(str(text), entry)
        assert entry.GetCategoryObject().GetCodeValue() == label.category.value
        assert entry.GetTypeObject().GetCodeValue() == label.type.value
        assert entry.GetTypeObject().GetCodingSchemeDesignator() == "SCT"
        assert entry.GetRegionObject().GetCodeValue() == label.region.value


def test_segments_are_known_by_tag_key_or_name_in_any_language(mrml: Any, scene: Any) -> None:
    volume = image(2)
    labels = labelled(volume)
    volumeNode = mrml.volumes.nodeFromVolume(scene, volume, "image")
    node = mrml.segmentations.nodeFromLabelMap(scene, labels, volumeNode, "labels", language="zh")
    segmentation = node.GetSegmentation()
    identifiers = segmentation.GetSegmentIDs()
    segmentation.GetSegment(identifiers[0]).SetName("renamed by the user")
    for identifier, name in zip(identifiers[1:], ("oedema", "Tumour, enhancing"), strict=True):
        segmentation.GetSegment(identifier).RemoveTag(mrml.segmentations.LABEL_TAG)
        segmentation.GetSegment(identifier).SetName(name)
    back = mrml.segmentations.labelMapFromNode(node, volumeNode, labels.schema)
    np.testing.assert_array_equal(back.array, labels.array)


def test_foreign_and_double_segments_are_refused_by_name(mrml: Any, scene: Any) -> None:
    volume = image(3)
    labels = labelled(volume)
    volumeNode = mrml.volumes.nodeFromVolume(scene, volume, "image")
    node = mrml.segmentations.nodeFromLabelMap(scene, labels, volumeNode, "labels")
    node.GetSegmentation().AddEmptySegment("", "my own", [1, 0, 0])
    with pytest.raises(SchemaError, match="'my own'"):
        mrml.segmentations.labelMapFromNode(node, volumeNode, labels.schema)
    identifier = node.GetSegmentation().GetSegmentIdBySegmentName("my own")
    node.GetSegmentation().GetSegment(identifier).SetName("oedema")
    with pytest.raises(SchemaError, match="two segments are label 'oedema'"):
        mrml.segmentations.labelMapFromNode(node, volumeNode, labels.schema)


def test_values_above_255_survive(mrml: Any, scene: Any) -> None:
    volume = image(4)
    data = load_schema("lung-nodule").to_dict()
    data["labels"][0]["value"] = 40000
    schema = LabelSchema.from_dict(data)
    array = np.zeros(SHAPE, dtype=np.uint16)
    array[3:6, 3:6, 3:6] = 40000
    volumeNode = mrml.volumes.nodeFromVolume(scene, volume, "image")
    node = mrml.segmentations.nodeFromLabelMap(scene, LabelMap(array, volume.geometry, schema), volumeNode, "labels")
    back = mrml.segmentations.labelMapFromNode(node, volumeNode, schema)
    np.testing.assert_array_equal(back.array, array)
    assert back.array.dtype == np.uint16


def test_labels_of_another_grid_are_refused(mrml: Any, scene: Any) -> None:
    volumeNode = mrml.volumes.nodeFromVolume(scene, image(0), "image")
    with pytest.raises(GeometryError, match="grid of volume 'image'"):
        mrml.segmentations.nodeFromLabelMap(scene, labelled(image(2)), volumeNode, "labels")


def test_a_parent_transform_moves_both_and_different_ones_are_refused(mrml: Any, scene: Any) -> None:
    volume = image(1)
    labels = labelled(volume)
    volumeNode = mrml.volumes.nodeFromVolume(scene, volume, "image")
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    volumeNode.SetAndObserveTransformNodeID(transform.GetID())
    node = mrml.segmentations.nodeFromLabelMap(scene, labels, volumeNode, "labels")
    assert node.GetTransformNodeID() == transform.GetID()
    back = mrml.segmentations.labelMapFromNode(node, volumeNode, labels.schema)
    np.testing.assert_array_equal(back.array, labels.array)
    node.SetAndObserveTransformNodeID(None)
    with pytest.raises(GeometryError, match="different transforms"):
        mrml.segmentations.labelMapFromNode(node, volumeNode, labels.schema)


def test_results_lie_in_a_folder_of_their_own(mrml: Any, scene: Any, slicer: Any) -> None:
    volume = image(0)
    volumeNode = mrml.volumes.nodeFromVolume(scene, volume, "image")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    for n in range(2):
        node = mrml.segmentations.nodeFromLabelMap(scene, labelled(volume), volumeNode, f"labels {n}")
        parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))
        assert hierarchy.GetItemName(parent) == "MedHeart"
    assert hierarchy.GetNumberOfItemChildren(parent) == 2


@dataclass
class Choice:
    text: str = "as it was"
    number: int = 3
    share: float = 0.5
    wanted: bool = True
    volume: Any = None


def test_parameters_have_defaults_types_and_live_in_the_scene(mrml: Any, scene: Any) -> None:
    parameters = mrml.parameters.ParameterNode(scene, "Test", Choice)
    assert (parameters.text, parameters.number, parameters.share, parameters.wanted) == ("as it was", 3, 0.5, True)
    assert parameters.volume is None
    parameters.text, parameters.number, parameters.share, parameters.wanted = "", 7, 0.25, False
    node = mrml.volumes.nodeFromVolume(scene, image(0), "image")
    parameters.volume = node
    again = mrml.parameters.ParameterNode(scene, "Test", Choice)
    assert again.node.GetID() == parameters.node.GetID()
    assert (again.text, again.number, again.share, again.wanted) == ("", 7, 0.25, False)
    assert again.volume.GetID() == node.GetID()
    again.volume = None
    assert parameters.volume is None
    with pytest.raises(AttributeError, match="no parameter 'other'"):
        parameters.other = 1


def test_the_self_test_passes_and_leaves_nothing(slicer: Any, scene: Any) -> None:
    from MedHeartLib.SelfTest import checkRoundTrip

    before = scene.GetNumberOfNodesByClass("vtkMRMLDisplayableNode")
    for seed in range(4):
        checkRoundTrip(scene, seed)
    assert scene.GetNumberOfNodesByClass("vtkMRMLDisplayableNode") == before


def test_samples_need_no_download(slicer: Any, scene: Any) -> None:
    from MedHeartLib.Samples import registerSamples

    offered: dict[str, Any] = {}
    registerSamples(scene, lambda **source: offered.update({source["sampleName"]: source}))
    (node, second) = offered["MedHeartHead"]["customDownloader"](None)
    assert node.GetImageData().GetDimensions() == second.GetImageData().GetDimensions()
    assert set(offered) == {"MedHeartChest", "MedHeartHead"}
