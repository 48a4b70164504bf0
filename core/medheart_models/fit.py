"""Which images a task may read: clinical rule 4 of the project, decided before any network runs.

What an image states and what the task asks for are compared: number of inputs, modality, body part,
field of view along the patient's axes, slice thickness, sequence and, where the body part is not
stated, what the voxels show. A mismatch is refused with its reason. What is not known becomes a
warning for the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from medheart import Volume
from medheart.errors import TaskError
from medheart.task import Task, TaskInput
from medheart_models.comparisons import Findings, compare, compare_places
from medheart_models.facts import SeriesFacts, mentions
from medheart_models.reasons import Reason, fit_data

__all__ = ["TaskChoice", "check_facts", "check_fit", "choose_task"]


@dataclass(frozen=True)
class TaskChoice:
    """Which task reads a study, with which series; false where none does.

    Parameters
    ----------
    task : Task or None
        The task, None where none fits.
    inputs : dict of str to str
        Input role to series id.
    reasons : tuple of Reason
        Why, series by series.
    warnings : tuple of Reason
        What was not known; belongs into the report.
    refused : dict of str to tuple of Reason
        For each task that does not fit, why not.
    """

    task: Task | None
    inputs: dict[str, str] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    warnings: tuple[Reason, ...] = ()
    refused: dict[str, tuple[Reason, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.task is not None


def check_fit(task: Task, volumes: Sequence[Volume]) -> list[Reason]:
    """Check that a task may read these images.

    Parameters
    ----------
    task : Task
    volumes : sequence of Volume
        One per input, in the task's order.

    Returns
    -------
    list of Reason
        What is not known; `str()` gives English, `.text("zh")` Chinese.

    Raises
    ------
    TaskError
        With every mismatch in words; `details["reasons"]` holds them for machines.
    """
    names = [item.role for item in task.inputs] if len(task.inputs) == len(volumes) else range(len(volumes))
    facts = [SeriesFacts.from_volume(str(name), volume) for name, volume in zip(names, volumes, strict=True)]
    return check_facts(task, facts)


def check_facts(task: Task, series: Sequence[SeriesFacts]) -> list[Reason]:
    """Check like `check_fit` on facts that are known already."""
    findings = Findings()
    if len(series) != len(task.inputs):
        roles = ", ".join(item.role for item in task.inputs)
        values = {"task": task.id, "expected": len(task.inputs), "roles": roles, "got": len(series)}
        findings.refusals.append(Reason("inputs", values))
    else:
        for item, facts in zip(task.inputs, series, strict=True):
            compare(task, item, facts, findings)
        compare_places(series, findings)
    if findings.refusals:
        reasons = [reason.to_dict() for reason in findings.refusals]
        raise TaskError("; ".join(map(str, findings.refusals)), reasons=reasons)
    return findings.warnings


def choose_task(
    series: Sequence[SeriesFacts], tasks: Iterable[Task] | None = None, *, named: bool = False
) -> TaskChoice:
    """Choose the task for a study, and the series for each of its inputs.

    Of several tasks that fit, the one with more inputs and then the one with fewer unknowns is taken.
    A task with several inputs takes only series whose description names the input. A series whose body
    part is not stated is taken only if its description or its voxels speak for the task: the modality and
    the weighting alone are those of many parts of the body. Where a series has no description, its id (a
    file's name) stands for one.

    Parameters
    ----------
    series : sequence of SeriesFacts
        All image series of the study.
    tasks : iterable of Task, optional
        Tasks to choose from; all that ship by default.
    named : bool
        A person named the tasks: nothing in the images need speak for them.
    """
    if tasks is None:
        from medheart_models.tasks import load_task, task_ids

        tasks = [load_task(task_id) for task_id in task_ids()]
    described = [replace(facts, description=facts.description or facts.id) for facts in series]
    choices = [_try_task(task, described, named=named) for task in tasks]
    refused = {task_id: reasons for choice in choices for task_id, reasons in choice.refused.items()}
    fitting = [choice for choice in choices if choice]
    if not fitting:
        return TaskChoice(None, refused=refused)
    best = min(fitting, key=lambda choice: (-len(choice.inputs), len(choice.warnings)))
    return TaskChoice(best.task, best.inputs, best.reasons, best.warnings, refused)


def _try_task(task: Task, series: Sequence[SeriesFacts], *, named: bool) -> TaskChoice:
    if not series:
        return TaskChoice(None, refused={task.id: (Reason("no_series"),)})
    total = Findings()
    chosen: list[SeriesFacts] = []
    for item in task.inputs:
        facts, findings = _pick(task, item, [one for one in series if one not in chosen], named=named)
        total.add(findings)
        if facts is not None:
            chosen.append(facts)
    compare_places(chosen, total)
    if total.refusals:
        return TaskChoice(None, refused={task.id: tuple(total.refusals)})
    inputs = {item.role: facts.id for item, facts in zip(task.inputs, chosen, strict=True)}
    return TaskChoice(task, inputs, tuple(total.evidence), tuple(total.warnings))


def _pick(
    task: Task, item: TaskInput, series: Sequence[SeriesFacts], *, named: bool
) -> tuple[SeriesFacts | None, Findings]:
    """Return the series for one input with what speaks for it, or None with what speaks against all."""
    candidates = _candidates(task, item, series, named=named)
    fitting = sorted((pair for pair in candidates if not pair[1].refusals), key=_preference)
    if not fitting:
        return None, Findings(refusals=_why_not(task, item, candidates))
    facts, findings = fitting[0]
    evidence = [_chosen(task, item, facts), *findings.evidence]
    if len(fitting) > 1:
        values = {"count": len(fitting), "role": item.role, "series": facts.id}
        evidence.append(Reason("chosen_of_several", values))
    return facts, Findings(warnings=findings.warnings, evidence=evidence)


def _candidates(
    task: Task, item: TaskInput, series: Sequence[SeriesFacts], *, named: bool
) -> list[tuple[SeriesFacts, Findings]]:
    found = []
    for facts in series:
        hints = [hint for hint in item.hints if mentions(facts.description, hint)]
        if len(task.inputs) > 1 and not hints:
            continue
        findings = Findings()
        compare(task, item, facts, findings)
        known = named or facts.body_part or findings.evidence or _speaks(task, hints)
        if not known and not findings.refusals:
            findings.refusals.append(Reason("nothing_known", {"series": facts.id, "task": task.id}))
        found.append((facts, findings))
    return found


def _speaks(task: Task, hints: Sequence[str]) -> bool:
    """Whether hints speak for a task: one that is no mere sequence, or for several inputs a set of sequences."""
    return len(task.inputs) > 1 or not set(hints) <= set(fit_data()["sequences"])


def _preference(pair: tuple[SeriesFacts, Findings]) -> tuple[int, float]:
    facts, findings = pair
    return len(findings.warnings), facts.geometry.voxel_volume_mm3


def _why_not(task: Task, item: TaskInput, found: Sequence[tuple[SeriesFacts, Findings]]) -> list[Reason]:
    if not found:
        return [Reason("role_missing", {"task": task.id, "role": item.role, "expected": ", ".join(item.hints)})]
    return [reason for _, findings in found for reason in findings.refusals]


def _chosen(task: Task, item: TaskInput, facts: SeriesFacts) -> Reason:
    unknown = fit_data()["words"]["unknown"]
    size = " × ".join(f"{extent:.0f}" for extent in facts.extent_mm)
    said = ", ".join(part for part in (facts.body_part, facts.description) if part not in {"", facts.id})
    values = {
        "series": facts.id,
        "role": item.role,
        "task": task.id,
        "modality": facts.modality or unknown,
        "facts": ", ".join(part for part in (said, f"{size} mm") if part),
    }
    return Reason("chosen", values)
