"""Records of the work: studies, series, label versions, measurements, reports."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = [
    "Document",
    "Job",
    "JobState",
    "LabelVersion",
    "Measurement",
    "Series",
    "Study",
    "VersionEvent",
    "VersionState",
    "is_automatic",
]

JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
VersionState = Literal["draft", "submitted", "returned", "approved", "flagged"]


def is_automatic(origin: str) -> bool:
    """Whether an origin is a model's (`task@version`); a person's edit of it has another."""
    return "@" in origin


@dataclass(frozen=True)
class Series:
    """One image of a study.

    Parameters
    ----------
    id : str
        Our id, matches `[A-Za-z0-9_-]{1,64}`; also the image id of the label server.
    study : str
        Id of the study.
    modality, body_part, description : str
        As the image says, empty where it does not; free of identity.
    image_digest : str
        `Volume.digest`.
    geometry : dict
        `Geometry.to_dict()`.
    meta : dict
        `Volume.meta`.
    """

    id: str
    study: str
    modality: str
    body_part: str
    description: str
    image_digest: str
    geometry: dict[str, Any]
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """An examination of one patient: pseudonym, date (ISO, may be empty), series."""

    id: str
    patient: str
    date: str
    description: str
    series: tuple[Series, ...] = ()


@dataclass(frozen=True)
class LabelVersion:
    """An immutable label of one image.

    Parameters
    ----------
    id : str
        Unique id.
    image : str
        Id of the series that was labelled.
    number : int
        1, 2, 3 … within the image.
    image_digest : str
        Digest of the image the label was made on.
    parents : tuple of str
        None for a first version, one, or two for a merge.
    author : str
        Who made it.
    origin : str
        `manual`, `edited`, `imported`, or `task@version` of the model.
    schema_id : str
        Label schema.
    created : str
        ISO 8601 in UTC.
    counts : dict of int to int
        Voxels per label value.
    digest : str
        `LabelMap.digest`.
    state : str
        Latest state among the events.
    note : str
        Note given at creation.
    meta : dict
        What else the maker recorded: status of the task, seed, options, warnings.
    """

    id: str
    image: str
    number: int
    image_digest: str
    parents: tuple[str, ...]
    author: str
    origin: str
    schema_id: str
    created: str
    counts: dict[int, int]
    digest: str
    state: VersionState = "submitted"
    note: str = ""
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def automatic(self) -> bool:
        """Whether a model made it and nobody edited it."""
        return is_automatic(self.origin)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serialisable dict; counts keyed by decimal strings."""
        data = asdict(self)
        data["parents"] = list(self.parents)
        data["counts"] = {str(value): count for value, count in self.counts.items()}
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> LabelVersion:
        """Read what `to_dict` wrote."""
        counts = {int(value): int(count) for value, count in data["counts"].items()}
        return cls(**{**data, "parents": tuple(data["parents"]), "counts": counts})


@dataclass(frozen=True)
class VersionEvent:
    """Something said of a version afterwards; events are only ever appended."""

    version: str
    kind: Literal["state", "note"]
    value: str
    author: str
    created: str


@dataclass(frozen=True)
class Measurement:
    """One number with everything needed to trust it.

    Parameters
    ----------
    code : str
        Key of the quantity, e.g. `volume`, `max_diameter_3d`.
    value : float
        In `unit`.
    unit : str
        UCUM: `mm`, `mm2`, `mm3`, `mL`, `[hnsf'U]`, `1`.
    method : str
        How it was computed, e.g. `voxel-count`, `crofton-13`.
    digits : int
        Decimal places worth printing.
    points : tuple
        End points in LPS mm of what was measured, where it is a distance.
    source : str
        Id of the label version.
    """

    code: str
    value: float
    unit: str
    method: str
    digits: int = 1
    points: tuple[tuple[float, float, float], ...] = ()
    source: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serialisable dict."""
        return asdict(self)


@dataclass(frozen=True)
class Document:
    """A file made of a label version and kept with it: a report, a table of measurements.

    Parameters
    ----------
    id : str
        Unique id.
    version : str
        Id of the label version it speaks of.
    kind : str
        Stable word: `report`, `measurements`, …
    media_type : str
        E.g. `application/pdf`.
    sha256, size
        Digest and length in bytes of the content.
    created : str
        ISO 8601 in UTC.
    meta : dict
        JSON-serialisable facts, e.g. language.
    """

    id: str
    version: str
    kind: str
    media_type: str
    sha256: str
    size: int
    created: str
    meta: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serialisable dict."""
        return asdict(self)


@dataclass(frozen=True)
class Job:
    """A piece of work in the queue, being done, or done.

    Parameters
    ----------
    id : str
        Unique id; the idempotency key where one was given.
    name : str
        What is done, e.g. `segment`.
    state : str
        `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    position : int
        Jobs before it in the queue; 0 once it runs.
    done, total : int
        Progress: `done` of `total` parts; both 0 where nothing was reported yet.
    seconds_left : float or None
        Estimate from the parts done so far.
    message : str
        Latest word on the progress, for people.
    result : Any
        What the job returned (JSON), once it succeeded.
    error : str
        Why it failed, empty otherwise.
    error_code : str
        Code of the error that it failed with, where that was one of ours.
    created : str
        ISO 8601 in UTC.
    details : dict
        What jobs of this kind say of their progress beyond that (JSON).
    """

    id: str
    name: str
    state: JobState
    position: int = 0
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    message: str = ""
    result: Any = None
    error: str = ""
    created: str = ""
    error_code: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ("succeeded", "failed", "cancelled")

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serialisable dict."""
        return asdict(self)
