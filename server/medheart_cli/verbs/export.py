"""`medheart export`: everything of a study into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medheart.settings import Settings
from medheart_cli.console import note, print_json
from medheart_cli.verbs._options import AsJson, open_store

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)


@app.command(
    help="""Export labels (.nii.gz, .seg.nrrd, DICOM SEG), measurements and reports.

    Example:

    medheart export study-acea2a6c31 --output out/"""
)
def export(
    name: Annotated[str, typer.Argument(help="Id of a study, series or version.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder; made if missing.")] = Path("out"),
    as_json: AsJson = False,
) -> None:
    """Export."""
    from medheart_work.exporting import export_named

    with open_store(Settings.load()) as store:
        files = export_named(store, name, output)
    if as_json:
        print_json({"files": [str(path) for path in files]})
        return
    for path in files:
        note(str(path))
