"""Neo4j Community as a library with its bolt port open: a graph server for tests (GPLv3, shipped with nothing)."""

from __future__ import annotations

import socket

from scripts.services.place import ROOT, TABLE, Place
from scripts.services.processes import Launch
from scripts.services.sources import need_program, run_maven

__all__ = ["launch"]

_NAME = "neo4j"
_USER = "neo4j"
_MAIN = ROOT / "scripts/services/data/Neo4jServer.java"
_HELLO = bytes.fromhex("6060b017" + "00000405" + "00000005" + "00000004" + "00000003")
"""Bolt's magic and the four versions that we offer."""


def launch(place: Place) -> Launch:
    """Fetch its libraries where they are missing, and say how to start it."""
    part = TABLE[_NAME]
    java = need_program("java", "Java 17 or newer")
    folder, port = place.of(_NAME), part["port"]
    libraries = folder / part["version"]
    run_maven(
        place, _NAME, libraries,
        ["--file", str(_MAIN.with_name("neo4j-pom.xml")), f"-Dneo4j.version={part['version']}",
         "dependency:copy-dependencies", "-DoutputDirectory={target}", "-DincludeScope=runtime"],
    )  # fmt: skip
    return Launch(
        command=[java, "-Xmx768m", "-cp", f"{libraries}/*", str(_MAIN), str(folder / "home"), str(port)],
        ports=(port,),
        ready=lambda: _speaks_bolt(port),
        entry={"url": f"bolt://127.0.0.1:{port}", "user": _USER, "secret_file": str(place.secret_file(_NAME))},
        environment={"NEO4J_PASSWORD": place.secret(_NAME)},
        deadline_s=180,
    )


def _speaks_bolt(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(_HELLO)
            return connection.recv(4) not in (b"", bytes(4))
    except OSError:
        return False
