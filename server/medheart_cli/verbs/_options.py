"""Options that several verbs share, and what is behind them: settings, store, a service elsewhere.

Where a verb works: `--server URL` on that service, over REST; `--local` in this process; without either on the
service of the setting `server` (MEDHEART_SERVER), and where there is none, too, in this process. A service that
does not answer is an error: nothing falls back on the store of this machine.
"""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medheart.errors import MedHeartError
from medheart.home import make_home
from medheart.settings import Settings
from medheart_cli.console import note, progress, text

if TYPE_CHECKING:
    from medheart.client import LabelServer
    from medheart.service_client import Service
    from medheart_store import Store

__all__ = [
    "AsJson",
    "Device",
    "Local",
    "Server",
    "author",
    "client",
    "ensure_networks",
    "is_file",
    "label_server",
    "only_here",
    "open_store",
    "service",
]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines on stdout.")]

Local = Annotated[bool, typer.Option("--local", help="Work in this process, without any server.")]
Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        help="Work on this service (MEDHEART_KEY signs in); by default MEDHEART_SERVER, if set.",
        metavar="URL",
        show_default=False,
    ),
]
Device = Annotated[str | None, typer.Option("--device", help="auto, cpu or cuda.", metavar="DEVICE")]


@contextmanager
def service(server: str | None, *, local: bool, quiet: bool) -> Iterator[Service | None]:
    """Yield the service to work on with a progress bar, None where the work is done in this process.

    Raises
    ------
    MedHeartError
        `usage` if both ways were asked for, or the address is none.
    """
    if server is not None and local:
        raise MedHeartError("give either --server or --local", code="usage")
    address = server if server is not None else "" if local else Settings.load().server
    if server is None and not address:
        yield None
        return
    from medheart.service_client import Service

    with progress(quiet=quiet) as update:
        yield Service(address, key=os.environ.get("MEDHEART_KEY"), tell=update)


def only_here(remote: Service | None, **options: object) -> None:
    """Refuse options that are decided where the service runs; raises MedHeartError `usage`."""
    if remote is not None and (given := [name for name, value in options.items() if value is not None]):
        raise MedHeartError(f"--{given[0]} is for work in this process; {remote.url} decides for itself", code="usage")


@contextmanager
def open_store(settings: Settings) -> Iterator[Store]:
    """Open the store of this installation while the block runs."""
    from medheart_store import Store

    make_home(settings)
    with Store.open(settings.store_dir) as store:
        yield store


def label_server(settings: Settings) -> LabelServer | None:
    """Return a client of this installation's label server if one answers, else None."""
    from medheart_work.readiness import PARTS

    (part,) = [part for part in PARTS if part.name == "label"]
    return client(settings) if part.is_starting(settings) and not part.serves_another(settings) else None


def client(settings: Settings) -> LabelServer:
    """Return a client of the label server; it signs in with MEDHEART_KEY where that is set."""
    from medheart.client import LabelServer

    return LabelServer(settings.label_url, client_id=author(), token=os.environ.get("MEDHEART_KEY"))


def ensure_networks(settings: Settings, tasks: Collection[str] | None = None) -> None:
    """Export what is missing of the networks of `tasks` (all by default), which takes a while, and say so."""
    from medheart_work.networks import export_networks, missing_networks

    make_home(settings)
    missing = [task for task in missing_networks(settings) if tasks is None or task in tasks]
    if missing:
        note(text("exporting", tasks=", ".join(missing)))
        export_networks(settings, missing)


def is_file(label: str) -> bool:
    """Whether `label` is a file, else it is the id of a version.

    Raises
    ------
    MedHeartError
        If it is neither: no file, and no id either.
    """
    if Path(label).exists():
        return True
    if re.fullmatch("[A-Za-z0-9_-]{1,64}", label):
        return False
    raise MedHeartError(f"{label}: there is no such file", code="not_there")


def author() -> str:
    """Return the name under which this user's versions are kept."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "local"
