"""Stand-ins for Slicer's own widgets that the form names, and the loader that knows them."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtUiTools, QtWidgets

from slicer_host.pythonqt import addConnections

__all__ = ["Loader"]


class qMRMLWidget(QtWidgets.QWidget):
    """Hands the scene to its children, as the form's connections do in Slicer."""

    def setMRMLScene(self, scene: Any) -> None:
        for child in self.findChildren(qMRMLNodeComboBox):
            child.setMRMLScene(scene)


class ctkCollapsibleButton(QtWidgets.QGroupBox):
    """A part of the panel with a heading."""

    def setText(self, text: str) -> None:
        self.setTitle(text)

    text = QtCore.Property(str, lambda self: self.title, setText)


class qMRMLNodeComboBox(QtWidgets.QComboBox):
    """Lists the nodes of its types; chooses none by itself."""

    currentNodeChanged = QtCore.Signal(object)
    SIGNALS = ("currentNodeChanged(vtkMRMLNode*)",)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._said: Any = None
        self.currentIndexChanged.connect(self._changed)

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndBatchProcessEvent):
            scene.AddObserver(event, self._refill)
        self._refill()

    def currentNode(self) -> Any:
        identifier = self.currentData
        return self._scene.GetNodeByID(identifier) if identifier else None

    def setCurrentNode(self, node: Any) -> None:
        self.setCurrentIndex(max(self.findData(node.GetID()) if node is not None else 0, 0))

    def _refill(self, *_event: Any) -> None:
        if self._scene.IsBatchProcessing():
            return
        chosen = self.currentData
        self.blockSignals(True)
        self.clear()
        self.addItem("None", "")
        for kind in QtCore.QObject.property(self, "nodeTypes") or ():
            for number in range(self._scene.GetNumberOfNodesByClass(kind)):
                node = self._scene.GetNthNodeByClass(number, kind)
                self.addItem(node.GetName(), node.GetID())
        self.setCurrentIndex(max(self.findData(chosen), 0))
        self.blockSignals(False)
        self._changed()

    def _changed(self, _index: int = 0) -> None:
        if self.currentData != self._said:
            self._said = self.currentData
            self.currentNodeChanged.emit(self.currentNode())


_OURS = {kind.__name__: kind for kind in (qMRMLWidget, ctkCollapsibleButton, qMRMLNodeComboBox)}


class Loader(QtUiTools.QUiLoader):
    """QUiLoader that makes the stand-ins."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[Any] = []

    def load(self, file: Any) -> Any:
        form = super().load(file)
        form.kept = self._kept
        return form

    def createWidget(self, name: str, parent: Any = None, title: str = "") -> Any:
        if name in _OURS:
            made = _OURS[name](parent)
            made.setObjectName(title)
        else:
            made = super().createWidget(name, parent, title)
        self._kept.append(made)
        return addConnections(made)
