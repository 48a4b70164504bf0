"""Keycloak in its development mode, with the realm of `data/medheart-realm.json`."""

from __future__ import annotations

import shutil
from pathlib import Path

from scripts.services.http import ask
from scripts.services.place import ROOT, TABLE, Place
from scripts.services.processes import Launch, run
from scripts.services.sources import need_program, run_maven

__all__ = ["launch"]

_NAME = "keycloak"
_USER = "admin"
_REALM = "medheart"


def launch(place: Place) -> Launch:
    """Fetch it where it is missing, and say how to start it."""
    part = TABLE[_NAME]
    need_program("java", "Java 17 or newer")
    artifact, port = part["artifact"], part["port"]
    version = artifact.split(":")[2]
    home = _unpacked(place, artifact, version)
    realms = home / "data" / "import"
    realms.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "scripts/services/data/medheart-realm.json", realms)
    issuer = f"http://127.0.0.1:{port}/realms/{_REALM}"
    return Launch(
        command=[
            "/bin/sh", str(home / "bin/kc.sh"), "start-dev", "--import-realm", "--http-host", "127.0.0.1",
            "--http-port", str(port), "--http-management-port", str(part["management_port"]),
        ],
        ports=(port,),
        ready=lambda: ask(port, f"/realms/{_REALM}/.well-known/openid-configuration")[0] == 200,
        entry={
            "url": f"http://127.0.0.1:{port}", "issuer": issuer, "client_id": "medheart",
            "user": _USER, "secret_file": str(place.secret_file(_NAME)),
        },
        environment={
            "KC_BOOTSTRAP_ADMIN_USERNAME": _USER,
            "KC_BOOTSTRAP_ADMIN_PASSWORD": place.secret(_NAME),
            "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx512m",
        },
        deadline_s=240,
    )  # fmt: skip


def _unpacked(place: Place, artifact: str, version: str) -> Path:
    """Return the folder of the distribution, fetched and unpacked once."""
    home = place.of(_NAME) / f"keycloak-{version}"
    if not home.exists():
        archive = place.of(_NAME) / f"archive-{version}"
        run_maven(place, _NAME, archive, ["dependency:copy", f"-Dartifact={artifact}", "-DoutputDirectory={target}"])
        partial = place.of(_NAME) / f"{version}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        # Not by Maven: its unpacking cuts long names.
        run(place, _NAME, ["tar", "-xzf", str(next(archive.glob("*.tar.gz"))), "-C", str(partial)])
        (partial / home.name).rename(home)
        shutil.rmtree(partial)
        shutil.rmtree(archive)
    return home
