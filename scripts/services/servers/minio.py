"""MinIO, built from its last public commit: a second S3 server for tests, unmaintained, never for patient data."""

from __future__ import annotations

from scripts.services.http import ask
from scripts.services.place import TABLE, Place
from scripts.services.processes import Launch
from scripts.services.sources import build_go

__all__ = ["launch"]

_NAME = "minio"
_USER = "medheart"


def launch(place: Place) -> Launch:
    """Build it where it is missing, and say how to start it."""
    part = TABLE[_NAME]
    port, console = part["port"], part["console_port"]
    binary = build_go(place, _NAME, part["module"], part["version"])
    data = place.of(_NAME) / "data"
    addresses = ["--address", f"127.0.0.1:{port}", "--console-address", f"127.0.0.1:{console}"]
    return Launch(
        command=[str(binary), "server", str(data), *addresses],
        ports=(port, console),
        ready=lambda: ask(port, "/minio/health/ready")[0] == 200,
        entry={"url": f"http://127.0.0.1:{port}", "user": _USER, "secret_file": str(place.secret_file(_NAME))},
        environment={"MINIO_ROOT_USER": _USER, "MINIO_ROOT_PASSWORD": place.secret(_NAME), "MINIO_BROWSER": "off"},
    )
