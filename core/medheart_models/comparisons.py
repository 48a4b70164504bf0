"""The single comparisons behind `medheart_models.fit`: one function per fact of a series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from medheart.task import Task, TaskInput
from medheart_models.facts import SeriesFacts, mentions
from medheart_models.reasons import Reason, fit_data

__all__ = ["Findings", "compare", "compare_places"]

_TOLERANCE_MM = 0.5
_TOLERANCE = 1.01
"""Fields of view and slice thickness are rounded by scanners and converters."""


@dataclass
class Findings:
    """What comparing found: `refusals`, `warnings` (not known), `evidence` (speaks for the task)."""

    refusals: list[Reason] = field(default_factory=list)
    warnings: list[Reason] = field(default_factory=list)
    evidence: list[Reason] = field(default_factory=list)

    def add(self, other: Findings) -> None:
        """Take over what another comparison found."""
        self.refusals += other.refusals
        self.warnings += other.warnings
        self.evidence += other.evidence


def compare(task: Task, item: TaskInput, facts: SeriesFacts, findings: Findings) -> None:
    """Compare one series with one input of a task; one function per fact."""
    for rule in (_modality, _body_part, _field_of_view, _slice_thickness, _sequence):
        rule(task, item, facts, findings)


def _modality(task: Task, item: TaskInput, facts: SeriesFacts, findings: Findings) -> None:
    values = {"series": facts.id, "task": task.id, "got": facts.modality, "expected": item.modality}
    if facts.modality and facts.modality != item.modality:
        findings.refusals.append(Reason("modality", values))
    elif item.modality == "CT" and facts.hounsfield is False:
        findings.refusals.append(Reason("not_hounsfield", values))
    elif not facts.modality and item.modality != "CT" and facts.hounsfield:
        findings.refusals.append(Reason("hounsfield", values))
    elif not facts.modality:
        findings.warnings.append(Reason("modality_unknown", values))


def _body_part(task: Task, _item: TaskInput, facts: SeriesFacts, findings: Findings) -> None:
    stated = facts.body_part.upper()
    values = {"series": facts.id, "task": task.id, "got": stated, "expected": ", ".join(task.body_parts)}
    if not stated:
        findings.warnings.append(Reason("body_part_unknown", values))
    elif not any(part in stated for part in task.body_parts):
        findings.refusals.append(Reason("body_part", values))
    _lung(task, facts, findings, stated=bool(stated))


def _lung(task: Task, facts: SeriesFacts, findings: Findings, *, stated: bool) -> None:
    """Look for lung where the task asks for it: refused without, unless the body part is stated."""
    limits = task.fit.get("aerated_lung")
    if limits is None or facts.lung is None:
        return
    lung = facts.lung
    values = {
        "series": facts.id,
        "task": task.id,
        "got": round(lung.volume_ml),
        "height": round(lung.height_mm),
        "limit": limits["minimum_ml"],
        "limit_height": limits["minimum_height_mm"],
    }
    if lung.volume_ml >= limits["minimum_ml"] and lung.height_mm >= limits["minimum_height_mm"]:
        findings.evidence.append(Reason("lung_found", values))
    else:
        (findings.warnings if stated else findings.refusals).append(Reason("lung_missing", values))


def _field_of_view(task: Task, _item: TaskInput, facts: SeriesFacts, findings: Findings) -> None:
    view = task.field_of_view
    names = ("x", "y", "z") if facts.oriented else ("first_axis", "second_axis", "third_axis")
    for name, got, low, high in zip(names, facts.extent_mm, view.minimum_mm, view.maximum_mm, strict=True):
        values = {"series": facts.id, "task": task.id, "got": round(got), "axis": fit_data()["words"][name]}
        if got < low - _TOLERANCE_MM:
            findings.refusals.append(Reason("field_of_view_small", {**values, "limit": round(low)}))
        elif got > high + _TOLERANCE_MM:
            findings.refusals.append(Reason("field_of_view_large", {**values, "limit": round(high)}))


def _slice_thickness(task: Task, _item: TaskInput, facts: SeriesFacts, findings: Findings) -> None:
    got, limit = facts.thickest_mm, task.max_slice_thickness_mm
    if got > limit * _TOLERANCE:
        values = {"series": facts.id, "task": task.id, "got": round(got, 2), "limit": limit}
        findings.refusals.append(Reason("slice_thickness", values))


def _sequence(task: Task, item: TaskInput, facts: SeriesFacts, findings: Findings) -> None:
    """Compare the description with the input's words; only a sequence it names otherwise is refused."""
    if item.modality != "MR":
        return
    values = {"series": facts.id, "task": task.id, "role": item.role, "expected": ", ".join(item.hints)}
    excluded = [word for word in item.excludes if mentions(facts.description, word)]
    others = [word for word in fit_data()["sequences"] if mentions(facts.description, word)]
    if excluded:
        findings.refusals.append(Reason("sequence_excluded", {**values, "got": ", ".join(excluded)}))
    elif any(mentions(facts.description, hint) for hint in item.hints):
        return
    elif others:
        findings.refusals.append(Reason("sequence", {**values, "got": ", ".join(others)}))
    elif len(task.inputs) > 1:
        findings.warnings.append(Reason("sequence_unknown", values))


def compare_places(series: Sequence[SeriesFacts], findings: Findings) -> None:
    """Refuse inputs whose fields of view do not touch."""
    for first, second in combinations(series, 2):
        if not _boxes_overlap(first, second):
            findings.refusals.append(Reason("apart", {"series": first.id, "other": second.id}))


def _boxes_overlap(first: SeriesFacts, second: SeriesFacts) -> bool:
    (low_a, high_a), (low_b, high_b) = _box(first), _box(second)
    return bool((low_a < high_b).all() and (low_b < high_a).all())


def _box(facts: SeriesFacts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and highest LPS corner (mm) of the box around a grid."""
    centre = facts.geometry.index_to_lps((np.array(facts.geometry.size_ijk) - 1) / 2)
    half = np.array(facts.extent_mm) / 2
    return centre - half, centre + half
