"""`medheart train`: train a task's network again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medheart.settings import Settings
from medheart_cli.console import print_json, print_table, progress, text
from medheart_cli.verbs._options import AsJson

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)


@app.command(
    help="""Train a task's network from its recipe; weights and scores land in MEDHEART_HOME/training/TASK.

    Example:

    medheart train hippocampus --data /data/msd"""
)
def train(
    task: Annotated[str, typer.Argument(help="Id of the task.")],
    data: Annotated[Path, typer.Option(help="Folder that the task's recipe reads.")],
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Train."""
    from medheart_work.training import train_in_child

    with progress(quiet=as_json) as update:
        result = train_in_child(Settings.load(), task, data, epochs=epochs, tell=update)
    if as_json:
        print_json(result)
        return
    rows = [(name, f"{value:.3f}") for name, value in result["held_out"]["mean"].items()]
    print_table((text("label"), "Dice"), rows, right=(1,))
