"""How the result of the main job is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medheart.schema import load_schema, schema_ids
from medheart_cli.console import language, note, print_table, text

if TYPE_CHECKING:
    from medheart.records import Measurement
    from medheart_measure import MeasurementTable
    from medheart_work.thread import StudyResult

__all__ = ["label_names", "print_results"]

_PARTS = 5


def print_results(result: StudyResult) -> None:
    """Print what was found in a study: task, table of labels, times, files."""
    task = result.choice.task
    note(text("study", study=result.study))
    if task is None:
        note(text("nothing_segmented"))
        for reason in (one for reasons in result.choice.refused.values() for one in reasons):
            note(f"  {reason.text(language())}")
    else:
        note(text("task_taken", title=task.title(language()), origin=task.origin))
        for reason in (*result.choice.reasons, *result.choice.warnings):
            note(f"  {reason.text(language())}")
    for table in result.tables:
        columns = [text(key) for key in ("label", "parts", "volume", "diameter")]
        print_table(columns, _rows(table), right=(1, 2, 3))
        if not any(label.components for label in table.labels):
            note(text("not_detected"))
    if task is not None and task.status == "research":
        note(text("research_only"))
    times = [(text(f"step_{step}"), f"{seconds:.1f} s") for step, seconds in result.seconds.items()]
    print_table([text("step"), text("time")], times, right=(1,))
    for path in result.files:
        note(f"  {path}")


def label_names(schema_id: str) -> dict[str, str]:
    """Return what the labels of a shipped schema are called in the user's language, by name; of others nothing."""
    shipped = load_schema(schema_id).labels if schema_id in schema_ids() else ()
    return {label.name: label.display_name(language()) for label in shipped}


def _rows(table: MeasurementTable) -> list[tuple[str, ...]]:
    names = label_names(table.schema_id)
    rows: list[tuple[str, ...]] = []
    for label in table.labels:
        largest = label.components[:1]
        count = str(int(label["component_count"].value))
        diameter = _shown(largest[0]["max_diameter_3d"]) if largest else ""
        rows.append((names.get(label.name, label.name), count, _shown(label["volume"]), diameter))
        for part in label.components[:_PARTS] if len(label.components) > 1 else ():
            rows.append((f"  {part.index}", "", _shown(part["volume"]), _shown(part["max_diameter_3d"])))
        hidden = int(label["component_count"].value) - _PARTS
        if hidden > 0:
            rows.append(("  " + text("more_parts", count=hidden), "", "", ""))
    return rows


def _shown(measurement: Measurement) -> str:
    return f"{measurement.value:.{measurement.digits}f} {measurement.unit}"
