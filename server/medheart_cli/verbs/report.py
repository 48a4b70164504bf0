"""`medheart report`: the report of a version or of a label file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medheart.errors import MedHeartError
from medheart.settings import Settings
from medheart_cli.console import language, note, print_json
from medheart_cli.verbs._options import AsJson, is_file, open_store

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)


@app.command(
    help="""Write report.html and report.pdf of a stored version, or of a label file with its image.

    Examples:

    medheart report 0b9d2f… --lang zh --output out/

    medheart report label.nii.gz --image brain.nii.gz --task hippocampus --lang en --output out/"""
)
def report(
    *,
    label: Annotated[str, typer.Argument(help="Id of a version, or label file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder; made if missing.")] = Path("out"),
    lang: Annotated[str | None, typer.Option("--lang", help="zh or en; the system's language by default.")] = None,
    image: Annotated[Path | None, typer.Option(help="Image of the label file.")] = None,
    task: Annotated[str | None, typer.Option(help="Task whose labels the file holds.")] = None,
    as_json: AsJson = False,
) -> None:
    """Report."""
    from medheart_work.files import write_whole
    from medheart_work.reporting import LANGUAGES, report_file, report_version

    chosen = lang or language()
    if chosen not in LANGUAGES:
        raise MedHeartError(f"--lang is one of {list(LANGUAGES)}, got {chosen!r}", code="usage")
    if is_file(label):
        if image is None:
            raise MedHeartError(f"the report of a label file shows its image: give --image for {label}", code="usage")
        rendered = report_file(Path(label), image, task_id=task, language=chosen)
    else:
        with open_store(Settings.load()) as store:
            rendered = report_version(store, label, language=chosen).files
    files = [write_whole(output / f"report.{ending}", data) for ending, data in rendered.items()]
    if as_json:
        print_json({"language": chosen, "files": [str(path) for path in files]})
        return
    for path in files:
        note(str(path))
