"""Segmentation node and `LabelMap`, both ways: values, names, colours and codes follow the schema."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import vtk_to_numpy

from medheart.errors import GeometryError, SchemaError
from medheart.geometry import Geometry
from medheart.schema import Code, LabelClass, LabelSchema
from medheart.volume import LabelMap
from MedHeartLib.mrml.Volumes import geometryFromNode, hierarchyItem, ijkToRas, toScalars

__all__ = ["labelMapFromNode", "nodeFromLabelMap", "terminologyEntry"]

LABEL_TAG = "MedHeart.Label"
"""Segment tag that holds the schema's key of a label: a segment may be renamed and still be known."""


def nodeFromLabelMap(scene: Any, labels: LabelMap, volumeNode: Any, name: str, *, language: str = "en") -> Any:
    """Add a label map to a scene, with one segment for each label of its schema, also for those not present.

    Parameters
    ----------
    scene : vtkMRMLScene
        Where it goes.
    labels : LabelMap
        On the grid of the volume.
    volumeNode : vtkMRMLScalarVolumeNode
        What was labelled; its parent transform is taken over.
    name : str
        Name of the node.
    language : str
        Of the segments' names.

    Returns
    -------
    vtkMRMLSegmentationNode

    Raises
    ------
    GeometryError
        If volume and labels lie on different grids.
    """
    if not labels.geometry.matches(geometryFromNode(volumeNode)):
        raise GeometryError(f"the labels do not lie on the grid of volume {volumeNode.GetName()!r}")
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    for label in labels.schema.labels:
        _addSegment(node, labels, label, language)
    node.GetSegmentation().CollapseBinaryLabelmaps(False)
    _placeBeside(scene, node, volumeNode)
    return node


def labelMapFromNode(node: Any, volumeNode: Any, schema: LabelSchema) -> LabelMap:
    """Return what a segmentation says of each voxel of a volume.

    A segment is known by its tag, else by its name, which may be the schema's key or its name in any
    language. Where segments overlap, the later one of the schema wins.

    Parameters
    ----------
    node : vtkMRMLSegmentationNode
        With any segments.
    volumeNode : vtkMRMLScalarVolumeNode
        Grid of the result.
    schema : LabelSchema
        What the segments must be.

    Returns
    -------
    LabelMap
        (K, J, I), uint8 where the values fit, else uint16.

    Raises
    ------
    SchemaError
        If a segment is not in the schema, or two are the same label; names them.
    GeometryError
        If segmentation and volume hang under different transforms.
    """
    if node.GetTransformNodeID() != volumeNode.GetTransformNodeID():
        raise GeometryError(
            f"segmentation {node.GetName()!r} and volume {volumeNode.GetName()!r} are under different transforms"
        )
    geometry = geometryFromNode(volumeNode)
    array = np.zeros(geometry.shape, dtype=np.uint8 if max(schema.values) < 256 else np.uint16)
    reference = _orientedImage(np.zeros(geometry.shape, dtype=np.uint8), geometry)
    found = _segmentsByLabel(node, schema)
    for label in schema.labels:
        if label.name in found:
            array[_segmentMask(node, found[label.name], reference, geometry.shape)] = label.value
    return LabelMap(array, geometry, schema)


def terminologyEntry(label: LabelClass) -> str:
    """Return the codes of a label as Slicer's segment tag `TerminologyEntry` wants them."""

    def triplet(code: Code | None) -> str:
        return "^".join(code.to_list()) if code else "^^"

    parts = [
        "Segmentation category and type - MedHeart",
        triplet(label.category),
        triplet(label.type),
        triplet(label.modifier),
        "Anatomic codes - MedHeart",
        triplet(label.region),
        "^^",
    ]
    return "~".join(parts)


def _addSegment(node: Any, labels: LabelMap, label: LabelClass, language: str) -> None:
    mask = labels.array == label.value
    color = [part / 255 for part in label.color]
    title = label.display_name(language)
    # A label that is not present still gets a voxel, of 0: an empty segment would have another grid, and
    # merging layers would then move all of them onto it.
    corner, box = _boundingBox(mask) if mask.any() else ((0, 0, 0), (slice(1), slice(1), slice(1)))
    voxels = (mask[box] * np.array(label.value)).astype(labels.array.dtype)
    image = _orientedImage(voxels, labels.geometry, corner)
    identifier = node.AddSegmentFromBinaryLabelmapRepresentation(image, title, color)
    segment = node.GetSegmentation().GetSegment(identifier)
    segment.SetLabelValue(label.value)
    segment.SetTag(LABEL_TAG, label.name)
    segment.SetTag(segment.GetTerminologyEntryTagName(), terminologyEntry(label))


def _boundingBox(mask: NDArray[np.bool_]) -> tuple[tuple[int, int, int], tuple[slice, slice, slice]]:
    """Return the first index (i, j, k) of what is set in (K, J, I), and its box."""
    spans = []
    for axis in range(3):
        hits = np.flatnonzero(mask.any(axis=tuple(n for n in range(3) if n != axis)))
        spans.append(slice(int(hits[0]), int(hits[-1]) + 1))
    k, j, i = spans
    return (i.start, j.start, k.start), (k, j, i)


def _orientedImage(array: NDArray[Any], geometry: Geometry, corner: tuple[int, int, int] = (0, 0, 0)) -> Any:
    """Return a part of a grid as vtkOrientedImageData; `corner` is its first voxel (i, j, k)."""
    extent = [edge for first, size in zip(corner, array.shape[::-1], strict=True) for edge in (first, first + size - 1)]
    image = slicer.vtkOrientedImageData()
    image.SetExtent(*extent)
    image.GetPointData().SetScalars(toScalars(array))
    image.SetImageToWorldMatrix(ijkToRas(geometry))
    return image


def _segmentsByLabel(node: Any, schema: LabelSchema) -> dict[str, str]:
    """Return schema key to segment id."""
    keys = {name: label.name for label in schema.labels for name in (label.name, *label.names.values())}
    segmentation = node.GetSegmentation()
    found: dict[str, str] = {}
    unknown = []
    for identifier in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(identifier)
        tag = vtk.reference("")
        key = keys.get(str(tag)) if segment.GetTag(LABEL_TAG, tag) else keys.get(segment.GetName())
        if key is None:
            unknown.append(segment.GetName())
        elif key in found:
            raise SchemaError(f"two segments are label {key!r} of schema {schema.id!r}: merge them or rename one")
        else:
            found[key] = identifier
    if unknown:
        known = [label.name for label in schema.labels]
        raise SchemaError(f"segments {unknown} are not in schema {schema.id!r}, which has {known}", unknown=unknown)
    return found


def _segmentMask(node: Any, identifier: str, reference: Any, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    image, onGrid = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
    if not node.GetBinaryLabelmapRepresentation(identifier, image) or image.GetNumberOfPoints() == 0:
        return np.zeros(shape, dtype=bool)
    resample = slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage
    if not resample(image, reference, onGrid, False, False):
        raise GeometryError(f"segment {identifier!r} cannot be brought onto the grid of the volume")
    return np.asarray(vtk_to_numpy(onGrid.GetPointData().GetScalars()).reshape(shape) > 0)


def _placeBeside(scene: Any, node: Any, volumeNode: Any) -> None:
    """Put a node into the folder `MedHeart` beside the volume in the subject hierarchy."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    parent = hierarchy.GetItemParent(hierarchyItem(volumeNode))
    folder = hierarchy.GetItemChildWithName(parent, "MedHeart") or hierarchy.CreateFolderItem(parent, "MedHeart")
    hierarchy.SetItemParent(hierarchyItem(node), folder)
