"""Volume node and `Volume`, both ways: here RAS becomes LPS, and nowhere else in the extension."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from medheart.errors import GeometryError
from medheart.geometry import Geometry
from medheart.volume import Volume

__all__ = [
    "geometryFromNode",
    "hierarchyItem",
    "ijkToRas",
    "knownModality",
    "nodeFromVolume",
    "toScalars",
    "volumeFromNode",
]


def ijkToRas(geometry: Geometry) -> Any:
    """Return the affine of a grid in RAS as vtkMatrix4x4."""
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(geometry.to_ras().ravel())
    return matrix


def geometryFromNode(node: Any) -> Geometry:
    """Return the grid of a volume node.

    Raises
    ------
    GeometryError
        If the node has no voxels, or its axes are not at right angles.
    """
    image = node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0:
        raise GeometryError(f"volume {node.GetName()!r} has no voxels")
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    affine = np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
    first = np.array(image.GetExtent()[::2])
    affine[:3, 3] += affine[:3, :3] @ first
    return Geometry.from_ras(image.GetDimensions()[::-1], affine)


def volumeFromNode(node: Any, *, modality: str = "") -> Volume:
    """Return a copy of a volume node's voxels with their grid.

    A parent transform is not applied: labels are drawn on the untransformed voxels as well.

    Parameters
    ----------
    node : vtkMRMLScalarVolumeNode
        Of one component.
    modality : str
        DICOM modality.

    Returns
    -------
    Volume
        Array (K, J, I), grid in LPS mm.

    Raises
    ------
    GeometryError
        If the volume is empty, sheared, or has several components.
    """
    geometry = geometryFromNode(node)
    scalars = node.GetImageData().GetPointData().GetScalars()
    if scalars.GetNumberOfComponents() != 1:
        raise GeometryError(f"volume {node.GetName()!r} has {scalars.GetNumberOfComponents()} components, expected 1")
    return Volume(vtk_to_numpy(scalars).reshape(geometry.shape).copy(), geometry, modality)


def knownModality(node: Any) -> str:
    """Return the DICOM modality that the subject hierarchy knows for a volume, else an empty string."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(node.GetScene())
    return str(hierarchy.GetItemAttribute(hierarchyItem(node), "DICOM.Modality"))


def hierarchyItem(node: Any) -> int:
    """Return a node's item in the subject hierarchy; where nothing made one, it is made."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(node.GetScene())
    item: int = hierarchy.GetItemByDataNode(node)
    return item or int(hierarchy.CreateItem(hierarchy.GetSceneItemID(), node))


def nodeFromVolume(scene: Any, volume: Volume, name: str) -> Any:
    """Add a volume to a scene.

    Parameters
    ----------
    scene : vtkMRMLScene
        Where it goes.
    volume : Volume
        Array (K, J, I) of a type that VTK has.
    name : str
        Name of the node.

    Returns
    -------
    vtkMRMLScalarVolumeNode
    """
    image = vtk.vtkImageData()
    image.SetDimensions(*volume.geometry.size_ijk)
    image.GetPointData().SetScalars(toScalars(volume.array))
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetAndObserveImageData(image)
    node.SetIJKToRASMatrix(ijkToRas(volume.geometry))
    node.CreateDefaultDisplayNodes()
    window = volume.meta.get("window")
    if window and node.GetDisplayNode():
        node.GetDisplayNode().AutoWindowLevelOff()
        node.GetDisplayNode().SetWindowLevel(window[1], window[0])
    if volume.modality:
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        hierarchy.SetItemAttribute(hierarchyItem(node), "DICOM.Modality", volume.modality)
    return node


def toScalars(array: NDArray[Any]) -> Any:
    """Return an array (K, J, I) as VTK scalars that own their memory."""
    return numpy_to_vtk(np.ascontiguousarray(array).reshape(-1), deep=True)
