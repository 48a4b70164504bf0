"""The module `qt` as Slicer's Python has it: one namespace, properties as attributes, signals by signature."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

# Methods in PythonQt, too.
_METHODS = {"sizeHint", "minimumSizeHint", "parent"}


def makeQt(loader: type) -> ModuleType:
    """Return the module; `loader` is its QUiLoader."""
    module = ModuleType("qt")
    for part in (QtCore, QtGui, QtWidgets, QtUiTools):
        for name in part.__all__ if hasattr(part, "__all__") else dir(part):
            kind = getattr(part, name)
            setattr(module, name, kind)
            if isinstance(kind, type) and issubclass(kind, QtCore.QObject):
                addProperties(kind)
    QtCore.QObject.name = _property("objectName")
    # PySide6 finds `connect` on instances only.
    module.QTimer = _connectable(QtCore.QTimer)
    module.QUiLoader = loader
    return module


def addProperties(kind: type) -> None:
    """Make the Qt properties of a class attributes: `edit.text`, not `edit.text()`."""
    meta = kind.staticMetaObject
    for number in range(meta.propertyOffset(), meta.propertyCount()):
        name = meta.property(number).name()
        if name not in _METHODS:
            setattr(kind, name, _property(name))


def _property(name: str) -> property:
    return property(
        lambda self: QtCore.QObject.property(self, name),
        lambda self, value: QtCore.QObject.setProperty(self, name, value),
    )


def _signal(sender: Any, signature: str) -> Any:
    """Return a signal by its whole signature, which must be right."""
    known = sender.metaObject().indexOfSignal(signature) >= 0
    if not known and signature not in getattr(sender, "SIGNALS", ()):
        raise AttributeError(f"{type(sender).__name__} {sender.objectName()!r} has no signal {signature!r}")
    return getattr(sender, signature.partition("(")[0])


def addConnections(sender: Any) -> Any:
    """Give an object `connect` and `disconnect` as PythonQt has them; return it."""
    sender.connect = lambda signature, slot: _signal(sender, signature).connect(slot) is not None
    sender.disconnect = lambda signature, slot: _signal(sender, signature).disconnect(slot)
    return sender


def _connectable(kind: type) -> Callable[..., Any]:
    return lambda *arguments: addConnections(kind(*arguments))
