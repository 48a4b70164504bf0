"""Which labels a training may see, and which cases are held out for good.

A patient stands on one side only: a digest of the patient's pseudonym decides, never the order of a list.
So nobody changes sides when cases are added, and what one round is scored on no other round has seen.
An image that came under several pseudonyms is not trained on where one of them is held out.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from medheart.errors import MedHeartError
from medheart.records import LabelVersion, Series, Study
from medheart.task import Task

__all__ = [
    "DEFAULT_SHARE",
    "HELD_OUT_AT_LEAST",
    "TRAINING_AT_LEAST",
    "LabelRecords",
    "LabelledCase",
    "check_enough",
    "hold_out_share",
    "keep_share",
    "select_cases",
    "side_of",
]

Side = Literal["training", "held_out"]
DEFAULT_SHARE = 0.2
TRAINING_AT_LEAST, HELD_OUT_AT_LEAST = 3, 1
_FIT = ("submitted", "approved")
_SHARE_FILE = "hold-out.json"


class LabelRecords(Protocol):
    """What is read of a store."""

    def studies(self) -> list[Study]:
        """Return all studies with their series."""

    def changed_images(self) -> tuple[set[str], tuple[int, int]]:
        """Return the images that have label versions, and a mark."""

    def versions(self, image: str) -> list[LabelVersion]:
        """Return all versions of an image, by number."""

    def head(self, image: str, *, schema_id: str) -> LabelVersion | None:
        """Return the head of an image's versions of one schema."""


@dataclass(frozen=True)
class LabelledCase:
    """A label version to train on or to score on; `patient` is the pseudonym."""

    version: str
    image: str
    study: str
    patient: str
    side: Side

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serialisable dict without the patient."""
        return {key: value for key, value in asdict(self).items() if key != "patient"}


def side_of(patient: str, share: float) -> Side:
    """Return the side of a patient; a larger share keeps all those that a smaller one holds out.

    Parameters
    ----------
    patient : str
        Pseudonym.
    share : float
        Part of the patients to hold out, 0..1.
    """
    digest = hashlib.sha256(f"hold-out\x00{patient}".encode()).digest()
    return "held_out" if int.from_bytes(digest[:8], "big") < share * 2**64 else "training"


def select_cases(
    records: LabelRecords, task: Task, *, share: float, without: Collection[str] = ()
) -> list[LabelledCase]:
    """Return the cases whose newest label of the task's schema is fit for training, by image id.

    The newest is the head where a person made or approved it, else the newest such branch; drafts, and
    what a model made and nobody approved, count for nothing. It is fit if it is submitted or approved.

    Parameters
    ----------
    records : LabelRecords
        The store.
    task : Task
        Its schema, and the modality of its first input.
    share : float
        Part of the patients to hold out.
    without : collection of str
        Ids of images and versions to leave out.
    """
    labelled, _ = records.changed_images()
    found: list[tuple[LabelledCase, str]] = []
    for study in records.studies():
        patient = study.patient or study.id
        for series in study.series:
            if series.id not in labelled or series.id in without or not _is_readable(series, task):
                continue
            version = _newest(records, series.id, task.schema_id, without)
            if version is not None and version.state in _FIT:
                case = LabelledCase(version.id, series.id, study.id, patient, side_of(patient, share))
                found.append((case, series.image_digest))
    held_out = {digest for case, digest in found if case.side == "held_out"}
    kept = [case for case, digest in found if case.side == "held_out" or digest not in held_out]
    return sorted(kept, key=lambda case: case.image)


def check_enough(cases: Sequence[LabelledCase], task: Task, *, share: float, left_out: Sequence[str] = ()) -> None:
    """Raise MedHeartError (`too_few_cases`) that says how many cases there are and how many are needed.

    `left_out` are the reasons why others could not be used.
    """
    training = sum(case.side == "training" for case in cases)
    held_out = len(cases) - training
    if training >= TRAINING_AT_LEAST and held_out >= HELD_OUT_AT_LEAST:
        return
    others = f"; {len(left_out)} more do not fit the task, the first because: {left_out[0]}" if left_out else ""
    raise MedHeartError(
        f"too few labelled cases for task {task.id!r}: {training} to train on and {held_out} held out "
        f"(of {len({case.patient for case in cases})} patients), needed are at least {TRAINING_AT_LEAST} and "
        f"{HELD_OUT_AT_LEAST}; labels count once submitted or approved, and the patient's id decides who is of the "
        f"{share:.0%} held out (val_split){others}",
        code="too_few_cases",
        training=training,
        held_out=held_out,
        needed={"training": TRAINING_AT_LEAST, "held_out": HELD_OUT_AT_LEAST},
    )


def hold_out_share(folder: Path, asked: float | None = None) -> float:
    """Return the part of the patients that is held out for a task.

    Parameters
    ----------
    folder : pathlib.Path
        Of the task's trainings. Its first training fixes the part for all that follow.
    asked : float, optional
        What is wished; 0.2 by default.

    Raises
    ------
    MedHeartError
        If another one is fixed (`hold_out_fixed`).
    """
    path = folder / _SHARE_FILE
    if not path.is_file():
        return DEFAULT_SHARE if asked is None else asked
    fixed = float(json.loads(path.read_text(encoding="utf-8"))["share"])
    if asked is not None and asked != fixed:
        raise MedHeartError(
            f"val_split is fixed at {fixed} since the first training, got {asked}: cases that were trained on must "
            "not be scored on later",
            code="hold_out_fixed",
            fixed=fixed,
        )
    return fixed


def keep_share(folder: Path, share: float) -> None:
    """Fix the part that is held out, unless one is fixed already."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f".{secrets.token_hex(4)}-{_SHARE_FILE}"
    fresh.write_text(json.dumps({"share": share}) + "\n", encoding="utf-8")
    try:
        os.link(fresh, folder / _SHARE_FILE)
    except FileExistsError:
        hold_out_share(folder, share)  # Raises where it is another one.
    finally:
        fresh.unlink()


def _is_readable(series: Series, task: Task) -> bool:
    return series.modality in {"", task.inputs[0].modality}


def _newest(records: LabelRecords, image: str, schema_id: str, without: Collection[str]) -> LabelVersion | None:
    found = [
        version
        for version in records.versions(image)
        if version.schema_id == schema_id and version.id not in without and _is_by_a_person(version)
    ]
    head = records.head(image, schema_id=schema_id)
    heads = [version for version in found if head is not None and version.id == head.id]
    return next(iter(heads or found[::-1]), None)


def _is_by_a_person(version: LabelVersion) -> bool:
    """Whether a person made the version and shows it to others, or approved what a model made."""
    return version.state != "draft" and (not version.automatic or version.state == "approved")
