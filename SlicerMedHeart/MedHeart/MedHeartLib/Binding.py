"""Widgets and parameters, both ways, by the dynamic property `SlicerParameterName` of the .ui file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

__all__ = ["Binding"]


class Binding:
    """Keeps the widgets of a form and a parameter node alike.

    Parameters
    ----------
    form : QWidget
        Its children with a property `SlicerParameterName` are bound; line edits and node selectors are.
    parameters : ParameterNode
        Where values are kept.
    changed : callable
        Called after the user changed one.
    """

    def __init__(self, form: Any, parameters: Any, changed: Callable[[], None]) -> None:
        self._parameters = parameters
        self._changed = changed
        self._bound: list[tuple[Any, str, Any]] = []
        for widget in form.findChildren(qt.QWidget):
            name = widget.property("SlicerParameterName")
            if name:
                self._bind(widget, str(name))

    def release(self) -> None:
        """Cut the connections."""
        for widget, signal, slot in self._bound:
            widget.disconnect(signal, slot)
        self._bound = []

    def _bind(self, widget: Any, name: str) -> None:
        if widget.inherits("qMRMLNodeComboBox"):
            node = getattr(self._parameters, name)
            if node is not None:
                widget.setCurrentNode(node)
            self._follow(widget, "currentNodeChanged(vtkMRMLNode*)", name)
            setattr(self._parameters, name, widget.currentNode())
        else:
            if widget.text and not self._parameters.isSet(name):
                # A scene that says nothing of it, as after one was closed, leaves what the user had typed.
                setattr(self._parameters, name, widget.text)
            widget.setText(getattr(self._parameters, name))
            self._follow(widget, "textChanged(QString)", name)

    def _follow(self, widget: Any, signal: str, name: str) -> None:
        def slot(value: Any) -> None:
            setattr(self._parameters, name, value)
            self._changed()

        widget.connect(signal, slot)
        self._bound.append((widget, signal, slot))
