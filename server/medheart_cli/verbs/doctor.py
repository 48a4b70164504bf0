"""`medheart doctor`: whether this installation is whole."""

from __future__ import annotations

from typing import Annotated

import typer

from medheart.settings import Settings
from medheart_cli.console import language, note, print_json, print_table, text
from medheart_cli.verbs._options import AsJson

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)


@app.command(
    help="""Check Python, packages, networks, ports, disk, GPU, store and fonts; say what is missing.

    Exit code 1 where something is missing. --whole reads all of the store, which takes as long as it is large.

    Examples:

    medheart doctor --json

    medheart doctor --whole --clean"""
)
def doctor(
    *,
    whole: Annotated[bool, typer.Option("--whole", help="Read everything in the store, not some of it.")] = False,
    clean: Annotated[
        bool, typer.Option("--clean", help="Delete from the store what crashes left, older than a week; says what.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Examine."""
    from medheart_work.doctor import examine

    findings = list(examine(Settings.load(), language="en" if as_json else language(), whole=whole, clean=clean))
    missing = [finding for finding in findings if finding.verdict == "missing"]
    if as_json:
        print_json({"ok": not missing, "findings": [finding.to_dict() for finding in findings]})
    else:
        keys = ("checked", "verdict", "message", "remedy")
        rows = [(f.name, text(f"verdict_{f.verdict}"), f.message, f.remedy) for f in findings]
        print_table([text(key) for key in keys], rows)
        note(text("doctor_missing", count=len(missing)) if missing else text("doctor_ok"))
    return 1 if missing else 0
