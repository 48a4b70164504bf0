"""What the command line shows: results on stdout, everything for people's eyes only on stderr."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from medheart.errors import MedHeartError
from medheart.settings import Settings

__all__ = ["complain", "language", "note", "print_json", "print_table", "progress", "text", "word"]

_WIDE = 200
"""Columns of a table that goes into a file or pipe."""

Update = Callable[[str, int, int], None]


@cache
def language() -> str:
    """Return `zh` or `en`: the setting, else the system's language."""
    chosen = Settings.load().language or next(
        (os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "en"
    )
    return "zh" if chosen.lower().startswith("zh") else "en"


@cache
def _texts() -> dict[str, dict[str, str]]:
    return tomllib.loads(Path(__file__).with_name("texts.toml").read_text(encoding="utf-8"))


def text(key: str, **values: Any) -> str:
    """Return a text of `texts.toml` in the user's language, with `{name}` filled from `values`."""
    return _texts()[key][language()].format(**values)


def word(kind: str, value: str) -> str:
    """Return the word for a value of some kind (`state`, `field`, …), the value itself where there is none."""
    known = _texts().get(f"{kind}_{value}")
    return known[language()] if known else value


def print_json(data: Any) -> None:
    """Print one JSON value on a line of stdout."""
    sys.stdout.write(json.dumps(data, ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


def note(message: str) -> None:
    """Print a line for people on stderr."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


def complain(message: str, *codes: str, prefix: str = "medheart: ") -> None:
    """Print an error on stderr; the first line says all that matters.

    Messages are English and exact. In another language the words for the first of `codes` that has some come
    before them.
    """
    known = next((code for code in codes if f"error_{code}" in _texts()), None)
    said = f"{text(f'error_{known}')}：" if known and _speaks_other() else ""
    note(prefix + said + message)


def _speaks_other() -> bool:
    try:
        return language() != "en"
    except MedHeartError:
        # The settings themselves are wrong, and that is what there is to say.
        return False


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, right: Sequence[int] = ()) -> None:
    """Print a table on stdout; `right` names the columns to align to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for n, column in enumerate(columns):
        table.add_column(column, justify="right" if n in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else _WIDE).print(table)


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Update]:
    """Show a progress bar on stderr while the block runs.

    Yields
    ------
    callable
        `update(description, done, total)`; a total of 0 means that the length is not known.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda _description, _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda description, done, total: bar.update(
            task, description=description, completed=done, total=total or None
        )
