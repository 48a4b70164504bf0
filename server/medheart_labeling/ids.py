"""What may come from outside as a name: ids, never paths."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from medheart.errors import MedHeartError

__all__ = ["CHECKED_QUERY", "annotator_name", "check_id", "check_query", "id_from_filename", "safe_ending"]

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CLIENT = re.compile(r"[A-Za-z0-9_.@-]{1,64}")
_ENDINGS = (".nii.gz", ".seg.nrrd", ".nii", ".nrrd", ".mha", ".dcm", ".zip")
CHECKED_QUERY = frozenset({"image", "label", "id", "tag", "session_id", "request_id", "model"})
"""Query parameters that hold an id; the empty string means that none was given."""


def check_id(kind: str, value: Any) -> str:
    """Return `value` if it is an id; raises MedHeartError (`bad_id`) naming the pattern."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise MedHeartError(
            f"{kind} must be an id of 1 to 64 letters, digits, '-' or '_', got {str(value)[:80]!r}", code="bad_id"
        )
    return value


def check_query(items: Iterable[tuple[str, str]]) -> None:
    """Check every query parameter that holds an id, repeated ones too."""
    for name, value in items:
        if name in CHECKED_QUERY and value:
            check_id(name, value)


def annotator_name(identity: str, client: Any, *, is_local: bool) -> str:
    """Return the author of what a request makes.

    Parameters
    ----------
    identity : str
        Name of who is signed in.
    client : str, optional
        `client_id` of a MONAI Label client: what a person called their client, not proof of anything.
    is_local : bool
        Whether the local owner acts, who may call a client as they like.

    Returns
    -------
    str
        `identity`, or the client's name where the local owner acts, or `identity/client`.
    """
    if client in (None, "", identity):
        return identity
    if not isinstance(client, str) or not _CLIENT.fullmatch(client):
        raise MedHeartError(
            f"client_id has 1 to 64 letters, digits or any of _.@-, got {str(client)[:80]!r}", code="bad_client"
        )
    return client if is_local else f"{identity}/{client}"


def safe_ending(name: str | None) -> str:
    """Return the ending of an uploaded file's name if it is one we know, else an empty string."""
    lower = (name or "").lower()
    return next((ending for ending in _ENDINGS if lower.endswith(ending)), "")


def id_from_filename(name: str | None) -> str | None:
    """Return the name of an uploaded file without its ending if that is an id, else None."""
    base = PurePosixPath((name or "").replace("\\", "/")).name
    stem = base[: len(base) - len(safe_ending(base))] if safe_ending(base) else base.split(".")[0]
    return stem if _ID.fullmatch(stem) else None
