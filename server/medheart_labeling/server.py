"""Runs the label server: checks where it may listen, logs, and hands the door to uvicorn."""

from __future__ import annotations

import logging
import logging.handlers
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn

from medheart.settings import Settings
from medheart_access import Access, check_binding, is_loopback
from medheart_labeling.door import make_door
from medheart_labeling.model_host import ModelHost
from medheart_labeling.startup import Startup, When
from medheart_labeling.studies import StudiesFolder

__all__ = ["ServeOptions", "serve"]

_LOG_BYTES = 10 << 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServeOptions:
    """How to serve.

    Parameters
    ----------
    tls_cert, tls_key : pathlib.Path, optional
        Certificate chain and key, PEM.
    behind_proxy : bool
        A proxy with TLS stands before the server; everybody must sign in then.
    model_host : bool
        Start a model host where none answers.
    monai_label : str
        When MONAI Label is loaded: `start` or `demand`.
    studies : pathlib.Path, optional
        Folder whose images are imported at the start.
    """

    tls_cert: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False
    model_host: bool = True
    monai_label: When = "start"
    studies: Path | None = None


def serve(settings: Settings, options: ServeOptions = ServeOptions()) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises
    ------
    AccessError
        If the address is not loopback and login or TLS is missing.
    MedHeartError
        If the folder of studies does not exist.
    """
    studies = StudiesFolder(settings, options.studies) if options.studies else None
    access = Access.open(settings, require_login=options.behind_proxy or not is_loopback(settings.host))
    check_binding(
        settings.host,
        can_sign_in=bool(access.keys.list()),
        tls=options.tls_cert is not None and options.tls_key is not None,
        behind_proxy=options.behind_proxy,
    )
    log = _log_to(settings.home / "logs" / "label-server.log")
    host = ModelHost(settings) if options.model_host else None
    startup = Startup(settings, host=host, monai_label=options.monai_label, studies=studies)
    check_host = is_loopback(settings.host) and not options.behind_proxy
    config = uvicorn.Config(
        make_door(startup, access, log=log, check_host=check_host),
        host=settings.host,
        port=settings.label_port,
        ssl_certfile=options.tls_cert,
        ssl_keyfile=options.tls_key,
        proxy_headers=options.behind_proxy,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=30,
    )
    try:
        _Server(config).run()
    finally:
        # A second signal leaves without the shutdown that would have ended it.
        if host is not None:
            host.stop()


class _Server(uvicorn.Server):
    """Uvicorn that ends with exit code 0 when it is asked to end."""

    def handle_exit(self, sig: int, _frame: FrameType | None) -> None:
        """Finish what runs at the first signal, leave at once at the second."""
        _log.info("%s", signal.Signals(sig).name)
        self.force_exit, self.should_exit = self.should_exit, True


def _log_to(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = logging.handlers.RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=3, encoding="utf-8")
    targets: list[logging.Handler] = [file, logging.StreamHandler(sys.stderr)]
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", handlers=targets, force=True
    )
    for chatty in ("dbos", "dicomweb_client", "httpcore", "httpx", "monailabel"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return path
