"""What loads after the door is open: the model host, the backend, MONAI Label, in this order.

One thread loads; each part is a future that requests may wait for, for a bounded time. MONAI Label
takes about 15 s of CPU and comes last, or only once somebody asks for it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from starlette.types import ASGIApp

from medheart.errors import MedHeartError, Unavailable
from medheart.settings import Settings
from medheart.wire.service import installation
from medheart_labeling.model_host import ModelHost
from medheart_labeling.studies import StudiesFolder

if TYPE_CHECKING:
    from medheart_labeling.backend import Backend

__all__ = ["Startup", "When", "is_ready"]

_log = logging.getLogger(__name__)

When = Literal["start", "demand"]
_BACKEND_WAIT_S = 30.0
_STOCK_WAIT_S = 60.0
_HOST_WAIT_S = 30.0
_RETRY_S = 5.0
_POLL_S = 0.2
T = TypeVar("T")


class Startup:
    """Loads the parts and hands them out.

    Parameters
    ----------
    settings : Settings
        Of the installation.
    host : ModelHost, optional
        Started where none answers; None leaves that to others.
    monai_label : str
        When MONAI Label is loaded: right after the `start`, or on `demand`.
    studies : StudiesFolder, optional
        Imported once the backend is open.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        host: ModelHost | None,
        monai_label: When = "start",
        studies: StudiesFolder | None = None,
    ) -> None:
        self._settings = settings
        self._host = host
        self._studies = studies
        self._backend: Future[Backend] = Future()
        self._stock: Future[ASGIApp] = Future()
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        if monai_label == "start":
            self._wanted.set()
        self._thread = threading.Thread(target=self._load, name="startup", daemon=True)

    def begin(self) -> None:
        """Start loading."""
        self._thread.start()

    def end(self) -> None:
        """Close what was loaded and end the model host if it is ours."""
        self._stopping.set()
        self._wanted.set()
        if self._studies is not None:
            self._studies.stop()
        if self._backend.done() and self._backend.exception() is None:
            self._backend.result().close()
        if self._host is not None:
            self._host.stop()

    async def backend(self) -> Backend:
        """Return the backend; raises Unavailable if it is still loading after a while, or failed to load."""
        return await self._wait(self._backend, _BACKEND_WAIT_S, "the store")

    async def stock(self) -> ASGIApp:
        """Return MONAI Label's application; loads it if nobody asked before."""
        self._wanted.set()
        return await self._wait(self._stock, _STOCK_WAIT_S, "MONAI Label")

    async def model_host(self) -> None:
        """Return once the model host answers, if it is ours to start; one that died is started anew.

        Raises
        ------
        Unavailable
            If it does not answer after a while.
        """
        if self._host is None:
            return
        until = time.monotonic() + _HOST_WAIT_S
        while not await asyncio.to_thread(self._host.answers):
            await asyncio.to_thread(self._host.ensure)
            if time.monotonic() > until:
                raise Unavailable("the model host is still starting; ask again", code="loading", retry_after_s=_RETRY_S)
            await asyncio.sleep(_POLL_S)

    @property
    def installation(self) -> str:
        """Name of the home folder that is served, as the service says it."""
        return installation(self._settings.home)

    def state(self) -> dict[str, str]:
        """Return a word for each part: `ready`, `loading`, `failed`, `not loaded` or `not watched`.

        `studies` is a part where a folder is imported.
        """
        host = "not watched" if self._host is None else "ready" if self._host.answers() else "loading"
        stock = _word(self._stock) if self._wanted.is_set() else "not loaded"
        studies = {"studies": self._studies.state} if self._studies else {}
        return {"store": _word(self._backend), "model_host": host, "monai_label": stock, **studies}

    def _load(self) -> None:
        if self._host is not None:
            self._attempt("model host", self._host.ensure)
        _fill(self._backend, self._open_backend)
        if self._studies is not None and self._backend.exception() is None and not self._stopping.is_set():
            self._studies.begin(self._backend.result().notes)
        self._wanted.wait()
        if not self._stopping.is_set():
            _fill(self._stock, self._open_stock)

    def _open_backend(self) -> Backend:
        from medheart_labeling.backend import Backend

        return Backend.open(self._settings)

    def _open_stock(self) -> ASGIApp:
        from medheart_labeling.stock import load_stock

        return load_stock(self._backend.result())

    @staticmethod
    def _attempt(what: str, call: Callable[[], Any]) -> None:
        try:
            call()
        except (MedHeartError, OSError) as error:
            _log.error("%s: %s", what, error)

    @staticmethod
    async def _wait(future: Future[T], seconds: float, what: str) -> T:
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), seconds)
        except TimeoutError:
            raise Unavailable(f"{what} is still loading; ask again", code="loading", retry_after_s=_RETRY_S) from None


def is_ready(state: Mapping[str, str]) -> bool:
    """Whether labels and inference work; MONAI Label's own endpoints may still be loading."""
    return state["store"] == "ready" and state["model_host"] in {"ready", "not watched"}


def _word(future: Future[Any]) -> str:
    if not future.done():
        return "loading"
    return "failed" if future.exception() is not None else "ready"


def _fill(future: Future[T], call: Callable[[], T]) -> None:
    """Run `call` and keep its result or error in `future`, as an executor does."""
    try:
        future.set_result(call())
    except Exception as error:
        _log.exception("start-up failed")
        known = isinstance(error, MedHeartError)
        future.set_exception(error if known else Unavailable(f"start-up failed: {error!r}", code="startup"))
