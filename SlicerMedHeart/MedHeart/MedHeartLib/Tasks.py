"""What a label server offers, read from its `/info/`."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medheart.errors import MedHeartError
from medheart.schema import Code, LabelClass, LabelSchema, load_schema, schema_ids

__all__ = ["ServerTask", "serverTasks"]

_CATEGORY = Code("SCT", "85756007", "Tissue")
_GOLDEN = 0.618034


@dataclass(frozen=True)
class ServerTask:
    """A segmentation model of a label server.

    Parameters
    ----------
    id, title : str
        Name on the wire and for people.
    inputs : tuple of str
        Role of each input volume.
    modality : str
        DICOM modality of the inputs, empty where the server does not say.
    isResearch : bool
        Whether its results are for research only.
    schema : LabelSchema
        Meaning of its values.
    isOurs : bool
        Whether the schema is one of MedHeart's.
    """

    id: str
    title: str
    inputs: tuple[str, ...]
    modality: str
    isResearch: bool
    schema: LabelSchema
    isOurs: bool


def serverTasks(info: Mapping[str, Any]) -> list[ServerTask]:
    """Return the models that segment a whole volume without further prompts.

    Parameters
    ----------
    info : mapping
        Reply of `/info/`.

    Raises
    ------
    MedHeartError
        If it is not the reply of a MONAI Label server.
    """
    models = info.get("models")
    if not isinstance(models, Mapping):
        raise MedHeartError("this server's /info/ lists no models: it is not a MONAI Label server", code="bad_reply")
    return [_task(name, model) for name, model in models.items() if model.get("type") == "segmentation"]


def _task(name: str, model: Mapping[str, Any]) -> ServerTask:
    values = _labelValues(model.get("labels") or {})
    schema = _ourSchema(model.get("schema"), values)
    return ServerTask(
        id=name,
        title=str(model.get("description") or name),
        inputs=tuple(model.get("inputs") or ("image",)),
        modality=str(model.get("modality") or ""),
        isResearch=model.get("status") == "research",
        schema=schema or _foreignSchema(name, values),
        isOurs=schema is not None,
    )


def _labelValues(labels: Any) -> dict[str, int]:
    """Return label name to value; servers send a mapping, or a list whose values are 1, 2, 3 …"""
    if isinstance(labels, Mapping):
        return {str(name): int(value) for name, value in labels.items() if int(value) > 0}
    return {str(name): number for number, name in enumerate(labels, start=1)}


def _ourSchema(said: Any, values: Mapping[str, int]) -> LabelSchema | None:
    candidates = [said] if said in schema_ids() else schema_ids()
    for schema in map(load_schema, candidates):
        if {label.name: label.value for label in schema.labels} == values:
            return schema
    return None


def _foreignSchema(model: str, values: Mapping[str, int]) -> LabelSchema:
    """Return a schema for labels that MedHeart has no codes for: tissue, and colours that differ."""
    labels: list[LabelClass] = []
    for name, value in values.items():
        key = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")
        if not key or any(label.name == key for label in labels):
            key = f"label_{value}"
        red, green, blue = colorsys.hsv_to_rgb(value * _GOLDEN % 1, 0.75, 0.95)
        labels.append(
            LabelClass(
                value=value,
                name=key,
                names={"en": name},
                category=_CATEGORY,
                type=_CATEGORY,
                color=(round(red * 255), round(green * 255), round(blue * 255)),
            )
        )
    return LabelSchema(f"server:{model}", "1", tuple(labels))
