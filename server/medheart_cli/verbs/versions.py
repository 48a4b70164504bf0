"""`medheart versions`: the history of a label."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from medheart.settings import Settings
from medheart_cli.console import note, print_json, print_table, text
from medheart_cli.verbs._options import AsJson, author, open_store

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List, show, compare, restore and export label versions. Nothing is ever replaced.",
)

Version = Annotated[str, typer.Argument(help="Id of a version.")]


@app.command("list")
def list_versions(
    image: Annotated[str | None, typer.Argument(help="Id of a study or series; all by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the versions of a series, a study or everything.

    Example: medheart versions list ct-d09d865f92a4
    """
    from medheart_work.history import versions_of

    with open_store(Settings.load()) as store:
        found = versions_of(store, image)
    if as_json:
        print_json({"versions": [version.to_dict() for version in found]})
        return
    rows = [(v.id, v.image, v.number, v.origin, v.author, v.state, v.created[:19], v.note) for v in found]
    keys = ("version", "series", "number", "origin", "author", "state", "created", "note")
    print_table([text(key) for key in keys], rows, right=(2,))


@app.command("show")
def show_version(version: Version, as_json: AsJson = False) -> None:
    """Show a version: parents, origin, voxels per label, state, events, documents.

    Example: medheart versions show 0b9d2f…
    """
    from medheart_work.history import describe_version

    with open_store(Settings.load()) as store:
        data = describe_version(store, version)
    if as_json:
        print_json(data)
        return
    print_table((text("field"), text("value")), [(key, _shown(value)) for key, value in data.items()])


@app.command("diff")
def diff_versions(older: Version, newer: Version, as_json: AsJson = False) -> None:
    """Compare two versions: changed voxels by label, where, and the overlap of each label.

    Example: medheart versions diff 0b9d2f… 77c1aa…
    """
    with open_store(Settings.load()) as store:
        data = store.diff(older, newer).to_dict()
    if as_json:
        print_json(data)
        return
    print_table((text("field"), text("value")), [(key, _shown(value)) for key, value in data.items()])


@app.command("restore")
def restore_version(
    version: Version,
    note_text: Annotated[str, typer.Option("--note", help="Why.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a new head with the content of an older version; the history stays.

    Example: medheart versions restore 0b9d2f… --note "back to the first reader"
    """
    with open_store(Settings.load()) as store:
        made = store.restore(version, author=author(), note=note_text)
    if as_json:
        print_json(made.to_dict())
        return
    note(text("restored", version=made.id, number=made.number))


@app.command("export")
def export_version(
    version: Version,
    output: Annotated[Path, typer.Option("--output", "-o", help="Label file; its ending selects the format.")],
    as_json: AsJson = False,
) -> None:
    """Write a version's label: .nii.gz, .nii, .seg.nrrd, .nrrd, .mha, or .dcm (DICOM SEG).

    Example: medheart versions export 0b9d2f… --output label.seg.nrrd
    """
    from medheart_work.exporting import write_label

    with open_store(Settings.load()) as store:
        path = write_label(store, version, output)
    if as_json:
        print_json({"version": version, "path": str(path)})
        return
    note(str(path))


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(_shown(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_shown(item)}" for key, item in value.items())
    return str(value)
