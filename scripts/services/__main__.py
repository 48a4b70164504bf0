"""`make services` and `make services-stop`: install, start and end the real servers of the integration tests.

Needs a Python of its own only: no package of the project has to be installed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from scripts.services.place import ROOT, TABLE, CannotServe, Place
from scripts.services.processes import Launch, is_alive, run, start, stop
from scripts.services.servers import keycloak, minio, neo4j, orthanc, postgresql, versitygw
from scripts.services.sources import install_packages

_SERVERS: dict[str, Callable[[Place], Launch]] = {
    "postgresql": postgresql.launch,
    "minio": minio.launch,
    "versitygw": versitygw.launch,
    "orthanc": orthanc.launch,
    "keycloak": keycloak.launch,
    "neo4j": neo4j.launch,
}


def main(arguments: Sequence[str]) -> int:
    """Do what the words ask; return 0, or 1 where a part is not there in the end."""
    parser = argparse.ArgumentParser(prog="scripts.services", description=__doc__)
    parser.add_argument("action", choices=["start", "stop"])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all, or some of: {' '.join(TABLE)}")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.parts) - set(TABLE)):
        parser.error(f"unknown part {' '.join(unknown)}; there are {' '.join(TABLE)}")
    place = Place(Path(os.environ.get("MEDHEART_SERVICES_DIR", ROOT / ".services")))
    chosen = [name for name in TABLE if not options.parts or name in options.parts]
    with place.alone():
        return stop_all(place, chosen) if options.action == "stop" else start_all(place, chosen)


def start_all(place: Place, names: Sequence[str]) -> int:
    """Install and start parts, one after another; one that fails does not keep the others."""
    failed = []
    for name in names:
        begun = time.monotonic()
        try:
            what = serve(place, name) if name in _SERVERS else provide(place, name)
        except CannotServe as error:
            failed.append(name)
            what = f"NOT THERE: {error}"
        _say(f"{name:<15} {what} ({time.monotonic() - begun:.1f} s)")
    if failed:
        _say(f"not there: {' '.join(failed)}")
    return 1 if failed else 0


def stop_all(place: Place, names: Sequence[str]) -> int:
    """End the servers that we started; data, secrets and programs stay."""
    entries = place.entries()
    for name in reversed([name for name in names if name in _SERVERS and name in entries]):
        _say(f"{name:<15} {'ended' if stop(entries[name]) else 'did not run'}")
        place.record(name, None)
    return 0


def serve(place: Place, name: str) -> str:
    """Have a server run; return what to say of it."""
    entry = place.entries().get(name)
    launch = _SERVERS[name](place)
    if entry and is_alive(entry) and launch.ready():
        return f"runs at {entry['url']}"
    if entry:
        stop(entry)
        place.record(name, None)
    entry = start(place, name, launch)
    place.record(name, entry)
    return f"started at {entry['url']}"


def provide(place: Place, name: str) -> str:
    """Have a program installed; return what to say of it."""
    part = TABLE[name]
    if (path := find(part)) is None:
        if name == "slicer-core":
            run(place, name, ["make", part["file"]], cwd=ROOT)
        else:
            install_packages(place, name, part["packages"])
        path = find(part)
    if path is None:
        raise CannotServe(f"installed, yet {part.get('file') or part['programs'][0]} is not there")
    place.record(name, {"path": path})
    return path


def find(part: dict[str, Any]) -> str | None:
    """Return where a program or a file of a part is, or None."""
    if "file" in part:
        path = ROOT / part["file"]
        return str(path) if path.exists() else None
    return next(filter(None, map(shutil.which, part["programs"])), None)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
