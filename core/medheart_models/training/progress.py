"""How far a training is: one JSON object a line in a file, written by the training and read by who started it.

    {"stage": "training", "epoch": 3, "epochs": 10, "share": 0.25, "loss": 0.41, "dice": {"spleen": 0.9},
     "best_dice": 0.9, "best_epoch": 2, "seconds_left": 12.5, "started": 1.7e9, "at": 1.7e9, "text": ""}

Both ends import this file; it needs no torch.
"""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

__all__ = ["ProgressLog", "ProgressReader", "TrainingProgress", "mean_of"]

Stage = Literal["reading", "before", "training", "after"]
_EVERY_S = 0.5
_LINES = 20


@dataclass(frozen=True)
class TrainingProgress:
    """One line of the file.

    Parameters
    ----------
    stage : str
        `reading` cases, scoring `before`, `training`, scoring `after`.
    epoch, epochs : int
        The one under way, from 1 (0: none yet), and how many there will be.
    share : float
        Part of the epochs that is done, 0..1.
    loss : float or None
        Mean of this epoch so far; of the latest where none has begun.
    dice : dict of str to float or None
        By label, at the latest look on held-out cases; None for a label that no case shows.
    best_dice, best_epoch : float or None, int
        Highest mean over the labels at the looks during training, and after which epoch.
    seconds_left : float or None
        Estimate.
    started, at : float
        Seconds since the epoch: begin of the training, and of this line.
    text : str
        A line for people, where there is something to say.
    """

    stage: Stage = "reading"
    epoch: int = 0
    epochs: int = 0
    share: float = 0.0
    loss: float | None = None
    dice: dict[str, float | None] | None = None
    best_dice: float | None = None
    best_epoch: int = 0
    seconds_left: float | None = None
    started: float = 0.0
    at: float = 0.0
    text: str = ""

    @property
    def epochs_done(self) -> int:
        """Return how many epochs are over."""
        return math.floor(self.share * self.epochs + 1e-6)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serialisable dict."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TrainingProgress:
        """Read what `to_dict` wrote; keys it does not know are left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in data.items() if key in known})


def mean_of(dice: Mapping[str, float | None]) -> float | None:
    """Return the mean over the labels that have a value; None where none has."""
    values = [value for value in dice.values() if value is not None]
    return sum(values) / len(values) if values else None


class ProgressLog:
    """The writing side.

    Parameters
    ----------
    path : pathlib.Path or None
        The file, made anew; None writes nothing.
    epochs : int
        Of all phases together.
    clock : callable
        Seconds since the epoch.
    """

    def __init__(self, path: Path | None, *, epochs: int, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._scoring_s = 0.0
        self._stage_since = clock()
        self._training_since: float | None = None
        self._losses: list[float] = []
        self._now = TrainingProgress(epochs=epochs, started=clock())
        if path is not None:
            path.write_text("", encoding="utf-8")

    def begin(self, stage: Stage, text: str) -> None:
        """Say that a stage begins."""
        now = self._clock()
        if self._now.stage == "before":
            self._scoring_s = now - self._stage_since
        self._stage_since = now
        if stage == "training" and self._training_since is None:
            self._training_since = now
        left = self._scoring_s if stage == "after" else None
        self._write(replace(self._now, stage=stage, seconds_left=left, text=text))

    def steps_of_phase(self, *, before: int, epochs: int) -> Callable[[int, int, float], None]:
        """Return what the loop calls after each step with (step from 1, steps of the phase, loss).

        Parameters
        ----------
        before : int
            Epochs of earlier phases.
        epochs : int
            Epochs of this phase.
        """

        def after_step(step: int, steps: int, loss: float) -> None:
            """Tell the step."""
            in_epoch = (step - 1) % (steps // epochs)
            if in_epoch == 0:
                self._losses.clear()
            self._losses.append(loss)
            done = before + epochs * step / steps
            mean = sum(self._losses) / len(self._losses)
            epoch = before + 1 + (step - 1) // (steps // epochs)
            over = in_epoch == steps // epochs - 1
            if not over and self._clock() - self._now.at < _EVERY_S:
                return
            share = done / self._now.epochs
            text = f"epoch {epoch}/{self._now.epochs}  loss {mean:.4f}" if over else ""
            left = self._seconds_left(share)
            self._write(replace(self._now, epoch=epoch, share=share, loss=mean, seconds_left=left, text=text))

        return after_step

    def look(self, dice: Mapping[str, float | None], *, epoch: int) -> None:
        """Say how well the network does after an epoch (0: before training), by label."""
        mean, best = mean_of(dice), self._now.best_dice
        if self._now.stage == "training" and mean is not None and (best is None or mean > best):
            self._now = replace(self._now, best_dice=mean, best_epoch=epoch)
        shown = "  ".join(f"{name} {'-' if value is None else f'{value:.3f}'}" for name, value in dice.items())
        self._write(replace(self._now, dice=dict(dice), text=f"epoch {epoch}/{self._now.epochs}  Dice {shown}"))

    def _seconds_left(self, share: float) -> float | None:
        if self._training_since is None or share <= 0:
            return None
        return (self._clock() - self._training_since) / share * (1 - share) + self._scoring_s

    def _write(self, progress: TrainingProgress) -> None:
        self._now = replace(progress, at=self._clock())
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(self._now.to_dict(), allow_nan=False) + "\n")


class ProgressReader:
    """The reading side: the latest line of the file, and the latest 20 texts for people.

    Parameters
    ----------
    path : pathlib.Path
        The file; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.latest = TrainingProgress()
        self.lines: deque[str] = deque(maxlen=_LINES)

    def read(self) -> bool:
        """Take in what is new; return whether anything was. A line that is not whole waits."""
        if not self._path.is_file():
            return False
        with self._path.open("rb") as stream:
            stream.seek(self._offset)
            whole, newline, _ = stream.read().rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        for line in whole.splitlines():
            self.latest = TrainingProgress.from_dict(json.loads(line))
            if self.latest.text:
                self.lines.append(self.latest.text)
        return bool(newline)
