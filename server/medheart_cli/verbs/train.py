"""`medheart train`: train a task's network, further on the store's labels or again by its recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medheart.errors import MedHeartError
from medheart.home import make_home
from medheart.settings import Settings
from medheart_cli.console import note, print_json, print_table, progress, text
from medheart_cli.verbs._options import AsJson, Local, Server, author, open_store, service

if TYPE_CHECKING:
    from medheart_models.training.progress import TrainingProgress

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)

Follow = Callable[["TrainingProgress", Sequence[str]], None]
_PARTS = 1000


@app.command(
    help="""Train a task's network further on the submitted and approved labels of this installation.

    A candidate lands in MEDHEART_HOME/training/TASK with its scores on held-out patients, before and after; what
    runs stays as it is. With --data, train by the task's recipe on a folder of data instead; for hippocampus it
    holds mr/hippocampus/images/CASE.nii.gz and mr/hippocampus/labels/CASE.nii.gz (other tasks: docs/commands.md).

    Examples:

    medheart train hippocampus --epochs 5

    medheart train hippocampus --data /data/msd"""
)
def train(
    *,
    task: Annotated[str, typer.Argument(help="Id of the task.")],
    data: Annotated[Path | None, typer.Option(help="Folder that the task's recipe reads.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="10 on labels; else as the recipe says.")] = None,
    val_split: Annotated[
        float | None, typer.Option(help="Part of the patients to hold out; fixed by a task's first training.")
    ] = None,
    server: Server = None,
    local: Local = False,
    as_json: AsJson = False,
) -> None:
    """Train."""
    if data is not None and val_split is not None:
        raise MedHeartError("--val-split belongs to training on labels; a recipe has a split of its own", code="usage")
    if val_split is not None and not 0 < val_split < 1:
        raise MedHeartError(f"--val-split must be above 0 and below 1, got {val_split}", code="usage")
    settings = Settings.load()
    with service(server, local=local, quiet=as_json) as remote:
        if remote is None:
            make_home(settings)
            result = _train_here(settings, task, data, epochs, val_split, quiet=as_json)
        elif data is None:
            message = f"{remote.url} trains on its own labels when its label server is asked to; give --data here"
            raise MedHeartError(message, code="usage")
        else:
            result = remote.train(task, data, epochs=epochs)
    if as_json:
        print_json(result)
    else:
        _show(settings, result)


def _train_here(
    settings: Settings, task: str, data: Path | None, epochs: int | None, val_split: float | None, *, quiet: bool
) -> dict[str, Any]:
    with progress(quiet=quiet) as update:

        def follow(now: TrainingProgress, _lines: Sequence[str]) -> None:
            update(_describe(now), round(now.share * _PARTS), _PARTS)

        if data is None:
            return _on_labels(settings, task, epochs, val_split, follow)
        return _by_recipe(settings, task, data, epochs, follow)


def _by_recipe(settings: Settings, task: str, data: Path, epochs: int | None, follow: Follow) -> dict[str, Any]:
    from medheart_work.training import train_in_child

    return train_in_child(settings, task, data, epochs=epochs, follow=follow)


def _on_labels(
    settings: Settings, task: str, epochs: int | None, val_split: float | None, follow: Follow
) -> dict[str, Any]:
    from medheart_work.fine_tuning import Wish, fine_tune, new_run

    wish = Wish(task, author(), epochs, val_split=val_split, without=_deleted(settings))
    with open_store(settings) as store:
        return fine_tune(store, settings, wish, run=new_run(), follow=follow)


def _deleted(settings: Settings) -> tuple[str, ...]:
    """Return the images and labels that clients of the label server deleted."""
    from contextlib import closing

    from medheart_labeling.notes import Notes

    path = settings.home / "labeling" / "notes.sqlite"
    if not path.is_file():
        return ()
    with closing(Notes(path)) as notes:
        return tuple(sorted(notes.hidden()))


def _describe(now: TrainingProgress) -> str:
    from medheart_models.training.progress import mean_of

    mean = mean_of(now.dice or {})
    return text(
        f"train_{now.stage}",
        epoch=max(1, now.epoch),
        epochs=now.epochs,
        loss="-" if now.loss is None else f"{now.loss:.3f}",
        dice="-" if mean is None else f"{mean:.3f}",
    )


def _show(settings: Settings, result: dict[str, Any]) -> None:
    if "dice" not in result:
        rows = [(name, f"{value:.3f}") for name, value in result["held_out"]["mean"].items()]
        print_table((text("label"), "Dice"), rows, right=(1,))
        return
    before, after = result["dice"]["before"], result["dice"]["after"]
    rows3 = [(name, _number(before[name]), _number(after[name])) for name in after]
    print_table((text("label"), text("dice_before"), text("dice_after")), rows3, right=(1, 2))
    folder = settings.home / "training" / result["task"] / result["run"]
    note(text("candidate_kept", folder=folder, **result["cases"]))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
