"""The host's one queue and its one inference thread.

Who owns what
    The inference thread owns the predictor: nobody else calls it. Web threads own nothing; they call
    `submit`, `state`, `result`, `cancel`.
Locks
    `_lock` guards the queue, the table of tickets and every changing field of a ticket. It is held for
    bookkeeping only, never during inference. `ImageStore`'s lock may be taken inside it, never the other
    way round. `on_change` is called without it.
Order
    Interactive requests before batch, each first come, first served. A batch request lets waiting
    interactive ones go first at every tile: they run on the same thread, inside its tile hook. An
    interactive request is never interrupted.
Ends
    A request ends by itself, by `cancel`, when its client has not asked for `abandoned_s`, or when the
    host stops; what runs then ends at its next tile. Results are kept until the client deletes them,
    within `results_limit`: the oldest go first.
"""

from __future__ import annotations

import heapq
import logging
import os
import secrets
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from medheart import Volume
from medheart.errors import Busy, Cancelled, Conflict, MedHeartError, NotFound, Unavailable
from medheart.task import Task
from medheart.wire.host import SegmentRequest, SegmentState, State
from medheart_models.host.images import ImageStore
from medheart_models.host.tickets import Ticket
from medheart_models.predict import Prediction

__all__ = ["Scheduler", "Segmenter"]

_NICENESS = 5
_ENDED_KEPT = 256
_FETCH_S = 2.0

log = logging.getLogger(__name__)


class Segmenter(Protocol):
    """What the scheduler needs of `medheart_models.predict.Predictor`."""

    def load(self, task: Task) -> Any:
        """Load the network of a task."""
        ...

    def segment(
        self,
        volumes: Sequence[Volume],
        task: Task,
        *,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Prediction:
        """Segment the images of one case."""
        ...


class Scheduler:
    """Bounded queue and inference thread.

    Parameters
    ----------
    predictor : Segmenter
        Called from the inference thread only.
    images : ImageStore
        Where the requests' images lie.
    capacity : int
        Requests that may wait.
    results_limit : int
        Bytes of results that are kept.
    abandoned_s : float
        Seconds without a question from its client after which a request ends.
    warm : sequence of Task
        Tasks whose networks are loaded while nobody waits.
    on_change : callable
        Called after every change of any request, from any thread; must return at once.
    """

    def __init__(
        self,
        predictor: Segmenter,
        images: ImageStore,
        *,
        capacity: int = 16,
        results_limit: int = 1 << 28,
        abandoned_s: float = 30.0,
        warm: Sequence[Task] = (),
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.on_change = on_change
        self._predictor = predictor
        self._images = images
        self._capacity = capacity
        self._results_limit = results_limit
        self._abandoned_s = abandoned_s
        self._warm = deque(warm)
        self._networks: dict[str, str] = {}
        self._lock = threading.Condition()
        self._queue: list[Ticket] = []
        self._running: list[Ticket] = []
        self._tickets: dict[str, Ticket] = {}
        self._count = 0
        self._durations: deque[float] = deque(maxlen=8)
        self._draining = False
        self._closed = False
        self._left = False
        self._thread = threading.Thread(target=self._work, name="inference", daemon=True)

    # What web threads call.

    def start(self) -> None:
        """Start the inference thread."""
        self._thread.start()

    def submit(self, request: SegmentRequest, task: Task) -> SegmentState:
        """Queue a request for `task`.

        Raises
        ------
        Busy
            If the queue is full; `retry_after_s` estimates when it is not.
        NotFound
            If an image is not held.
        Unavailable
            If the host is stopping.
        """
        digests = tuple(ref.digest for ref in request.inputs)
        with self._lock:
            if self._draining:
                raise Unavailable("the model host is stopping")
            self._end_abandoned()
            if len(self._queue) >= self._capacity:
                message = f"{len(self._queue)} requests are waiting, the queue is full"
                raise Busy(message, retry_after_s=self._retry_after_s())
            held = self._images.pin(digests)
            volumes = tuple(
                volume.restated(modality=ref.modality, meta=dict(ref.meta))
                for volume, ref in zip(held, request.inputs, strict=True)
            )
            self._count += 1
            ticket = Ticket(secrets.token_hex(8), self._count, task, volumes, digests, request.priority, request.client)
            self._tickets[ticket.id] = ticket
            heapq.heappush(self._queue, ticket)
            self._queue_changed()
            state = self._snapshot(ticket)
        self.on_change()
        return state

    def state(self, request_id: str) -> SegmentState:
        """Return how far a request is; asking keeps it alive. Raises NotFound."""
        with self._lock:
            ticket = self._find(request_id)
            ticket.seen = time.monotonic()
            return self._snapshot(ticket)

    def result(self, request_id: str) -> Prediction:
        """Return a result; raises Conflict (`not_done`) while, or because, there is none."""
        with self._lock:
            ticket = self._find(request_id)
            ticket.seen = time.monotonic()
            if ticket.result is None:
                raise Conflict(f"request {request_id} is {ticket.state}, it has no result", code="not_done")
            return ticket.result

    def cancel(self, request_id: str) -> None:
        """End a waiting or running request, forget an ended one. Raises NotFound."""
        with self._lock:
            ticket = self._find(request_id)
            if ticket.state == "running":
                ticket.cancel = "the client cancelled"
            elif ticket.state == "queued":
                self._queue.remove(ticket)
                heapq.heapify(self._queue)
                self._end(ticket, "cancelled", error=Cancelled("the client cancelled"))
            else:
                del self._tickets[request_id]
        self.on_change()

    def drain(self) -> None:
        """Take no new requests and end the waiting ones; what runs goes on."""
        with self._lock:
            self._draining = True
            while self._queue:
                self._end(heapq.heappop(self._queue), "failed", error=Unavailable("the model host is stopping"))
        self.on_change()

    def close(self, *, timeout_s: float = 10.0) -> None:
        """End everything, at the next tile, and the inference thread."""
        self.drain()
        with self._lock:
            self._closed = True
            for ticket in self._running:
                ticket.cancel = "the model host stopped"
            self._lock.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    @property
    def idle(self) -> bool:
        """Whether nothing runs, waits, or has just ended with a result that is still to be fetched."""
        now = time.monotonic()
        with self._lock:
            return not any(t.live or (t.result and now - t.ended < _FETCH_S) for t in self._tickets.values())

    @property
    def broken(self) -> bool:
        """Whether the inference thread ended though nobody closed it."""
        return self._left and not self._closed

    @property
    def draining(self) -> bool:
        """Whether no new requests are taken."""
        return self._draining

    def info(self) -> dict[str, Any]:
        """Return queue and networks for `/info`."""
        with self._lock:
            return {
                "queue": {
                    "waiting": len(self._queue),
                    "running": [f"{ticket.task.id} for {ticket.client or 'unnamed'}" for ticket in self._running],
                    "capacity": self._capacity,
                },
                "networks": dict(self._networks),
            }

    # What the inference thread does.

    def _work(self) -> None:
        try:
            _lower_priority()
            while not self._closed:
                ticket = self._take(wait=not self._warm)
                if ticket is not None:
                    self._run(ticket)
                elif self._warm:
                    self._load(self._warm.popleft())
        finally:
            self._leave()

    def _leave(self) -> None:
        """Let nobody wait for a thread that is gone, whatever ended it."""
        self._left = True  # first of all: who sees no more requests taken shall see why
        self.drain()
        with self._lock:
            while self._running:
                self._end(self._running.pop(), "failed", error=Unavailable("the model host stopped"))
        self.on_change()

    def _load(self, task: Task) -> None:
        try:
            outcome = str(self._predictor.load(task).device)
        except MedHeartError as error:
            outcome = error.message
            log.warning("%s", error.message)
        except Exception as unknown:  # the thread must outlive a network that cannot be loaded
            outcome = f"{type(unknown).__name__}: {unknown}"
            log.exception("the network of task %s cannot be loaded", task.id)
        with self._lock:
            self._networks[task.id] = outcome

    def _take(self, *, wait: bool = False, urgent: bool = False) -> Ticket | None:
        """Return the next request, marked as running; with `urgent`, only an interactive one."""
        with self._lock:
            while wait and not self._queue and not self._closed:
                self._lock.wait()
            self._end_abandoned()
            if not self._queue or self._closed or (urgent and self._queue[0].priority == "batch"):
                return None
            ticket = heapq.heappop(self._queue)
            ticket.change(state="running", started=time.monotonic())
            self._running.append(ticket)
            self._queue_changed()
            return ticket

    def _run(self, ticket: Ticket) -> None:
        result: Prediction | None = None
        error: MedHeartError | None = None
        state: State = "done"
        try:
            result = self._predictor.segment(
                ticket.volumes,
                ticket.task,
                progress=lambda done, total: self._progress(ticket, done, total),
                cancelled=lambda: self._between_tiles(ticket),
            )
        except Cancelled:
            if self._closed:
                error, state = Unavailable("the model host stopped"), "failed"
            else:
                error, state = Cancelled(ticket.cancel), "cancelled"
        except MedHeartError as known:
            # Who asked is told without the folders that the message may name.
            log.warning("request %s of task %s failed: %s", ticket.id, ticket.task.id, known.message)
            error, state = known, "failed"
        except Exception as unknown:  # the thread must outlive whatever one request does
            log.exception("request %s of task %s failed", ticket.id, ticket.task.id)
            what = f"task {ticket.task.id!r} failed: {type(unknown).__name__}: {unknown}"
            error, state = MedHeartError(what, code="inference_failed"), "failed"
        with self._lock:
            self._running.remove(ticket)
            self._end(ticket, state, result=result, error=error)
        self.on_change()

    def _progress(self, ticket: Ticket, done: int, total: int) -> None:
        with self._lock:
            ticket.change(done=done, total=total)
        self.on_change()

    def _between_tiles(self, ticket: Ticket) -> bool:
        """Serve waiting people first; return whether `ticket` shall end."""
        if ticket.priority == "batch":
            paused = time.monotonic()
            while (urgent := self._take(urgent=True)) is not None:
                self._run(urgent)
            ticket.started += time.monotonic() - paused
        with self._lock:
            if self._is_abandoned(ticket):
                ticket.cancel = "the client went away"
            return bool(ticket.cancel)

    # Bookkeeping, under the lock.

    def _find(self, request_id: str) -> Ticket:
        if request_id not in self._tickets:
            raise NotFound(f"no request {request_id!r}; it may have been forgotten", code="unknown_request")
        return self._tickets[request_id]

    def _snapshot(self, ticket: Ticket) -> SegmentState:
        ahead = sum(other < ticket for other in self._queue) + len(self._running)
        return ticket.snapshot(ahead if ticket.state == "queued" else 0)

    def _end_abandoned(self) -> None:
        """End the waiting requests whose clients went away, so that they take no room."""
        gone = [ticket for ticket in self._queue if self._is_abandoned(ticket)]
        if not gone:
            return
        self._queue = [ticket for ticket in self._queue if ticket not in gone]
        heapq.heapify(self._queue)
        for ticket in gone:
            self._end(ticket, "cancelled", error=Cancelled("the client went away"))

    def _is_abandoned(self, ticket: Ticket) -> bool:
        return time.monotonic() - ticket.seen > self._abandoned_s

    def _end(
        self, ticket: Ticket, state: State, *, result: Prediction | None = None, error: MedHeartError | None = None
    ) -> None:
        now = time.monotonic()
        if state == "done":
            self._durations.append(now - ticket.started)
        self._images.unpin(ticket.digests)
        ticket.change(state=state, result=result, error=error, ended=now, volumes=())
        self._forget_old()
        self._queue_changed()

    def _forget_old(self) -> None:
        ended = sorted((t for t in self._tickets.values() if not t.live), key=lambda t: t.ended)
        size = sum(ticket.result_bytes for ticket in ended)
        while len(ended) > 1 and (size > self._results_limit or len(ended) > _ENDED_KEPT):
            oldest = ended.pop(0)
            size -= oldest.result_bytes
            del self._tickets[oldest.id]

    def _queue_changed(self) -> None:
        """Count a change for every waiting request, whose position may be another, and wake the thread."""
        for ticket in self._queue:
            ticket.change()
        self._lock.notify_all()

    def _retry_after_s(self) -> int:
        mean = sum(self._durations) / len(self._durations) if self._durations else 5.0
        return max(1, min(60, round(mean)))


def _lower_priority() -> None:
    """Make this thread, and those that the engine starts from it, yield to web servers (Linux only)."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
