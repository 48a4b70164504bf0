"""versitygw: a maintained S3 server over a plain folder."""

from __future__ import annotations

from scripts.services.http import ask
from scripts.services.place import TABLE, Place
from scripts.services.processes import Launch
from scripts.services.sources import build_go

__all__ = ["launch"]

_NAME = "versitygw"
_USER = "medheart"


def launch(place: Place) -> Launch:
    """Build it where it is missing, and say how to start it."""
    part = TABLE[_NAME]
    port = part["port"]
    binary = build_go(place, _NAME, part["module"], part["version"])
    data, versions = place.of(_NAME) / "data", place.of(_NAME) / "versions"
    for folder in (data, versions):
        folder.mkdir(exist_ok=True)
    return Launch(
        command=[
            str(binary), "--port", f"127.0.0.1:{port}", "--health", "/health",
            "posix", "--versioning-dir", str(versions), str(data),
        ],
        ports=(port,),
        ready=lambda: ask(port, "/health")[0] == 200,
        entry={"url": f"http://127.0.0.1:{port}", "user": _USER, "secret_file": str(place.secret_file(_NAME))},
        environment={"ROOT_ACCESS_KEY": _USER, "ROOT_SECRET_KEY": place.secret(_NAME)},
    )  # fmt: skip
