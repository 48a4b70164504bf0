"""Keys of programs, such as stock MONAI Label clients: a file of digests.

A key is `mh_<id>_<secret>` with 256 random bits in the secret, so that its SHA-256 need not be slow.
The file holds no key, only digests; it is readable by its owner alone and replaced, never edited.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from medheart.errors import AccessError, NotFound
from medheart_access.identity import Identity

__all__ = ["Key", "KeyFile"]

_TOKEN = re.compile(r"mh_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,64}")


@dataclass(frozen=True)
class Key:
    """What is kept of a key: `id`, `name` and `role` of its holder, `sha256` of the token, `created` (UTC)."""

    id: str
    name: str
    role: str
    sha256: str
    created: str

    @property
    def identity(self) -> Identity:
        """Who the key stands for."""
        return Identity(self.name, self.role)


class KeyFile:
    """The keys of one installation; safe to use from several threads and processes.

    Parameters
    ----------
    path : pathlib.Path
        JSON file; made with mode 0600 when the first key is added.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._keys: dict[str, Key] = {}

    def add(self, name: str, role: str) -> str:
        """Make a key and return it; it cannot be shown again.

        Raises
        ------
        AccessError
            If the name holds other characters than letters, digits and `_.@-`, or the role is unknown.
        """
        if not _NAME.fullmatch(name):
            raise AccessError(f"a name has 1 to 64 letters, digits or any of _.@-, got {name!r}", code="bad_name")
        Identity(name, role)
        key_id = secrets.token_hex(6)
        token = f"mh_{key_id}_{secrets.token_urlsafe(32)}"
        key = Key(key_id, name, role, _digest(token), datetime.now(UTC).isoformat(timespec="seconds"))
        with self._changing():
            self._write({**self._load(), key_id: key})
        return token

    def revoke(self, key_id: str) -> None:
        """Take a key away; raises NotFound."""
        with self._changing():
            keys = dict(self._load())
            if keys.pop(key_id, None) is None:
                raise NotFound(f"no key {key_id!r}; there are {sorted(keys)}")
            self._write(keys)

    def list(self) -> list[Key]:
        """Return the keys, oldest first."""
        with self._lock:
            return sorted(self._load().values(), key=lambda key: key.created)

    def get(self, key_id: str) -> Key | None:
        """Return a key by its id, or None."""
        with self._lock:
            return self._load().get(key_id)

    def named(self, token: str) -> Key | None:
        """Return the key whose id a token names, whether or not its secret is right; else None."""
        match = _TOKEN.fullmatch(token)
        return self.get(match.group(1)) if match else None

    def find(self, token: str) -> Key | None:
        """Return the key that a token is, or None."""
        key = self.named(token)
        return key if key is not None and hmac.compare_digest(key.sha256, _digest(token)) else None

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Keep other threads and processes from changing the file at the same time."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._lock, self.path.with_suffix(".lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def _load(self) -> dict[str, Key]:
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            self._seen, self._keys = None, {}
            return self._keys
        if self._seen != (stat.st_mtime_ns, stat.st_ino):
            try:
                entries = json.loads(self.path.read_text(encoding="utf-8"))["keys"]
                self._keys = {entry["id"]: Key(**entry) for entry in entries}
            except (ValueError, KeyError, TypeError) as error:
                raise AccessError(f"{self.path}: not a file of keys: {error}", code="bad_key_file") from error
            self._seen = (stat.st_mtime_ns, stat.st_ino)
        return self._keys

    def _write(self, keys: dict[str, Key]) -> None:
        text = json.dumps({"keys": [asdict(key) for key in keys.values()]}, indent=1)
        # mkstemp makes the file with mode 0600.
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".keys-")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(self.path)
        self._seen = None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
