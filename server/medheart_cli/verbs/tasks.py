"""`medheart tasks`: what can be read, and what the weights have seen."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from medheart_cli.console import language, note, print_json, print_table, text, word
from medheart_cli.verbs._options import AsJson, Local, Server, service

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List the reading tasks and show their model cards."
)


@app.command("list")
def list_tasks(server: Server = None, local: Local = False, as_json: AsJson = False) -> None:
    """List the tasks.

    Example: medheart tasks list
    """
    with service(server, local=local, quiet=as_json) as remote:
        tasks = remote.tasks() if remote else _tasks_here()
    if as_json:
        print_json({"tasks": tasks})
        return
    rows = [
        (
            task["id"],
            task["titles"][language()],
            task["modality"],
            word("kind", task["kind"]),
            word("status", task["status"]),
        )
        for task in tasks
    ]
    print_table([text(f"tasks_{key}") for key in ("id", "title", "modality", "kind", "status")], rows)


@app.command("show")
def show_task(
    task: Annotated[str, typer.Argument(help="Id of the task.")],
    server: Server = None,
    local: Local = False,
    as_json: AsJson = False,
) -> None:
    """Show a task's card: inputs, field of view, what its weights saw and score, limits, licence.

    Example: medheart tasks show hippocampus
    """
    with service(server, local=local, quiet=as_json) as remote:
        found = remote.task(task) if remote else _task_here(task)
    if as_json:
        print_json(found)
        return
    labels = {label["name"]: label["names"][language()] for label in found["labels"]}
    print_table((text("field"), text("value")), _lines(found, labels))
    if found["status"] == "research":
        note(text("research_only"))


def _tasks_here() -> list[dict[str, Any]]:
    from medheart_work.catalogue import describe_tasks

    return describe_tasks()


def _task_here(task: str) -> dict[str, Any]:
    from medheart_work.catalogue import describe_task

    return describe_task(task)


def _lines(data: dict[str, Any], labels: dict[str, str], prefix: str = "") -> list[tuple[str, str]]:
    """Flatten nested tables to dotted names; texts by language become the user's, `labels` are the names of labels."""
    rows: list[tuple[str, str]] = []
    for key, value in data.items():
        name = f"{prefix}{labels.get(key) or word('field', key)}"
        if isinstance(value, dict) and set(value) == {"en", "zh"}:
            rows.append((name, value[language()]))
        elif isinstance(value, dict):
            rows += _lines(value, labels, f"{name}.")
        else:
            rows.append((name, word(key, value) if key in ("kind", "status") else _plain(value)))
    return rows


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    if isinstance(value, dict):
        return "; ".join(f"{word('field', key)}: {_plain(item)}" for key, item in value.items())
    return str(value)
