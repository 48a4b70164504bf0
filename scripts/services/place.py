"""Where `make services` keeps things, by default `.services/` of the checkout.

- `services.json`: what is there, for tests and `medheart doctor`; names files of secrets, holds none
- `secrets/NAME`: one line each, made once, mode 0600 in a folder of mode 0700
- `NAME/`: binaries and data of one part
- `logs/NAME.log`: what the part and its installation printed
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "TABLE", "CannotServe", "Place"]

ROOT = Path(__file__).resolve().parents[2]
TABLE: dict[str, dict[str, Any]] = tomllib.loads(
    (ROOT / "server/medheart_work/services.toml").read_text(encoding="utf-8")
)


class CannotServe(Exception):
    """A part cannot be installed or started; the message is the reason, for people."""


class Place:
    """The folder; made where it is missing.

    Parameters
    ----------
    folder : pathlib.Path
        `.services` of the checkout, unless MEDHEART_SERVICES_DIR says otherwise.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)

    def of(self, name: str) -> Path:
        """Return the folder of one part, made where it is missing."""
        path = self.folder / name
        path.mkdir(exist_ok=True)
        return path

    def log(self, name: str) -> Path:
        """Return the log file of one part."""
        path = self.folder / "logs" / f"{name}.log"
        path.parent.mkdir(exist_ok=True)
        return path

    def secret_file(self, name: str) -> Path:
        """Return the file of a part's password; the password is made at the first call."""
        path = self.folder / "secrets" / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if not path.exists():
            self.write_private(path, secrets.token_urlsafe(24) + "\n")
        return path

    def secret(self, name: str) -> str:
        """Return a part's password."""
        return self.secret_file(name).read_text(encoding="ascii").strip()

    def write_private(self, path: Path, text: str) -> None:
        """Write a file that nobody else may read, at no moment."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            stream.write(text)
        temporary.replace(path)

    def entries(self) -> dict[str, dict[str, Any]]:
        """Return what services.json says is there, by part."""
        path = self.folder / "services.json"
        return json.loads(path.read_text(encoding="utf-8"))["services"] if path.exists() else {}

    def record(self, name: str, entry: dict[str, Any] | None) -> None:
        """Set what services.json says of a part; None removes it."""
        entries = {**self.entries(), name: entry}
        kept = {key: value for key, value in entries.items() if value is not None}
        temporary = self.folder / ".services.json"
        temporary.write_text(json.dumps({"version": 1, "services": kept}, indent=2) + "\n", encoding="utf-8")
        temporary.replace(self.folder / "services.json")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep a second call waiting until this one is done."""
        with (self.folder / ".lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield
