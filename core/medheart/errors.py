"""The error tree.

MedHeartError
├── ImageRejected        an image that came from outside cannot be used as it is
│   └── NeedsChoice      it can be used once a person has chosen how
├── SchemaError          label values do not match their schema
├── GeometryError        a grid is invalid, or two grids that must agree do not
├── TaskError            a task is unknown, or does not fit the images
├── ModelError           weights are missing, damaged or of another task
├── StoreError
│   ├── NotFound         no object of that id (also: not visible to you)
│   ├── Conflict         the head moved; carries both sides
│   └── Corrupt          stored bytes do not match their digest
├── AccessError
│   ├── NotSignedIn      no valid key or login came with the request
│   └── NotAllowed       who asks is known, and may not do this
├── JobError             a job failed; carries the id
├── Cancelled            a person cancelled the work
├── Busy                 a bounded queue is full; carries seconds to wait
└── Unavailable          a part that is needed does not answer

Every error carries `code`, a stable lower-case word for machines, and a message of
one sentence for people: what is wrong, where, what came and what was expected.
Foreign exceptions are translated where the foreign library is called.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

# None of them is part of a character in GB18030.
_BETWEEN_NAMES = re.compile(r"([\s/,:;()'\"])")

# Half characters that stand for no byte of a name.
_NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def readable(text: Path | str) -> str:
    """Return a path, or a sentence with names of files, as text that can be printed.

    A name in bytes that are no UTF-8 is decoded as GB18030, as Chinese Windows writes it.
    """
    return "".join(map(_readable_name, _BETWEEN_NAMES.split(str(text))))


def _readable_name(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        return _NO_BYTE.sub("?", name).encode(errors="surrogateescape").decode("gb18030", errors="replace")
    return name


def _readable_within(value: Any) -> Any:
    if isinstance(value, dict):
        return {_readable_within(key): _readable_within(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_readable_within(item) for item in value]
    return readable(value) if isinstance(value, str) else value


class MedHeartError(Exception):
    """Base of all errors that MedHeart raises on purpose.

    Parameters
    ----------
    message : str
        One sentence for a person; names in it that are no text become `readable`.
    code : str, optional
        Stable word for machines; each class has a default.
    **details
        JSON-serialisable facts that help to act on the error.
    """

    code = "error"

    def __init__(self, message: str, *, code: str | None = None, **details: Any) -> None:
        self.message = readable(message)
        super().__init__(self.message)
        self.code = code or type(self).code
        self.details = details

    def to_dict(self) -> dict[str, Any]:
        """Return `{"code", "message", ...details}` for a JSON reply."""
        return {"code": self.code, "message": self.message, **_readable_within(self.details)}


class ImageRejected(MedHeartError):
    """An image from outside cannot be used; `code` says why, `path` names the file."""

    code = "unreadable"

    def __init__(self, message: str, *, code: str | None = None, path: str | None = None, **details: Any) -> None:
        super().__init__(message, code=code, **({"path": path} if path else {}), **details)
        self.path = path


class NeedsChoice(ImageRejected):
    """An image can be used once a person has chosen; `choices` lists the options.

    Parameters
    ----------
    choices : dict of str to str
        Option name to what it does, e.g. `{"resample-tilt": "resample to an upright grid"}`.
    """

    code = "needs_choice"

    def __init__(
        self, message: str, *, choices: dict[str, str], code: str | None = None, path: str | None = None, **details: Any
    ) -> None:
        super().__init__(message, code=code, path=path, choices=choices, **details)
        self.choices = choices


class SchemaError(MedHeartError):
    """Label values do not match their schema; names the differing values."""

    code = "schema_mismatch"


class GeometryError(MedHeartError):
    """A grid is invalid, or two grids that must agree do not."""

    code = "geometry_mismatch"


class TaskError(MedHeartError):
    """A task is unknown, or does not fit the images it was given."""

    code = "task_unfit"


class ModelError(MedHeartError):
    """Weights are missing, damaged, or belong to another task."""

    code = "model_unusable"


class StoreError(MedHeartError):
    """Base of the store's errors."""

    code = "store"


class NotFound(StoreError):
    """No object of that id, or none that the caller may see."""

    code = "not_found"


class Conflict(StoreError):
    """The head moved since the base was read; `head` and `base` name both sides."""

    code = "conflict"


class Corrupt(StoreError):
    """Stored bytes do not match their digest."""

    code = "corrupt"


class AccessError(MedHeartError):
    """Base of refusals that depend on who asks."""

    code = "access"


class NotSignedIn(AccessError):
    """No valid key or login came with the request."""

    code = "not_signed_in"


class NotAllowed(AccessError):
    """Who asks is known, and may not do this."""

    code = "not_allowed"


class JobError(MedHeartError):
    """A job failed; carries `job`."""

    code = "job_failed"


class Cancelled(MedHeartError):
    """A person cancelled the work."""

    code = "cancelled"


class Busy(MedHeartError):
    """A bounded queue is full; `retry_after_s` says when to ask again."""

    code = "busy"


class Unavailable(MedHeartError):
    """A process or service that is needed does not answer."""

    code = "unavailable"
