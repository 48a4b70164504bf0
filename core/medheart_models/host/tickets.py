"""One request to the model host, from its arrival to its end."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from medheart import Volume
from medheart.errors import MedHeartError
from medheart.task import Task
from medheart.wire.host import Priority, SegmentState, State, error_to_dict
from medheart_models.predict import Prediction

__all__ = ["Ticket"]

_RANK = {"interactive": 0, "batch": 1}


@dataclass(eq=False)
class Ticket:
    """A request; orders as it is served. Everything below `client` is guarded by the scheduler's lock.

    Parameters
    ----------
    id : str
        Not guessable.
    number : int
        Counts arrivals.
    task, volumes, digests, priority, client
        What is asked for, by whom; `volumes` is emptied at the end.
    seen : float
        When the client last asked (monotonic seconds).
    cancel : str
        Why it shall end, empty if it shall not.
    """

    id: str
    number: int
    task: Task
    volumes: tuple[Volume, ...]
    digests: tuple[str, ...]
    priority: Priority
    client: str
    state: State = "queued"
    done: int = 0
    total: int = 0
    started: float = 0.0
    ended: float = 0.0
    seen: float = field(default_factory=time.monotonic)
    cancel: str = ""
    error: MedHeartError | None = None
    result: Prediction | None = None
    revision: int = 0

    def __lt__(self, other: Ticket) -> bool:
        return (_RANK[self.priority], self.number) < (_RANK[other.priority], other.number)

    @property
    def live(self) -> bool:
        """Whether it waits or runs."""
        return self.state in {"queued", "running"}

    @property
    def result_bytes(self) -> int:
        """Memory that its result takes."""
        return self.result.labels.array.nbytes if self.result else 0

    def change(self, **fields: Any) -> None:
        """Set fields and count the change."""
        for name, value in fields.items():
            setattr(self, name, value)
        self.revision += 1

    def snapshot(self, position: int) -> SegmentState:
        """Return what the client is told."""
        running = self.state == "running" and self.done > 0
        pace = (time.monotonic() - self.started) / self.done if running else 0.0
        return SegmentState(
            id=self.id,
            state=self.state,
            position=position,
            done=self.done,
            total=self.total,
            seconds_left=round(pace * (self.total - self.done), 2) if running else None,
            error=error_to_dict(self.error) if self.error else None,
            revision=self.revision,
        )
