"""Client of the model host; gives the same `Prediction` as running the task in process."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from medheart import LabelMap, LabelSchema, Volume
from medheart.errors import Cancelled, MedHeartError, NotFound, Unavailable
from medheart.wire import host as wire
from medheart.wire.frame import pack_frame, unpack_frame
from medheart_models.predict import Prediction
from medheart_models.reasons import Reason

__all__ = ["HostClient"]

_WAIT_S = 0.2
_TIMEOUT = httpx.Timeout(60, connect=5)
_UPLOADS = 3


class HostClient:
    """A connection to the model host; use it from one thread, or with one client a thread.

    Parameters
    ----------
    socket_path : pathlib.Path
        `Settings.host_socket`.
    name : str
        Who asks, for the host's log and `/info`.
    """

    def __init__(self, socket_path: Path, *, name: str = "") -> None:
        self._path = socket_path
        self._name = name
        # There is no TLS on a Unix socket: an empty context spares every request reading all certificates.
        transport = httpx.HTTPTransport(uds=str(socket_path), verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        self._http = httpx.Client(transport=transport, base_url="http://host", timeout=_TIMEOUT, trust_env=False)

    def __enter__(self) -> HostClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def info(self) -> dict[str, Any]:
        """Return tasks, networks, queue and memory of the host."""
        data: dict[str, Any] = self._call("GET", wire.PATH_INFO).json()
        return data

    def upload(self, volume: Volume) -> None:
        """Bring an image to the host, unless it holds it; `segment` does so by itself."""
        path = wire.PATH_IMAGE.format(digest=volume.digest)
        if self._call("HEAD", path, accept=(404,)).status_code == 404:
            parts = pack_frame(volume.array, volume.geometry)
            head = next(parts)
            size = len(head) + volume.array.nbytes
            self._call("PUT", path, content=chain([head], parts), headers={"Content-Length": str(size)})

    def segment(
        self,
        volumes: Sequence[Volume],
        task_id: str,
        *,
        progress: Callable[[wire.SegmentState], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        priority: wire.Priority = "interactive",
    ) -> Prediction:
        """Segment the images of one case.

        Parameters
        ----------
        volumes : sequence of Volume
            One per input, in the task's order.
        task_id : str
            Task.
        progress : callable, optional
            Called with a `SegmentState` (state, position, done, total, seconds_left) at every change.
        cancelled : callable, optional
            Asked five times a second and at every change; true cancels.
        priority : str
            `interactive` where a person waits, else `batch`.

        Returns
        -------
        Prediction
            As `medheart_models.predict.Predictor.segment` returns it.

        Raises
        ------
        Unavailable
            If the host does not answer; says how to start it.
        Busy
            If its queue is full; `details["retry_after_s"]`.
        Cancelled, TaskError, ModelError, NotFound
            As the host found.
        """
        refs = tuple(wire.ImageRef(volume.digest, volume.modality, volume.meta) for volume in volumes)
        state = self._submit(wire.SegmentRequest(task_id, refs, priority, self._name), volumes)
        try:
            self._follow(state, progress, cancelled)
            reply = self._call("GET", wire.PATH_RESULT.format(id=state.id))
        finally:
            self._forget(state.id)
        return _prediction(reply.content)

    def _submit(self, request: wire.SegmentRequest, volumes: Sequence[Volume]) -> wire.SegmentState:
        """Post the request, bringing images that the host does not hold (any more)."""
        for attempt in range(_UPLOADS + 1):
            try:
                return wire.SegmentState.from_dict(self._call("POST", wire.PATH_SEGMENT, json=request.to_dict()).json())
            except NotFound as error:
                if error.code != "unknown_image" or attempt == _UPLOADS:
                    raise
                for volume in (v for v in volumes if v.digest in error.details["missing"]):
                    self.upload(volume)
        raise AssertionError("the last attempt returns or raises")

    def _follow(
        self,
        state: wire.SegmentState,
        progress: Callable[[wire.SegmentState], None] | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        """Ask for the state until the request has ended well; the host answers at every change."""
        told = -1
        while not state.ended:
            if progress is not None and state.revision > told:
                progress(state)
                told = state.revision
            if cancelled is not None and cancelled():
                raise Cancelled("the segmentation was cancelled")
            query = {"after": state.revision, "wait": _WAIT_S}
            state = wire.SegmentState.from_dict(
                self._call("GET", wire.PATH_STATE.format(id=state.id), params=query).json()
            )
        if state.error is not None:
            raise wire.error_from_dict(state.error)
        if progress is not None:
            progress(state)

    def _forget(self, request_id: str) -> None:
        """Cancel or forget a request; a host that has gone has forgotten it."""
        with suppress(httpx.TransportError):
            self._http.delete(wire.PATH_STATE.format(id=request_id))

    def _call(self, method: str, path: str, *, accept: Sequence[int] = (), **options: Any) -> httpx.Response:
        try:
            reply = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise Unavailable(
                f"the model host does not answer on {self._path} ({error}); start it with "
                "`medheart serve` or `python -m medheart_models.host`"
            ) from error
        if reply.status_code >= 400 and reply.status_code not in accept:
            raise _error(reply)
        return reply


def _error(reply: httpx.Response) -> MedHeartError:
    try:
        return wire.error_from_dict(reply.json())
    except ValueError:
        return MedHeartError(f"the model host answered {reply.status_code} {reply.reason_phrase}", code="bad_reply")


def _prediction(content: bytes) -> Prediction:
    array, geometry, header = unpack_frame(content)
    return Prediction(
        labels=LabelMap(array, geometry, LabelSchema.from_dict(header["schema"])),
        task=header["task"],
        origin=header["origin"],
        status=header["status"],
        device=header["device"],
        seconds=header["seconds"],
        warnings=tuple(Reason.from_dict(item) for item in header["warnings"]),
    )
