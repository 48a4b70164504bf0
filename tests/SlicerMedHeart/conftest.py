"""The extension's own folder on the path; slicer-core, where it is installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
MODULE = ROOT / "SlicerMedHeart" / "MedHeart"

for folder in (MODULE, ROOT / "core"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


@pytest.fixture(scope="session")
def slicer() -> Any:
    """Return 3D Slicer's engine; skips where it is not installed."""
    found = pytest.importorskip("slicer", reason="slicer-core, 3D Slicer's engine, is not installed")
    if not hasattr(found, "vtkMRMLScene"):
        pytest.skip("the package `slicer` that is installed is not 3D Slicer's")
    return found


@pytest.fixture
def scene(slicer: Any) -> Iterator[Any]:
    """Return an empty scene with what segmentations need."""
    scene = slicer.vtkMRMLScene()
    logic = slicer.vtkSlicerSegmentationsModuleLogic()
    logic.SetMRMLScene(scene)
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    yield scene
    scene.Clear(1)
