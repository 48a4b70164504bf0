"""The extension's own folder on the path; slicer-core, Qt and SimpleITK, where they are installed."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
MODULE = ROOT / "SlicerMedHeart" / "MedHeart"

for folder in (MODULE, ROOT / "core", ROOT / "tests", Path(__file__).parent):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def needed(name: str) -> Any:
    """Return a module; where it or a library of the system is not there, skip, or fail if MEDHEART_REQUIRE=1."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        missing(f"{name} cannot be imported, see requirements-slicer.in: {error}")


def missing(message: str) -> NoReturn:
    pytest.fail(message) if os.environ.get("MEDHEART_REQUIRE") == "1" else pytest.skip(message)


@pytest.fixture(scope="session")
def slicer() -> Any:
    """Return 3D Slicer's engine."""
    found = needed("slicer")
    if not hasattr(found, "vtkMRMLScene"):
        missing("the package `slicer` that is installed is not 3D Slicer's")
    return found


@pytest.fixture(scope="session")
def sitk() -> Any:
    """Return SimpleITK, which 3D Slicer bundles."""
    return needed("SimpleITK")


@pytest.fixture(scope="session")
def qtHost(slicer: Any) -> Any:
    """Return what runs the panel in Qt."""
    return needed("slicer_host")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Any]:
    """Return a label server."""
    from label_server import Server

    server = Server(tmp_path)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.hold.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def scene(slicer: Any) -> Iterator[Any]:
    """Return an empty scene with what segmentations need."""
    scene = slicer.vtkMRMLScene()
    logic = slicer.vtkSlicerSegmentationsModuleLogic()
    logic.SetMRMLScene(scene)
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    yield scene
    scene.Clear(1)
