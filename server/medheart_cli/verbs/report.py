"""`medheart report`: the report of a version or of a label file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from medheart.errors import MedHeartError
from medheart.settings import Settings
from medheart.wire.service import REPORT_LANGUAGES
from medheart_cli.console import language, note, print_json
from medheart_cli.verbs._options import AsJson, Local, Server, is_file, open_store, service

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)


@app.command(
    help="""Write report.html and report.pdf of a stored version, or of a label file.

    Examples:

    medheart report 0b9d2f… --lang zh --output out/

    medheart report label.nii.gz --image brain.nii.gz --task hippocampus --lang en --output out/"""
)
def report(
    *,
    label: Annotated[str, typer.Argument(help="Id of a version, or label file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder; made if missing.")] = Path("out"),
    lang: Annotated[str | None, typer.Option("--lang", help="zh or en; the system's language by default.")] = None,
    image: Annotated[Path | None, typer.Option(help="Image of the label file, shown with it.")] = None,
    task: Annotated[str | None, typer.Option(help="Task whose labels the file holds.")] = None,
    server: Server = None,
    local: Local = False,
    as_json: AsJson = False,
) -> None:
    """Report."""
    chosen = lang or language()
    if chosen not in REPORT_LANGUAGES:
        raise MedHeartError(f"--lang is one of {list(REPORT_LANGUAGES)}, got {chosen!r}", code="usage")
    with service(server, local=local, quiet=as_json) as remote:
        if not is_file(label):
            write_version = remote.report_version if remote else _version_here
            files = write_version(label, output, language=chosen)
        else:
            write_file = remote.report_file if remote else _file_here
            files = write_file(Path(label), image, output, task=task, language=chosen)
    if as_json:
        print_json({"language": chosen, "files": [str(path) for path in files]})
        return
    for path in files:
        note(str(path))


def _version_here(version: str, folder: Path, *, language: str) -> list[Path]:
    from medheart_work.reporting import report_version

    with open_store(Settings.load()) as store:
        return _written(folder, report_version(store, version, language=language).files)


def _file_here(label: Path, image: Path | None, folder: Path, *, language: str, task: str | None) -> list[Path]:
    from medheart_work.reporting import report_file

    return _written(folder, report_file(label, image, task_id=task, language=language))


def _written(folder: Path, rendered: Mapping[str, bytes]) -> list[Path]:
    from medheart_work.files import write_whole

    return [write_whole(folder / f"report.{ending}", data) for ending, data in rendered.items()]
