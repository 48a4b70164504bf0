"""`medheart evaluate`: score a task on labelled cases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from medheart.settings import Settings
from medheart_cli.console import print_json, print_table, progress, text
from medheart_cli.verbs._options import AsJson, Device, Local, Server, ensure_networks, only_here, service

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)


@app.command(
    help="""Score a task on labelled cases: Dice of each label, case by case and in the mean.

    Files of one name in the folders of images and labels are a case. A task with several inputs takes --images once
    for each, in its order.

    Example:

    medheart evaluate hippocampus --images cases/images --labels cases/labels --json"""
)
def evaluate(
    *,
    task: Annotated[str, typer.Argument(help="Id of the task.")],
    images: Annotated[list[Path], typer.Option(help="Folder of images; repeatable, one for each input.")],
    labels: Annotated[Path, typer.Option(help="Folder of label files.")],
    device: Device = None,
    server: Server = None,
    local: Local = False,
    as_json: AsJson = False,
) -> None:
    """Evaluate."""
    with service(server, local=local, quiet=as_json) as remote:
        only_here(remote, device=device)
        if remote is not None:
            result = remote.evaluate(task, images, labels)
        else:
            result = _evaluate_here(Settings.load(device=device), task, images, labels, quiet=as_json)
    if as_json:
        print_json(result)
        return
    mean = result["dice"]
    rows = [(case["case"], *(_shown(value) for value in case["dice"].values())) for case in result["cases"]]
    rows.append((text("mean"), *(_shown(value) for value in mean.values())))
    print_table((text("case"), *mean), rows, right=range(1, len(mean) + 1))


def _evaluate_here(settings: Settings, task: str, images: list[Path], labels: Path, *, quiet: bool) -> dict[str, Any]:
    from medheart_models.tasks import load_task
    from medheart_work.evaluating import evaluate_folders
    from medheart_work.segmenting import LocalEngine

    ensure_networks(settings, {load_task(task).id})
    with progress(quiet=quiet) as update:
        return evaluate_folders(LocalEngine(settings), task, images, labels, progress=update)


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
