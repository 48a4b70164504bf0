"""Pseudonyms and ids: keyed digests of what came from outside, made with the site's own key.

The same patient always gets the same pseudonym at one site, another one elsewhere, and nobody
without the key can test a guess. Ids match `[A-Za-z0-9_-]{1,64}` and say nothing but the modality.
"""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from medheart.errors import MedHeartError
from medheart.settings import Settings

__all__ = ["SiteKey"]

_KEY_BYTES = 32


class SiteKey:
    """The secret of one installation: `MEDHEART_HOME/site.key`, made at its first use, mode 0600.

    Parameters
    ----------
    settings : Settings
        Names the home folder.
    """

    def __init__(self, settings: Settings) -> None:
        self._key = _read_or_make(settings.home / "site.key")

    def digest(self, *parts: str, length: int = 12) -> str:
        """Return `length` hex digits (at most 64) of HMAC-SHA256 over the parts."""
        return hmac.new(self._key, "\x00".join(parts).encode(), "sha256").hexdigest()[:length]

    def pseudonym(self, patient_id: str) -> str:
        """Return the pseudonym of a patient."""
        return f"P-{self.digest('patient', patient_id, length=10).upper()}"


def _read_or_make(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    if not path.exists():
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(secrets.token_bytes(_KEY_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass  # Another process made it first; its key is the site's.
        finally:
            fresh.unlink()
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise MedHeartError(f"{path}: the site key must have {_KEY_BYTES} bytes, it has {len(key)}", code="site_key")
    return key
