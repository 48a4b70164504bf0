"""`medheart bench`: run `benchmarks/NAME.py` of a checkout in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from medheart.errors import MedHeartError
from medheart_cli.console import note

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    help="""Run a benchmark of a checkout and print what it measured.

    What is not known here goes to the benchmark; `medheart bench NAME -- --help` says what it takes.

    Examples:

    medheart bench versions --json

    medheart bench infer --image brain.nii.gz --runs 3""",
)
def bench(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Name of a file in benchmarks/; lists them if missing.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines on stdout.")] = False,
) -> int:
    """Run a benchmark."""
    folder = Path(__file__).resolve().parents[3] / "benchmarks"
    if not folder.is_dir():
        raise MedHeartError("benchmarks belong to a checkout; this is an installed package", code="no_checkout")
    names = sorted(path.stem for path in folder.glob("*.py") if re.fullmatch("[a-z][a-z0-9_-]*", path.stem))
    if name is None:
        note(" ".join(names))
        return 0
    if name not in names:
        raise MedHeartError(f"no benchmark {name!r}; there are {names}", code="usage")
    command = [sys.executable, str(folder / f"{name}.py"), *(["--json"] if as_json else []), *context.args]
    return subprocess.run(command, check=False).returncode
