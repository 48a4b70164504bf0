"""`medheart evaluate`: score a task on labelled cases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medheart.settings import Settings
from medheart_cli.console import print_json, print_table, progress, text
from medheart_cli.verbs._options import AsJson, Device, ensure_networks

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
    as_json: AsJson = False,
) -> None:
    """Evaluate."""
    from medheart_models.tasks import load_task
    from medheart_work.evaluating import evaluate, labelled_cases, mean_dice
    from medheart_work.segmenting import LocalEngine

    found, settings = load_task(task), Settings.load(device=device)
    cases = labelled_cases(images, labels)
    ensure_networks(settings, {task})
    with progress(quiet=as_json) as update:
        scores = list(evaluate(LocalEngine(settings), found, cases, progress=update))
    mean = mean_dice(scores)
    if as_json:
        cases_json = [score.to_dict() for score in scores]
        print_json({"task": found.origin, "status": found.status, "dice": mean, "cases": cases_json})
        return
    rows = [(score.case, *(_shown(value) for value in score.dice.values())) for score in scores]
    rows.append((text("mean"), *(_shown(value) for value in mean.values())))
    print_table((text("case"), *mean), rows, right=range(1, len(mean) + 1))


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
