"""A panel on a scene: what the application puts into `slicer`, and the life of a module's widget."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from PySide6 import QtCore, QtWidgets

from slicer_host.pythonqt import makeQt
from slicer_host.widgets import Loader

__all__ = ["Panel", "openPanel"]


class _Application:
    """`slicer.app`, in testing mode: errors are logged and raised, questions answered with yes."""

    applicationName = "Slicer"

    def __init__(self, language: str) -> None:
        self._settings = {"language": language}

    def settings(self) -> Any:
        return SimpleNamespace(value=self._settings.get)

    def testingEnabled(self) -> bool:
        return True

    def setOverrideCursor(self, _cursor: Any) -> None:
        """There is no pointer."""

    def restoreOverrideCursor(self) -> None:
        """There is no pointer."""


class _ScriptedWidget:
    """The base class of module widgets, as far as the module uses it."""

    moduleName = "MedHeart"

    def __init__(self, parent: Any = None) -> None:
        self.parent = parent
        self.layout = parent.layout()

    def setup(self) -> None:
        """There is no developer's part."""

    def resourcePath(self, name: str) -> str:
        return str(Path(__file__).parents[2] / "SlicerMedHeart" / "MedHeart" / "Resources" / name)

    def onReload(self) -> None:
        """Nothing is reloaded here."""


class _ModulePanel(QtWidgets.QWidget):
    """What Slicer puts a module's widget into."""

    isEntered = False


class Panel:
    """The module's widget, driven as the application drives it.

    Parameters
    ----------
    scene : vtkMRMLScene
        Where the module works.
    language : str
        Of the application, as in its settings.
    """

    def __init__(self, scene: Any, language: str) -> None:
        from MedHeartLib.Widget import MedHeartWidget

        self.scene = scene
        self.frame = _ModulePanel()
        QtWidgets.QVBoxLayout(self.frame)
        self.widget = MedHeartWidget(self.frame)
        self.widget.setup()
        self.ui = self.widget.ui

    def enter(self) -> None:
        """Open the module."""
        self.frame.isEntered = True
        self.widget.enter()

    def exit(self) -> None:
        """Open another module."""
        self.frame.isEntered = False
        self.widget.exit()

    def wait(self, done: Callable[[], bool], seconds: float = 20) -> None:
        """Let Qt work until something is so."""
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, f"it did not come about; the panel says {self.ui.statusLabel.text!r}"
            QtCore.QCoreApplication.processEvents()
            time.sleep(0.01)

    def press(self, button: Any) -> None:
        """Click a button, and wait until what it began has ended."""
        assert button.isEnabled(), f"{button.name} cannot be pressed: {button.toolTip}"
        button.click()
        self.wait(lambda: not self.widget._running.isBusy)

    def picture(self, path: Path, width: int = 420) -> None:
        """Save how the panel looks."""
        self.frame.resize(width, self.frame.sizeHint().height())
        self.frame.show()
        QtCore.QCoreApplication.processEvents()
        self.frame.grab().save(str(path))


@contextmanager
def openPanel(slicer: Any, scene: Any, *, language: str = "en") -> Iterator[Panel]:
    """Return a panel on a scene; afterwards `slicer` is as it was."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    _application = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    if "qt" not in sys.modules:
        sys.modules["qt"] = makeQt(Loader)
        base = ModuleType("slicer.ScriptedLoadableModule")
        base.ScriptedLoadableModuleWidget = _ScriptedWidget
        sys.modules[base.__name__] = base
    slicer.app, slicer.mrmlScene = _Application(language), scene
    panel = Panel(scene, language)
    try:
        yield panel
    finally:
        panel.widget.cleanup()
        panel.frame.deleteLater()
        del slicer.app, slicer.mrmlScene
