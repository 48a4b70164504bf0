"""Start the service: `python -m medheart_server`."""

from __future__ import annotations

import uvicorn

from medheart.home import write_privately
from medheart.settings import Settings
from medheart_server.app import create_app
from medheart_server.observing import log_as_json

__all__ = ["main"]


def main() -> None:
    """Serve until SIGTERM or SIGINT; requests that run have 30 seconds to end."""
    log_as_json()
    settings = Settings.load()
    write_privately(settings)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.service_port,
        access_log=False,
        server_header=False,
        # Senders could name any address in a header; the service stands behind no proxy.
        proxy_headers=False,
        log_config=None,
        timeout_graceful_shutdown=30,
    )


if __name__ == "__main__":
    main()
