"""PostgreSQL of the system's packages, with a cluster of its own; runs as `postgres` where we are root."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

from scripts.services.place import TABLE, CannotServe, Place
from scripts.services.processes import Launch, run
from scripts.services.sources import install_packages

__all__ = ["launch"]

_NAME = "postgresql"
_ACCOUNT = "postgres"
_OWNER = "medheart"


def launch(place: Place) -> Launch:
    """Install it where it is missing, make the cluster at the first call, and say how to start it."""
    programs = _programs(place)
    user = _ACCOUNT if os.geteuid() == 0 else None
    cluster = _home(place, user) / "cluster"
    if not (cluster / "PG_VERSION").exists():
        _make_cluster(place, programs, cluster, user)
    port = TABLE[_NAME]["port"]
    settings = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200"]
    options = [word for setting in settings for word in ("-c", setting)]
    return Launch(
        command=[str(programs / "postgres"), "-D", str(cluster), *options],
        ports=(port,),
        ready=lambda: _answers(programs, port),
        entry={
            "url": f"postgresql://127.0.0.1:{port}/postgres",
            "user": _OWNER,
            "secret_file": str(place.secret_file(_NAME)),
        },
        user=user,
        stop_signal=signal.SIGINT,  # Ends sessions that are open instead of waiting for them.
    )


def _programs(place: Place) -> Path:
    """Return the folder of initdb and postgres; Debian keeps them off PATH."""
    if (found := _find()) is None:
        install_packages(place, _NAME, TABLE[_NAME]["packages"])
        found = _find()
    if found is None:
        raise CannotServe("initdb was found neither on PATH nor under /usr/lib/postgresql")
    return found


def _find() -> Path | None:
    versions = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if versions:
        return max(versions, key=lambda path: float(path.parent.name))
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def _home(place: Place, user: str | None) -> Path:
    """Return a folder that the account owns; outside the checkout where it may not pass through that."""
    if user is None:
        return place.of(_NAME)
    account = pwd.getpwnam(user)
    path = place.folder / _NAME
    if not all(parent.stat().st_mode & 0o001 for parent in path.parents):
        path = Path(account.pw_dir) / f"medheart-{hashlib.sha256(bytes(place.folder)).hexdigest()[:12]}"
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, account.pw_uid, account.pw_gid)
    return path


def _make_cluster(place: Place, programs: Path, cluster: Path, user: str | None) -> None:
    password = cluster.parent / "password"
    place.write_private(password, place.secret(_NAME))
    options: dict[str, Any] = {}
    if user is not None:
        account = pwd.getpwnam(user)
        os.chown(password, account.pw_uid, account.pw_gid)
        options = {"user": user, "group": account.pw_gid, "extra_groups": []}
    shutil.rmtree(cluster, ignore_errors=True)  # What an interrupted initdb left.
    try:
        run(
            place, _NAME,
            [str(programs / "initdb"), "-D", str(cluster), "-U", _OWNER, "--auth=scram-sha-256", f"--pwfile={password}",
             "--encoding=UTF8", "--locale=C.UTF-8"],
            cwd="/", **options,
        )  # fmt: skip
    finally:
        password.unlink()


def _answers(programs: Path, port: int) -> bool:
    command = [str(programs / "pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={port}"]
    return subprocess.run(command, check=False).returncode == 0
