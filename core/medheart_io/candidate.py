"""What a scan says of one case before anything is imported."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from medheart.errors import ImageRejected, NeedsChoice
from medheart.geometry import Geometry
from medheart_io.boundary import readable

__all__ = ["Candidate", "Identity", "Status"]

Status = Literal["accepted", "needs_choice", "rejected"]


@dataclass(frozen=True)
class Identity:
    """Who the patient is, as the file says; never part of a `Volume`.

    Parameters
    ----------
    patient_id, issuer, name, birth_date, sex : str
        Empty where the file does not say. The name is decoded text, e.g. `王^小明`.
    """

    patient_id: str = ""
    issuer: str = ""
    name: str = ""
    birth_date: str = ""
    sex: str = ""

    @property
    def key(self) -> str:
        """Short digest that is equal for equal id, issuer, name and birth date; empty if nothing is known."""
        parts = (self.patient_id, self.issuer, self.name, self.birth_date)
        text = "\0".join(parts)
        return hashlib.sha256(text.encode()).hexdigest()[:12] if any(parts) else ""

    @property
    def title(self) -> str:
        """Name and id for a person to read; of several spellings the ideographic one, e.g. `王小明 (P-001)`."""
        spellings = self.name.split("=")
        words = [part for part in (spellings[1:2] or spellings)[0].split("^") if part]
        gap = " " if "".join(words).isascii() else ""
        return f"{gap.join(words) or '?'} ({self.patient_id or '?'})"


@dataclass(frozen=True)
class Candidate:
    """One image that could be imported, or the reason why not.

    Parameters
    ----------
    id : str
        Stable within the scanned folder; answers `NeedsChoice` of `several_series`.
    path : pathlib.Path
        The file, or the folder of the series.
    files : tuple of pathlib.Path
        Every file of the case.
    status, code, message
        `accepted` (message says why it was taken), `needs_choice`, `rejected`; code as in errors, `ok` if accepted.
    kind : str
        `volume`, `localizer`, `picture`, `segmentation`, `structures`, `report`, `other`.
    geometry : Geometry, optional
        Grid it would load with.
    modality, body_part, series_description : str
        As the file says.
    study_uid, series_uid, study_date, study_description, accession : str
        Keys of the study.
    identity : Identity
        The patient.
    choices : dict of str to str
        What `load` may be given, where `needs_choice`; names nobody.
    people : dict of str to str
        Who the patients are that some of `choices` stand for.
    warnings : tuple of str
        Codes of what a reader should know.
    skipped : tuple of str
        Names of files beside it that are no images.
    source : object
        What `load` reads.
    """

    id: str
    path: Path
    files: tuple[Path, ...]
    status: Status
    code: str = "ok"
    message: str = ""
    kind: str = "volume"
    geometry: Geometry | None = None
    modality: str = ""
    body_part: str = ""
    series_description: str = ""
    study_uid: str = ""
    series_uid: str = ""
    study_date: str = ""
    study_description: str = ""
    accession: str = ""
    identity: Identity = field(default_factory=Identity)
    choices: Mapping[str, str] = field(default_factory=dict)
    people: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    source: Any = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the public JSON form: no identity; `shape` and `spacing_mm` run (K, J, I)."""
        grid = self.geometry
        return {
            "path": readable(self.path),
            "status": self.status,
            "code": self.code,
            "message": readable(self.message),
            "kind": self.kind,
            "shape": list(grid.shape) if grid else None,
            "spacing_mm": [round(s, 6) for s in grid.spacing_kji] if grid else None,
            "orientation": grid.orientation if grid else None,
            "id": self.id,
            "modality": self.modality,
            "body_part": self.body_part,
            "series_description": self.series_description,
            "files": len(self.files),
            "choices": dict(self.choices),
            "warnings": list(self.warnings),
            "skipped": [readable(name) for name in self.skipped],
        }

    @property
    def named_choices(self) -> dict[str, str]:
        """`choices` with the patients' names: for a person at this machine, never for a reply or a record."""
        return {option: self.people.get(option, words) for option, words in self.choices.items()}

    def error(self) -> ImageRejected:
        """Return the exception that says the same."""
        if self.status == "needs_choice":
            return NeedsChoice(self.message, choices=dict(self.choices), code=self.code, path=str(self.path))
        return ImageRejected(self.message, code=self.code, path=str(self.path))
