"""Which labels a training may see, and which cases are held out for good.

A patient stands on one side only: a digest of the patient's pseudonym decides, never the order of a list.
So nobody changes sides when cases are added, and what one round is scored on no other round has seen.
An image that came under several pseudonyms is not trained on where one of them is held out, labelled or not.
What is held out is scored against labels that a person drew or edited: against what a model made, that
model would be perfect, however often somebody approved it.
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
    """A label version to train on or to score on.

    Parameters
    ----------
    version, image, study : str
        Ids.
    patient : str
        Pseudonym.
    side : str
        `training` or `held_out`.
    from_model : bool
        Whether it is what a model made, or comes from that.
    """

    version: str
    image: str
    study: str
    patient: str
    side: Side
    from_model: bool

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
    what a model made and nobody approved, count for nothing; nor, of a patient held out, does what was
    approved as a model made it. It is fit if it is submitted or approved.

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
    found: list[LabelledCase] = []
    sided = [(study, side_of(study.patient or study.id, share)) for study in records.studies()]
    held_out = {series.image_digest for study, side in sided if side == "held_out" for series in study.series}
    for study, side in sided:
        for series in study.series:
            if series.id not in labelled or series.id in without or not _is_readable(series, task):
                continue
            if side == "training" and series.image_digest in held_out:
                continue
            case = _case(records, series.id, study, side, task=task, without=without)
            if case is not None:
                found.append(case)
    return sorted(found, key=lambda case: case.image)


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
        f"{HELD_OUT_AT_LEAST}; labels count once submitted or approved (of those held out only what a person drew "
        f"or edited), and the patient's id decides who is of the {share:.0%} held out (val_split){others}",
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


def _case(
    records: LabelRecords, image: str, study: Study, side: Side, *, task: Task, without: Collection[str]
) -> LabelledCase | None:
    """Return the case of an image, None where no label is fit."""
    versions = records.versions(image)
    wanted = [one for one in versions if one.schema_id == task.schema_id and one.id not in without]
    version = _newest([one for one in wanted if _counts(one, side)], records.head(image, schema_id=task.schema_id))
    if version is None or version.state not in _FIT:
        return None
    patient = study.patient or study.id
    return LabelledCase(version.id, image, study.id, patient, side, _is_from_model(version, versions))


def _is_readable(series: Series, task: Task) -> bool:
    return series.modality in {"", task.inputs[0].modality}


def _newest(versions: Sequence[LabelVersion], head: LabelVersion | None) -> LabelVersion | None:
    heads = [version for version in versions if head is not None and version.id == head.id]
    return next(iter(heads or versions[::-1]), None)


def _counts(version: LabelVersion, side: Side) -> bool:
    """Whether a person made the version and shows it to others, or, to train on, approved what a model made."""
    approved = version.state == "approved" and side == "training"
    return version.state != "draft" and (not version.automatic or approved)


def _is_from_model(version: LabelVersion, versions: Sequence[LabelVersion]) -> bool:
    """Whether a version, or one of those of the image that it comes from, was made by a model."""
    known = {one.id: one for one in versions}
    seen, waiting = set[str](), [version.id]
    while waiting:
        one = known.get(waiting.pop())
        if one is None or one.id in seen:
            continue
        if one.automatic:
            return True
        seen.add(one.id)
        waiting += one.parents
    return False
