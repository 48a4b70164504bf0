"""A dataclass kept in a MRML node, so that settings are saved with the scene."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

__all__ = ["ParameterNode"]

_READ: dict[str, Callable[[str], Any]] = {"str": str, "bool": "true".__eq__, "int": int, "float": float}


class ParameterNode:
    """Reads and writes the fields of a dataclass in a vtkMRMLScriptedModuleNode.

    Fields of type `str`, `bool`, `int` and `float` are parameters of the node; those of type `Any` are
    references to other nodes, or None.

    Parameters
    ----------
    scene : vtkMRMLScene
        Where the node is, or is made.
    name : str
        Singleton tag of the node.
    kind : type
        Dataclass whose fields have defaults.
    """

    def __init__(self, scene: Any, name: str, kind: type) -> None:
        node = scene.GetSingletonNode(name, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = scene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(name)
            node.SetModuleName(name)
            node.SetName(name)
            node = scene.AddNode(node)
        object.__setattr__(self, "node", node)
        object.__setattr__(self, "_fields", {field.name: field for field in fields(kind)})

    def __getattr__(self, name: str) -> Any:
        field = self._field(name)
        if field.type == "Any":
            return self.node.GetNodeReference(name)
        text = self.node.GetParameter(name)
        if not self.node.HasParameter(name):
            return field.default
        return _READ[field.type](text)

    def __setattr__(self, name: str, value: Any) -> None:
        if self._field(name).type == "Any":
            self.node.SetNodeReferenceID(name, value.GetID() if value is not None else None)
        else:
            self.node.SetParameter(name, str(value).lower() if isinstance(value, bool) else str(value))

    def isSet(self, name: str) -> bool:
        """Whether the scene says what a parameter is; else it has its default."""
        return bool(self.node.HasParameter(self._field(name).name))

    def _field(self, name: str) -> Any:
        known = self.__dict__["_fields"]
        if name not in known:
            raise AttributeError(f"there is no parameter {name!r}; there are {sorted(known)}")
        return known[name]
