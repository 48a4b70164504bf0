"""Start the processes of an installation, wait until they answer, and stop them again.

One thread owns the children: the one that called `Supervisor.start`; it may `poll` and must `stop`.
Children run in sessions of their own, so that Ctrl-C reaches the supervisor only, which then ends
them in the reverse order of their start. Each writes its output to `MEDHEART_HOME/logs/<name>.log`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

from medheart.errors import Unavailable
from medheart.settings import Settings
from medheart_work.readiness import PARTS, Part, is_taken

__all__ = ["Supervisor", "parts_for", "settings_environment"]

_TAIL_LINES = 12
_STOP_S = 30.0
_REVIVALS = 8
_SETTLED_S = 600.0
"""A child that has lived for so long may be started again as often as a new one."""


@dataclass
class _Child:
    """A part that is waited for; `process` is None where somebody else has started it."""

    part: Part
    process: subprocess.Popen[bytes] | None
    log: Path
    started: float
    is_ready: bool = False
    revivals: int = 0

    @property
    def exit_code(self) -> int | None:
        """Exit code of what has ended."""
        return self.process.poll() if self.process else None


def parts_for(*, once: bool, studies: Path | None = None) -> tuple[Part, ...]:
    """Return what to start: all, or for one study only what it needs, as light as it gets.

    `studies` is a folder whose images the label server imports.
    """
    wanted = [part for part in PARTS if not once or part.name in ("host", "label", "service")]
    more = ("--monai-label", "demand") if once else ()
    if studies is not None:
        more = (*more, "--studies", str(studies.absolute()))
    return tuple(replace(part, arguments=(*part.arguments, *more)) if part.name == "label" else part for part in wanted)


def settings_environment(settings: Settings) -> dict[str, str]:
    """Return the environment that makes a child read the same settings."""
    values = {
        "HOME": settings.home,
        "HOST": settings.host,
        "LABEL_PORT": settings.label_port,
        "SERVICE_PORT": settings.service_port,
        "LANGUAGE": settings.language,
        "DEVICE": settings.device,
        "REQUIRE_LOGIN": int(settings.require_login),
    }
    return {f"MEDHEART_{name}": str(value) for name, value in values.items()}


@dataclass
class Supervisor:
    """The processes of one installation.

    Parameters
    ----------
    settings : Settings
        Ports, home and device.
    parts : tuple of Part
        What to start, in this order; by default all.
    deadline_s : float
        Seconds after which a child that does not answer counts as failed.
    """

    settings: Settings
    parts: tuple[Part, ...] = PARTS
    deadline_s: float = 180.0
    _children: list[_Child] = field(default_factory=list, init=False)

    def start(self, on_ready: Callable[[str, float], None] | None = None) -> None:
        """Start what does not run yet and return once all of it answers.

        Parameters
        ----------
        on_ready : callable, optional
            Called with a part's name and the seconds it took, as each becomes ready.

        Raises
        ------
        Unavailable
            If a port belongs to another program, or a child ends or does not answer in time; the
            message holds the end of its log. What was started is stopped again.
        """
        with ExitStack() as on_error:
            on_error.callback(self.stop)
            for part in self.parts:
                if not part.ready(self.settings):
                    self._children.append(self._spawn(part))
            self._wait(on_ready or (lambda _name, _seconds: None))
            on_error.pop_all()

    def poll(self) -> None:
        """Raise Unavailable if a child has ended."""
        for child in self._ended():
            raise Unavailable(self._post_mortem(child, f"ended with exit code {child.exit_code}"), part=child.part.name)

    def watch(self) -> list[str]:
        """Start again what has ended, eight times each in short order at most; return the names.

        Raises
        ------
        Unavailable
            If a child has ended once more; the message holds the end of its log.
        """
        revived = []
        for child in self._ended():
            revivals = 0 if time.monotonic() - child.started > _SETTLED_S else child.revivals
            if revivals >= _REVIVALS:
                self.poll()
            self._children.remove(child)
            self._children.append(replace(self._spawn(child.part), revivals=revivals + 1))
            revived.append(child.part.name)
        return revived

    def _ended(self) -> list[_Child]:
        """Return the children that have ended; one that made way for another's is forgotten instead."""
        ended = [child for child in self._children if child.exit_code is not None]
        for child in [child for child in ended if child.part.ready(self.settings)]:
            self._children.remove(child)
            ended.remove(child)
        return ended

    def stop(self) -> None:
        """End the children, last started first; kill those that do not end within 30 seconds."""
        running = [child.process for child in reversed(self._children) if child.process and child.exit_code is None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_S
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._children.clear()

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _spawn(self, part: Part) -> _Child:
        port = part.port(self.settings)
        log = self.settings.home / "logs" / f"{part.name}.log"
        if port is not None and is_taken(self.settings.host, port):
            setting = f"MEDHEART_{part.port_setting.upper()}"
            if part.serves_another(self.settings):
                raise Unavailable(
                    f"port {port} is that of the {part.title} of another MEDHEART_HOME than {self.settings.home}; "
                    f"end that one or choose another port by {setting}",
                    code="port_taken",
                    port=port,
                )
            if part.is_starting(self.settings):
                return _Child(part, None, log, time.monotonic())
            raise Unavailable(
                f"port {port} of the {part.title} is taken by another program; end it or choose another by {setting}",
                code="port_taken",
                port=port,
            )
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **settings_environment(self.settings), "MEDHEART_SUPERVISOR": str(os.getpid())}
        with log.open("ab") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "medheart_work.child", part.module, *part.arguments],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        return _Child(part, process, log, time.monotonic())

    def _wait(self, on_ready: Callable[[str, float], None]) -> None:
        while waiting := [child for child in self._children if not child.is_ready]:
            for child in waiting:
                seconds = time.monotonic() - child.started
                if child.part.ready(self.settings):
                    child.is_ready = True
                    on_ready(child.part.name, seconds)
                elif seconds > self.deadline_s:
                    raise Unavailable(
                        self._post_mortem(child, f"does not answer after {seconds:.0f} s"), part=child.part.name
                    )
            self.poll()
            time.sleep(0.1)

    def _post_mortem(self, child: _Child, what: str) -> str:
        if child.process is None:
            return f"the {child.part.title} that was started elsewhere {what}"
        lines = child.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
        return f"the {child.part.title} {what}; end of {child.log}:\n" + "\n".join(lines)
