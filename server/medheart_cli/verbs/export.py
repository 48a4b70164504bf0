"""`medheart export`: everything of a study into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medheart.settings import Settings
from medheart_cli.console import note, print_json
from medheart_cli.verbs._options import AsJson, Local, Server, open_store, service

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)


@app.command(
    help="""Export labels (.nii.gz, .seg.nrrd, DICOM SEG), measurements and reports.

    Example:

    medheart export study-acea2a6c31 --output out/"""
)
def export(
    *,
    name: Annotated[str, typer.Argument(help="Id of a study, series or version.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder; made if missing.")] = Path("out"),
    server: Server = None,
    local: Local = False,
    as_json: AsJson = False,
) -> None:
    """Export."""
    with service(server, local=local, quiet=as_json) as remote:
        files = remote.export(name, output) if remote else _export_here(name, output)
    if as_json:
        print_json({"files": [str(path) for path in files]})
        return
    for path in files:
        note(str(path))


def _export_here(name: str, output: Path) -> list[Path]:
    from medheart_work.exporting import export_named

    with open_store(Settings.load()) as store:
        return export_named(store, name, output)
