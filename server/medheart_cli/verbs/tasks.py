"""`medheart tasks`: what can be read, and what the weights have seen."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from medheart_cli.console import language, note, print_json, print_table, text
from medheart_cli.verbs._options import AsJson

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List the reading tasks and show their model cards."
)


@app.command("list")
def list_tasks(as_json: AsJson = False) -> None:
    """List the tasks.

    Example: medheart tasks list
    """
    from medheart_work.catalogue import describe_tasks

    tasks = describe_tasks()
    if as_json:
        print_json({"tasks": tasks})
        return
    rows = [(task["id"], task["titles"][language()], task["modality"], task["kind"], task["status"]) for task in tasks]
    print_table([text(f"tasks_{key}") for key in ("id", "title", "modality", "kind", "status")], rows)


@app.command("show")
def show_task(task: Annotated[str, typer.Argument(help="Id of the task.")], as_json: AsJson = False) -> None:
    """Show a task's card: inputs, field of view, what its weights saw and score, limits, licence.

    Example: medheart tasks show hippocampus
    """
    from medheart_work.catalogue import describe_task

    found = describe_task(task)
    if as_json:
        print_json(found)
        return
    print_table((text("field"), text("value")), list(_lines(found)))
    if found["status"] == "research":
        note(text("research_only"))


def _lines(data: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Flatten nested tables to dotted names; texts by language become the user's."""
    rows: list[tuple[str, str]] = []
    for key, value in data.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and set(value) == {"en", "zh"}:
            rows.append((name, value[language()]))
        elif isinstance(value, dict):
            rows += _lines(value, f"{name}.")
        else:
            rows.append((name, ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)))
    return rows
