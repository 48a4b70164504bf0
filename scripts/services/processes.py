"""Processes that outlive us: started in sessions of their own, ended by id and time of birth."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.services.place import CannotServe, Place

__all__ = ["Launch", "is_alive", "is_taken", "run", "start", "stop"]

_STOP_S = 30


@dataclass(frozen=True)
class Launch:
    """How a server is started and when it is ready.

    Parameters
    ----------
    command : list of str
        Stays in the foreground.
    ports : tuple of int
        On loopback; nobody else may hold them.
    ready : callable
        Whether the server answers, as itself and with our password where that can be asked cheaply.
    entry : dict
        What services.json says of it: `url`, `user`, `secret_file`, …
    environment : dict
        Beside our own.
    user : str, optional
        Account to run as.
    stop_signal : int
        Asks it to end.
    deadline_s : float
        For `ready`, on a slow machine.
    """

    command: list[str]
    ports: tuple[int, ...]
    ready: Callable[[], bool]
    entry: dict[str, Any]
    environment: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: int = signal.SIGTERM
    deadline_s: float = 60


def run(place: Place, name: str, command: list[str], **options: Any) -> None:
    """Run a command of an installation to its end; raises CannotServe with its last words."""
    log = place.log(name)
    with log.open("ab") as stream:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, check=False, **options)
    if done.returncode:
        raise CannotServe(f"{command[0]} ended with {done.returncode}: {_last_words(log)} (see {log})")


def start(place: Place, name: str, launch: Launch) -> dict[str, Any]:
    """Start a server, wait until it is ready, and return its entry for services.json."""
    for port in launch.ports:
        if is_taken(port):
            raise CannotServe(f"port {port} is taken by another program")
    log = place.log(name)
    with log.open("ab") as stream:
        process = subprocess.Popen(
            launch.command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, cwd="/", start_new_session=True,
            env={**os.environ, **launch.environment}, **_account(launch.user),
        )  # fmt: skip
    entry = {**launch.entry, "pid": process.pid, "born": _born(process.pid), "stop_signal": int(launch.stop_signal)}
    with ExitStack() as on_error:
        on_error.callback(process.wait)
        on_error.callback(stop, entry)
        _wait(process, launch, log)
        on_error.pop_all()
    return entry


def is_alive(entry: dict[str, Any]) -> bool:
    """Whether the very process of an entry still runs; another one with its recycled id does not count."""
    born = _born(entry["pid"])
    return born is not None and born == str(entry["born"])


def stop(entry: dict[str, Any]) -> bool:
    """End the process of an entry, its children with it where it does not end in time; return whether it ran."""
    if not is_alive(entry):
        return False
    os.kill(entry["pid"], entry["stop_signal"])
    deadline = time.monotonic() + _STOP_S
    while is_alive(entry):
        if time.monotonic() > deadline:
            os.killpg(entry["pid"], signal.SIGKILL)
        time.sleep(0.05)
    return True


def is_taken(port: int) -> bool:
    """Whether something listens on a port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(process: subprocess.Popen[bytes], launch: Launch, log: Path) -> None:
    deadline = time.monotonic() + launch.deadline_s
    while not launch.ready():
        if process.poll() is not None:
            raise CannotServe(f"ended at once with {process.returncode}: {_last_words(log)} (see {log})")
        if time.monotonic() > deadline:
            raise CannotServe(f"did not answer within {launch.deadline_s:.0f} s (see {log})")
        time.sleep(0.2)


def _account(user: str | None) -> dict[str, Any]:
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def _born(pid: int) -> str | None:
    """Return when a running process was born, in a form to compare; None where there is none."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self/stat").exists() else _born_by_ps(pid)
    return None if after_name[0] == "Z" else after_name[19]


def _born_by_ps(pid: int) -> str | None:
    done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def _last_words(log: Path) -> str:
    """Return the last line that is not of a Java stack trace."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    spoken = [line for line in lines if line and not line.startswith(("at ", "... "))]
    return spoken[-1][:300] if spoken else "it said nothing"
