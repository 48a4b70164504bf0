"""The model host's wire: HTTP/1.1 over a Unix socket that only its owner may open.

=======  ====================================  ==========================================================
method   path                                  what
=======  ====================================  ==========================================================
HEAD     /images/{digest}                      200 if the host holds the image, else 404
PUT      /images/{digest}                      body: frame of an image; 201, or 200 if it was there
POST     /segment                              body: `SegmentRequest` as JSON; 202 `{"id", "position"}`
GET      /segment/{id}?after=REV&wait=SECONDS  `SegmentState` as JSON; with `wait`, answers when its
                                               revision is above REV, at the latest after SECONDS
GET      /segment/{id}/result                  body: frame of a label map; 409 until it is done
DELETE   /segment/{id}                         cancels, at the next tile; forgets a finished one; 204
GET      /livez, /readyz                       200 while it lives; while it takes requests (else 503)
GET      /info                                 tasks, networks, queue, memory
=======  ====================================  ==========================================================

A frame (`medheart.wire.frame`) is an array on its grid, with a header:

* image: nothing in the header. `digest` in the path is `Volume.digest`; modality and meta come with the request,
  so that one image can be stated to be different things.
* label map: "schema" (`LabelSchema.to_dict`), "task", "origin", "status", "device", "seconds" (per stage),
  "counts" (voxels per value), "warnings" (a list of objects with "code", "values", "text").

An **error** is JSON `{"code", "message", "kind", ...details}`; `kind` is the class in `medheart.errors`.
400 not understood, 404 unknown image, task or request, 409 not done or cancelled, 413 too large,
422 does not fit, 429 full (with `Retry-After`), 503 stopping.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from medheart import errors
from medheart.errors import MedHeartError
from medheart.wire.paths import without_paths

__all__ = [
    "PATH_IMAGE",
    "PATH_INFO",
    "PATH_LIVE",
    "PATH_READY",
    "PATH_RESULT",
    "PATH_SEGMENT",
    "PATH_STATE",
    "ImageRef",
    "Priority",
    "SegmentRequest",
    "SegmentState",
    "error_from_dict",
    "error_to_dict",
    "status_of",
]

PATH_IMAGE = "/images/{digest}"
PATH_SEGMENT = "/segment"
PATH_STATE = "/segment/{id}"
PATH_RESULT = "/segment/{id}/result"
PATH_LIVE = "/livez"
PATH_READY = "/readyz"
PATH_INFO = "/info"

Priority = Literal["interactive", "batch"]
State = Literal["queued", "running", "done", "failed", "cancelled"]

_STATUS: dict[type[MedHeartError], int] = {
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Cancelled: 409,
    errors.Corrupt: 422,
    errors.GeometryError: 422,
    errors.ModelError: 422,
    errors.SchemaError: 422,
    errors.TaskError: 422,
    errors.Busy: 429,
    errors.Unavailable: 503,
}


@dataclass(frozen=True)
class ImageRef:
    """An uploaded image and what is stated of it: `digest`, DICOM `modality`, `meta` of `Volume`."""

    digest: str
    modality: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SegmentRequest:
    """What a client asks for.

    Parameters
    ----------
    task : str
        Task id.
    inputs : tuple of ImageRef
        One per input of the task, in its order.
    priority : str
        `interactive` where a person waits; `batch` runs when nobody does.
    client : str
        Name of the client, for `/info` and the log.
    """

    task: str
    inputs: tuple[ImageRef, ...]
    priority: Priority = "interactive"
    client: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self) | {"inputs": [asdict(ref) for ref in self.inputs]}

    @classmethod
    def from_dict(cls, data: Any) -> SegmentRequest:
        """Read the JSON form; raises MedHeartError (`bad_request`) naming the field that is wrong."""
        try:
            inputs = tuple(_image_ref(item) for item in data["inputs"])
            request = cls(str(data["task"]), inputs, data.get("priority", "interactive"), str(data.get("client", "")))
        except (KeyError, TypeError, AttributeError) as error:
            raise MedHeartError(f"the request is not understood: {error!r}", code="bad_request") from error
        if request.priority not in {"interactive", "batch"}:
            raise MedHeartError(f"priority must be interactive or batch, got {request.priority!r}", code="bad_request")
        return request


def _image_ref(item: Any) -> ImageRef:
    meta = item.get("meta", {})
    if not isinstance(meta, dict):
        raise TypeError(f"meta must be an object, got {type(meta).__name__}")
    return ImageRef(str(item["digest"]), str(item.get("modality", "")), meta)


@dataclass(frozen=True)
class SegmentState:
    """How far a request is.

    Parameters
    ----------
    id : str
        Id of the request.
    state : str
        `queued`, `running`, `done`, `failed` or `cancelled`.
    position : int
        Requests before this one, the running one included; 0 when it runs or has ended.
    done, total : int
        Tiles done and in all; both 0 before the first.
    seconds_left : float or None
        Estimate while it runs.
    error : dict or None
        Of a failed or cancelled one.
    revision : int
        Grows with every change.
    """

    id: str
    state: State
    position: int = 0
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    error: dict[str, Any] | None = None
    revision: int = 0

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in {"done", "failed", "cancelled"}

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SegmentState:
        """Read the JSON form; unknown fields of a newer host are ignored."""
        return cls(**{name: data[name] for name in cls.__dataclass_fields__ if name in data})


def status_of(error: MedHeartError) -> int:
    """Return the HTTP status of an error."""
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 400)


def error_to_dict(error: MedHeartError) -> dict[str, Any]:
    """Return the JSON form of an error; without the server's folders, which are for its log."""
    return without_paths({**error.to_dict(), "kind": type(error).__name__})


def error_from_dict(data: Mapping[str, Any]) -> MedHeartError:
    """Return the error that `error_to_dict` wrote, of the same class."""
    details = {key: value for key, value in data.items() if key not in {"code", "message", "kind"}}
    kind = getattr(errors, str(data.get("kind")), MedHeartError)
    if not (isinstance(kind, type) and issubclass(kind, MedHeartError)) or issubclass(kind, errors.ImageRejected):
        kind = MedHeartError
    return kind(str(data.get("message", "unknown error")), code=data.get("code"), **details)
