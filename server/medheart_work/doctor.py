"""Is this installation whole: what was looked at, whether it is well, and what to do where it is not."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from packaging.requirements import Requirement

from medheart.errors import MedHeartError
from medheart.settings import Settings
from medheart_work.readiness import PARTS, is_taken

__all__ = ["Finding", "examine"]

Verdict = Literal["ok", "warning", "missing"]

_PYTHONS = ((3, 11), (3, 12))
_FREE_BYTES = 5 << 30
_EXTRAS = ("cli", "models", "labeling", "service")
_SAMPLE = 20


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    name : str
        What.
    verdict : str
        `ok`; `warning` where work goes on without it; `missing` where it does not.
    message : str
        What was found.
    remedy : str
        What to do; empty where all is well.
    """

    name: str
    verdict: Verdict
    message: str
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serialisable dict."""
        return asdict(self)


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything, one finding after another; a check that fails becomes a finding."""
    checks: tuple[tuple[str, Callable[[Settings], Iterator[Finding]]], ...] = (
        ("python", _python),
        ("packages", _packages),
        ("home", _home),
        ("disk", _disk),
        ("networks", _networks),
        ("device", _device),
        ("processes", _processes),
        ("store", _store),
        ("fonts", _fonts),
    )
    for name, check in checks:
        try:
            yield from check(settings)
        except (MedHeartError, OSError, ImportError) as error:
            yield Finding(name, "missing", f"{type(error).__name__}: {error}", "see the message")


def _python(_settings: Settings) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    known = sys.version_info[:2] in _PYTHONS
    yield Finding("python", "ok" if known else "missing", version, "" if known else "use Python 3.11 or 3.12")


def _packages(_settings: Settings) -> Iterator[Finding]:
    for extra in _EXTRAS:
        absent = sorted(str(need) for need in _needs(extra) if not _is_there(need))
        if absent:
            yield Finding(
                f"packages for {extra}", "missing", ", ".join(absent), f"make setup, or pip install 'medheart[{extra}]'"
            )
        else:
            yield Finding(f"packages for {extra}", "ok", "all there")


def _needs(extra: str) -> Iterator[Requirement]:
    for line in importlib.metadata.requires("medheart") or ():
        need = Requirement(line)
        if need.marker is None or need.marker.evaluate({"extra": extra}):
            yield need


def _is_there(need: Requirement) -> bool:
    try:
        return need.specifier.contains(importlib.metadata.version(need.name), prereleases=True)
    except importlib.metadata.PackageNotFoundError:
        return False


def _home(settings: Settings) -> Iterator[Finding]:
    settings.home.mkdir(parents=True, exist_ok=True)
    if os.access(settings.home, os.W_OK):
        yield Finding("home", "ok", str(settings.home))
    else:
        yield Finding("home", "missing", f"{settings.home} is not writable", "set MEDHEART_HOME to a folder of yours")
    longest = len(os.fsencode(settings.host_socket))
    if longest > 107:
        yield Finding("socket", "missing", f"{settings.host_socket}: {longest} bytes", "choose a shorter MEDHEART_HOME")


def _disk(settings: Settings) -> Iterator[Finding]:
    free = shutil.disk_usage(settings.home).free
    text = f"{free / (1 << 30):.1f} GiB free under {settings.home}"
    yield Finding("disk", "ok", text) if free > _FREE_BYTES else Finding("disk", "warning", text, "free some space")


def _networks(settings: Settings) -> Iterator[Finding]:
    from medheart_models.exports import exported_network
    from medheart_models.tasks import load_task, task_ids, weights_path

    remedy = "python -m medheart_models.training.export (needs the extra models)"
    for task_id in task_ids():
        task = load_task(task_id)
        try:
            weights_path(task)
            exported_network(task, settings)
        except MedHeartError as error:
            yield Finding(f"network {task_id}", "missing", error.message, remedy)
        else:
            yield Finding(f"network {task_id}", "ok", f"{task.origin}, {task.status}")


def _device(settings: Settings) -> Iterator[Finding]:
    has_gpu = Path("/dev/nvidiactl").exists() or Path("/dev/nvidia0").exists()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if settings.device == "cuda" and not has_gpu:
        yield Finding(
            "device", "missing", "the setting asks for cuda, there is no NVIDIA device", "use device auto or cpu"
        )
    else:
        yield Finding(
            "device", "ok", f"{cores} cores, {'NVIDIA GPU' if has_gpu else 'no GPU; networks run on the CPU'}"
        )


def _processes(settings: Settings) -> Iterator[Finding]:
    for part in PARTS:
        port = part.port(settings)
        if part.ready(settings):
            yield Finding(part.title, "ok", "answers" + (f" on port {port}" if port else ""))
        elif port is not None and is_taken(settings.host, port):
            remedy = f"end it or set MEDHEART_{part.port_setting.upper()}"
            yield Finding(part.title, "missing", f"port {port} is taken by another program", remedy)
        else:
            yield Finding(part.title, "ok", "not running" + (f", port {port} is free" if port else ""))


def _store(settings: Settings) -> Iterator[Finding]:
    """Read some versions and images back; the store compares every digest."""
    from medheart_store import Store

    if not (settings.store_dir / "store.sqlite").exists():
        yield Finding("store", "ok", "none yet")
        return
    with Store.open(settings.store_dir) as store:
        images = [series.id for study in store.studies() for series in study.series][:_SAMPLE]
        versions = [version.id for image in images for version in store.versions(image)][:_SAMPLE]
        for image in images:
            store.volume(image)
        for version in versions:
            store.labels(version)
    yield Finding("store", "ok", f"{len(images)} images and {len(versions)} label versions read back whole")


def _fonts(_settings: Settings) -> Iterator[Finding]:
    from medheart_reports.fonts import FONT_FILE

    there = FONT_FILE.is_file()
    yield Finding("fonts", "ok" if there else "missing", str(FONT_FILE), "" if there else "make setup")
