"""`medheart versions`: the history of a label."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from medheart.settings import Settings
from medheart_cli.console import note, print_json, print_table, text, word
from medheart_cli.verbs._options import AsJson, Local, Server, author, open_store, service

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List, show, compare, mark, restore and export label versions. Nothing is ever replaced.",
)


class State(StrEnum):
    """What a person can say of a version that is there."""

    submitted = "submitted"
    returned = "returned"
    approved = "approved"
    flagged = "flagged"


Version = Annotated[str, typer.Argument(help="Id of a version.")]


@app.command("list")
def list_versions(
    image: Annotated[str | None, typer.Argument(help="Id of a study or series; all by default.")] = None,
    server: Server = None,
    local: Local = False,
    as_json: AsJson = False,
) -> None:
    """List the versions of a series, a study or everything.

    Example: medheart versions list ct-d09d865f92a4
    """
    with service(server, local=local, quiet=as_json) as remote:
        found = remote.versions(image) if remote else _list_here(image)
    if as_json:
        print_json({"versions": found})
        return
    names = ("id", "image", "number", "origin", "author", "state", "created", "note")
    rows = [[_cell(name, version[name]) for name in names] for version in found]
    keys = ("version", "series", "number", "origin", "author", "state", "created", "note")
    print_table([text(key) for key in keys], rows, right=(2,))


@app.command("show")
def show_version(version: Version, server: Server = None, local: Local = False, as_json: AsJson = False) -> None:
    """Show a version: parents, origin, voxels per label, state, events, documents.

    Example: medheart versions show 0b9d2f…
    """
    with service(server, local=local, quiet=as_json) as remote:
        data = remote.version(version) if remote else _show_here(version)
    if as_json:
        print_json(data)
        return
    print_table(
        (text("field"), text("value")), [(word("field", key), _shown(value, key)) for key, value in data.items()]
    )


@app.command("diff")
def diff_versions(
    older: Version, newer: Version, server: Server = None, local: Local = False, as_json: AsJson = False
) -> None:
    """Compare two versions: changed voxels by label, where, and the overlap of each label.

    Example: medheart versions diff 0b9d2f… 77c1aa…
    """
    with service(server, local=local, quiet=as_json) as remote:
        data = remote.diff(older, newer) if remote else _diff_here(older, newer)
    if as_json:
        print_json(data)
        return
    print_table(
        (text("field"), text("value")), [(word("field", key), _shown(value, key)) for key, value in data.items()]
    )


@app.command("restore")
def restore_version(
    version: Version,
    note_text: Annotated[str, typer.Option("--note", help="Why.")] = "",
    server: Server = None,
    local: Local = False,
    as_json: AsJson = False,
) -> None:
    """Make a draft with the content of an older version, to look at and submit; the history stays.

    Example: medheart versions restore 0b9d2f… --note "back to the first reader"
    """
    with service(server, local=local, quiet=as_json) as remote:
        made = remote.restore(version, note_text) if remote else _restore_here(version, note_text)
    if as_json:
        print_json(made)
        return
    note(text("restored", version=made["id"], number=made["number"]))


@app.command("mark")
def mark_version(
    version: Version,
    state: Annotated[State, typer.Argument(help="What it is from now on.")],
    server: Server = None,
    local: Local = False,
    as_json: AsJson = False,
) -> None:
    """Give a version a state: submit a draft, approve, return or flag a label. What was before stays known.

    Example: medheart versions mark 0b9d2f… submitted
    """
    with service(server, local=local, quiet=as_json) as remote:
        made = remote.mark(version, state.value) if remote else _mark_here(version, state.value)
    if as_json:
        print_json(made)
        return
    note(text("marked", version=made["id"], number=made["number"], state=word("state", made["state"])))


@app.command("export")
def export_version(
    version: Version,
    output: Annotated[Path, typer.Option("--output", "-o", help="Label file; its ending selects the format.")],
    server: Server = None,
    local: Local = False,
    as_json: AsJson = False,
) -> None:
    """Write a version's label: .nii.gz, .nii, .seg.nrrd, .nrrd, .mha, .mhd (not from a --server), .dcm (DICOM SEG).

    Example: medheart versions export 0b9d2f… --output label.seg.nrrd
    """
    with service(server, local=local, quiet=as_json) as remote:
        path = remote.label(version, output) if remote else _export_here(version, output)
    if as_json:
        print_json({"version": version, "path": str(path)})
        return
    note(str(path))


def _list_here(image: str | None) -> list[dict[str, Any]]:
    from medheart_store.history import versions_of

    with open_store(Settings.load()) as store:
        return [version.to_dict() for version in versions_of(store, image)]


def _show_here(version: str) -> dict[str, Any]:
    from medheart_store.history import describe_version

    with open_store(Settings.load()) as store:
        return describe_version(store, version)


def _diff_here(older: str, newer: str) -> dict[str, Any]:
    with open_store(Settings.load()) as store:
        return store.diff(older, newer).to_dict()


def _restore_here(version: str, note_text: str) -> dict[str, Any]:
    with open_store(Settings.load()) as store:
        return store.restore(version, author=author(), note=note_text).to_dict()


def _mark_here(version: str, state: str) -> dict[str, Any]:
    from medheart_store.history import describe_version

    with open_store(Settings.load()) as store:
        store.add_event(version, "state", state, author())
        return describe_version(store, version)


def _export_here(version: str, output: Path) -> Path:
    from medheart_work.exporting import write_label

    with open_store(Settings.load()) as store:
        return write_label(store, version, output)


def _cell(name: str, value: Any) -> str:
    if name == "created":
        return str(value)[:19]
    return word(name, value) if name in ("origin", "state") else str(value)


def _shown(value: Any, key: str = "") -> str:
    if isinstance(value, list):
        return "\n".join(_shown(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_shown(item)}" for name, item in value.items())
    if value is None:
        return ""
    return word(key, str(value)) if key in ("origin", "state") else str(value)
