"""`medheart measure`: numbers of a label file or a stored version."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from medheart.settings import Settings
from medheart_cli.console import language, note, print_json, print_table, text
from medheart_cli.verbs._options import AsJson, Local, Server, is_file, open_store, service
from medheart_cli.verbs._results import label_names

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)


@app.command(
    help="""Measure a label file or a stored version: volumes, diameters, surface, intensities.

    Examples:

    medheart measure label.nii.gz --image brain.nii.gz --task hippocampus --json

    medheart measure 0b9d2f… (id of a version)"""
)
def measure(
    *,
    label: Annotated[str, typer.Argument(help="Label file, or id of a version.")],
    image: Annotated[Path | None, typer.Option(help="Image of the label file, for intensities.")] = None,
    task: Annotated[str | None, typer.Option(help="Task whose labels the values are.")] = None,
    server: Server = None,
    local: Local = False,
    as_json: AsJson = False,
) -> None:
    """Measure."""
    with service(server, local=local, quiet=as_json) as remote:
        if is_file(label):
            measure_file = remote.measure_file if remote else _measure_file
            data = measure_file(Path(label), image, task=task)
        else:
            data = remote.measure_version(label) if remote else _measure_version(label)
    if as_json:
        print_json(data)
        return
    names = {code: quantity["names"][language()] for code, quantity in data["quantities"].items()}
    labels = label_names(data["schema"])
    rows = [
        (
            labels.get(found["name"], found["name"]),
            names[item["code"]],
            f"{item['value']:.{item['digits']}f}",
            item["unit"],
        )
        for found in data["labels"]
        for item in found["measurements"]
    ]
    print_table([text(key) for key in ("label", "quantity", "value", "unit")], rows, right=(2,))
    if not any(found["components"] for found in data["labels"]):
        note(text("not_detected"))


def _measure_file(label: Path, image: Path | None, *, task: str | None) -> dict[str, Any]:
    from medheart_models.tasks import load_task
    from medheart_work.measuring import measure_file

    return measure_file(label, image, schema_id=load_task(task).schema_id if task else None).to_dict()


def _measure_version(version: str) -> dict[str, Any]:
    from medheart_work.measuring import measure_version

    with open_store(Settings.load()) as store:
        return measure_version(store, version).to_dict()
