"""`medheart import`: studies into the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from medheart.settings import Settings
from medheart_cli.console import note, print_json, print_table, progress, text
from medheart_cli.verbs._options import AsJson, Local, Server, open_store, service

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)


@app.command(
    help="""Take studies into the store: DICOM, NIfTI, NRRD, MetaImage; files, folders or zip files.

    Every case gets an answer: accepted, needs_choice (say which with --choice), or rejected with the reason.
    Exit code 1 where nothing was accepted.

    Examples:

    medheart import /data/cases --dry-run --json

    medheart import tilted/ --choice resample-tilt"""
)
def import_studies(
    *,
    paths: Annotated[list[Path], typer.Argument(help="Files, folders, zip files.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    choice: Annotated[list[str] | None, typer.Option(help="Answer to a case that needs a choice; repeatable.")] = None,
    one_study: Annotated[bool, typer.Option("--one-study", help="NIfTI, NRRD, MetaImage files are one study.")] = False,
    server: Server = None,
    local: Local = False,
    as_json: AsJson = False,
) -> int:
    """Import."""
    with service(server, local=local, quiet=as_json) as remote:
        if remote is not None:
            results = remote.import_files(paths, choices=choice or (), one_study=one_study, dry_run=dry_run)
        else:
            results = _import_here(paths, choice or (), one_study=one_study, dry_run=dry_run, quiet=as_json)
    _show(results, as_json=as_json)
    return 0 if any(result["status"] == "accepted" for result in results) else 1


def _import_here(
    paths: list[Path], choices: Sequence[str], *, one_study: bool, dry_run: bool, quiet: bool
) -> list[dict[str, Any]]:
    from medheart_work.importing import import_paths

    settings, options = Settings.load(), {"one_study": one_study, "dry_run": dry_run}
    with open_store(settings) as store, progress(quiet=quiet) as update:
        cases = import_paths(store, settings, paths, choices=choices, progress=update, **options)
    # A person at this machine may see who the patients are; what machines read names nobody.
    return [case.to_dict() if quiet else {**case.to_dict(), "choices": case.candidate.named_choices} for case in cases]


def _show(results: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        for result in results:
            print_json(result)
        return
    columns = [text(key) for key in ("file", "status", "series", "size", "message")]
    print_table(columns, [_row(result) for result in results])
    for result in results:
        for option, meaning in result["choices"].items():
            note(f"{result['path']}: --choice '{option}': {meaning}")
    counts = Counter(result["status"] for result in results)
    note(", ".join(f"{count} {text(status)}" for status, count in sorted(counts.items())))


def _row(result: dict[str, Any]) -> tuple[str, ...]:
    size = " × ".join(map(str, reversed(result["shape"]))) if result["shape"] else ""
    return result["path"], text(result["status"]), result["series"], size, result["message"]
