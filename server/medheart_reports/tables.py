"""The tables of a report: findings on the first page, all measurements, and how each was made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from medheart.schema import LabelClass, LabelSchema
from medheart_reports.content import ReportContent
from medheart_reports.formats import show
from medheart_reports.phrases import Phrases

__all__ = ["details", "findings", "method_rows"]

Json = Mapping[str, Any]

_DIRECTED = ("centroid_", "bounding_box_")
"""Beginnings of the codes of what is measured along the patient's directions: left out where these are not known."""

_FIRST_PAGE_ROWS = 16
_FIRST_PAGE_PARTS = 5
_LISTED_PARTS = 8
_FULL_LABELS = 8
_COMPACT = (
    "volume",
    "long_axis_axial",
    "short_axis_axial",
    "max_diameter_3d",
    "max_area_axial",
    "surface_area",
    "intensity_mean",
)


def findings(content: ReportContent, say: Phrases) -> dict[str, Any] | None:
    """Return what the first page lists: each label, with its parts where it has several.

    None without labels. Where there are more than eight labels, the eight largest are listed; those that are left to
    the later pages are counted, and those without a voxel named.
    """
    if content.labels is None or content.measurements is None:
        return None
    labels = content.measurements["labels"]
    found = [label for label in labels if _value(label, "voxel_count")]
    many = len(labels) > _FULL_LABELS
    order = sorted(found, key=lambda label: -_value(label, "volume")) if many else labels
    parts = min(_FIRST_PAGE_PARTS, max(1, _FIRST_PAGE_ROWS // len(labels) - 2))
    listed = [
        _finding(label, content.labels.schema.by_value(label["value"]), parts, say) for label in order[:_FULL_LABELS]
    ]
    hidden = len(order) - len(listed)
    more = say("more_labels", count=hidden, section=say("section.details")) if hidden else ""
    absent = [label for label in labels if not _value(label, "voxel_count")] if many else []
    return {
        "found": say("found", count=len(found), total=len(labels)),
        "labels": listed,
        "more": more,
        "absent": _absent(absent, content.labels.schema, say) if absent else "",
    }


def _absent(labels: Sequence[Json], schema: LabelSchema, say: Phrases) -> str:
    names = " · ".join(schema.by_value(label["value"]).display_name(say.language) for label in labels)
    return say("absent_labels", count=len(labels), words=say("not_detected"), names=names)


def _finding(label: Json, kind: LabelClass, limit: int, say: Phrases) -> dict[str, Any]:
    """Return one label: its numbers, or of several parts the volume of all and the numbers of the largest."""
    head = {"name": kind.display_name(say.language), "color": _hex(kind), "absent": "", "parts": "", "note": ""}
    if not _value(label, "voxel_count"):
        return {**head, "absent": say("not_detected"), "rows": []}
    parts, count = label["components"], int(_value(label, "component_count"))
    if count == 1:
        return {**head, "rows": [{"name": "", "cells": _cells(label, kind)}]}
    rows = [{"name": say("all_parts"), "cells": [_cells(label, kind)[0], "", ""]}]
    rows += [{"name": str(part["index"]), "cells": _cells(part, kind)} for part in parts[:limit]]
    hidden = count - min(len(parts), limit)
    note = say("more_parts", count=hidden) if hidden else ""
    return {**head, "rows": rows, "parts": say("parts_count", count=count), "note": note}


def _cells(entry: Json, kind: LabelClass) -> list[str]:
    shown = {m["code"]: show(m, kind) for m in entry["measurements"]}
    axes = f"{shown['long_axis_axial'].number} × {shown['short_axis_axial']}"
    return [str(shown["volume"]), axes, str(shown["max_diameter_3d"])]


def details(content: ReportContent, say: Phrases) -> dict[str, Any]:
    """Return all measurements: a table for each label and one of its parts; beyond eight labels one table of all."""
    empty: dict[str, Any] = {"labels": [], "compact": None}
    if content.labels is None or content.measurements is None:
        return empty
    schema, quantities = content.labels.schema, _quantities(content)
    present = [(label, schema.by_value(label["value"])) for label in content.measurements["labels"]]
    found = [(label, kind) for label, kind in present if _value(label, "voxel_count")]
    if len(found) > _FULL_LABELS:
        entries = [(kind.display_name(say.language), _hex(kind), label, kind) for label, kind in found]
        return {"labels": [], "compact": _compact(entries, say)}
    return {"labels": [_label_details(label, kind, quantities, say) for label, kind in found], "compact": None}


def _label_details(label: Json, kind: LabelClass, quantities: Json, say: Phrases) -> dict[str, Any]:
    parts = label["components"]
    entries = [(str(part["index"]), "", part, kind) for part in parts[:_LISTED_PARTS]]
    hidden = int(_value(label, "component_count")) - len(entries)
    return {
        "name": kind.display_name(say.language),
        "color": _hex(kind),
        "code": f"{kind.name} · {kind.type.scheme} {kind.type.value} {kind.type.meaning}",
        "rows": [_row(m, kind, quantities, say) for m in label["measurements"] if m["code"] in quantities],
        "parts": _compact(entries, say) if len(parts) > 1 else None,
        "more": say("more_parts", count=hidden) if len(parts) > 1 and hidden else "",
    }


def _row(measurement: Json, kind: LabelClass, quantities: Json, say: Phrases) -> list[str]:
    shown = show(measurement, kind)
    name = say.pick(quantities[measurement["code"]]["names"])
    return [name, shown.number, shown.unit or say("none"), say.word("method", measurement["method"])]


def _compact(entries: Iterable[tuple[str, str, Json, LabelClass]], say: Phrases) -> dict[str, Any]:
    """Return one row for each entry with the main quantities; units stand in the cells."""
    rows: list[dict[str, Any]] = []
    codes: list[str] = []
    for name, color, entry, kind in entries:
        shown = {m["code"]: str(show(m, kind)) for m in entry["measurements"]}
        codes = codes or [code for code in _COMPACT if code in shown]
        rows.append({"name": name, "color": color, "cells": [shown[code] for code in codes]})
    return {"head": [say(f"column.{code}") for code in codes], "rows": rows}


def method_rows(content: ReportContent, say: Phrases) -> list[list[str]]:
    """Return for every quantity in the report: name, method, what it is measured between, definition."""
    if content.measurements is None:
        return []
    used = {m["code"]: m["method"] for label in content.measurements["labels"] for m in label["measurements"]}
    return [
        [
            say.pick(quantity["names"]),
            say.word("method", used[code]),
            say.word("convention", quantity["convention"]),
            say.pick(quantity["definition"]),
        ]
        for code, quantity in _quantities(content).items()
        if code in used
    ]


def _quantities(content: ReportContent) -> dict[str, Any]:
    """Return what is said of each quantity that this report may name."""
    quantities = (content.measurements or {}).get("quantities", {})
    return {code: q for code, q in quantities.items() if content.oriented or not code.startswith(_DIRECTED)}


def _value(entry: Json, code: str) -> float:
    return float(next((m["value"] for m in entry["measurements"] if m["code"] == code), 0.0))


def _hex(kind: LabelClass) -> str:
    return "#{:02x}{:02x}{:02x}".format(*kind.color)
