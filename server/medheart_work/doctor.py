"""Is this installation whole: what was looked at, whether it is well, and what to do where it is not."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import sys
import tomllib
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from packaging.requirements import Requirement

from medheart.errors import MedHeartError
from medheart.home import make_home
from medheart.settings import Settings
from medheart_work.readiness import PARTS, is_taken

if TYPE_CHECKING:
    from medheart_store import Store

__all__ = ["Finding", "examine"]

Verdict = Literal["ok", "warning", "missing"]

_PYTHONS = ((3, 11), (3, 12))
_FREE_BYTES = 5 << 30
_OTHERS = 0o007
_EXTRAS = ("cli", "models", "labeling", "service")
_SAMPLE = 20
_SOCKET_BYTES = 107
_SERVICES = Path(__file__).with_name("services.toml")
_CHECKOUT = Path(__file__).resolve().parents[2]


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


def examine(settings: Settings, *, language: str = "en", whole: bool = False, clean: bool = False) -> Iterator[Finding]:
    """Look at everything, one finding after another; a check that fails becomes a finding.

    Parameters
    ----------
    settings : Settings
        Of the installation.
    language : str
        `en` or `zh`: language of the findings.
    whole : bool
        Read every object of the store, not some.
    clean : bool
        Delete what crashes left in the store and nothing names, and say what it was.
    """
    examination = _Examination(settings, language)
    store = [*(["whole_store"] if whole else ["store"]), *(["clean_store"] if clean else [])]
    for name in ("python", "packages", "home", "disk", "networks", "device", "processes", *store, "fonts", "services"):
        try:
            yield from getattr(examination, name)()
        except (MedHeartError, OSError, ImportError) as error:
            what = f"{type(error).__name__}: {error}"
            yield examination.found(name, "missing", "is_there", remedy="see_message", what=what)


@cache
def _texts() -> dict[str, dict[str, str]]:
    return tomllib.loads(Path(__file__).with_name("doctor_texts.toml").read_text(encoding="utf-8"))


class _Examination:
    """The checks, each a generator of findings in one language."""

    def __init__(self, settings: Settings, language: str) -> None:
        self._settings = settings
        self._language = language

    def found(self, name: str, verdict: Verdict, message: str, *, remedy: str = "", **values: Any) -> Finding:
        """Return a finding; name, message and remedy are keys of the texts, `values` fills them in."""
        say = [_texts()[key][self._language].format(**values) if key else "" for key in (name, message, remedy)]
        return Finding(say[0], verdict, say[1], say[2])

    def python(self) -> Iterator[Finding]:
        version = ".".join(map(str, sys.version_info[:3]))
        if sys.version_info[:2] in _PYTHONS:
            yield self.found("python", "ok", "is_there", what=version)
        else:
            yield self.found("python", "missing", "is_there", what=version, remedy="use_python")

    def packages(self) -> Iterator[Finding]:
        for extra in _EXTRAS:
            absent = ", ".join(sorted(str(need) for need in _needs(extra) if not _is_there(need)))
            if absent:
                yield self.found("packages", "missing", "is_there", remedy="install", what=absent, extra=extra)
            else:
                yield self.found("packages", "ok", "all_there", extra=extra)

    def home(self) -> Iterator[Finding]:
        home, socket = self._settings.home, self._settings.host_socket
        make_home(self._settings)
        if os.access(home, os.W_OK):
            yield self.found("home", "ok", "is_there", what=home)
        else:
            yield self.found("home", "missing", "not_writable", remedy="set_home", path=home)
        if home.stat().st_mode & _OTHERS:
            yield self.found("home", "warning", "open_to_others", remedy="close_home", path=home)
        length = len(os.fsencode(socket))
        if length > _SOCKET_BYTES:
            yield self.found("socket", "missing", "long_socket", remedy="shorter_home", path=socket, bytes=length)

    def disk(self) -> Iterator[Finding]:
        free = shutil.disk_usage(self._settings.home).free
        values: dict[str, Any] = {"gib": free / (1 << 30), "path": self._settings.home}
        if free > _FREE_BYTES:
            yield self.found("disk", "ok", "free", **values)
        else:
            yield self.found("disk", "warning", "free", remedy="free_space", **values)

    def networks(self) -> Iterator[Finding]:
        from medheart_models.exports import exported_network
        from medheart_models.tasks import load_task, task_ids, weights_path

        for task_id in task_ids():
            task = load_task(task_id)
            try:
                weights_path(task)
                exported_network(task, self._settings)
            except MedHeartError as error:
                yield self.found("network", "missing", "is_there", remedy="export", task=task_id, what=error.message)
            else:
                yield self.found("network", "ok", "is_there", task=task_id, what=f"{task.origin}, {task.status}")

    def device(self) -> Iterator[Finding]:
        has_gpu = Path("/dev/nvidiactl").exists() or Path("/dev/nvidia0").exists()
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        if self._settings.device == "cuda" and not has_gpu:
            yield self.found("device", "missing", "no_gpu_for_cuda", remedy="other_device")
        else:
            yield self.found("device", "ok", "gpu" if has_gpu else "no_gpu", cores=cores)

    def processes(self) -> Iterator[Finding]:
        for part in PARTS:
            port = part.port(self._settings)
            if part.ready(self._settings):
                yield self.found(part.name, "ok", "answers_on" if port else "answers", port=port)
            elif port is not None and is_taken(self._settings.host, port):
                setting = f"MEDHEART_{part.port_setting.upper()}"
                yield self.found(part.name, "missing", "taken", remedy="end_it", port=port, setting=setting)
            else:
                yield self.found(part.name, "ok", "not_running_on" if port else "not_running", port=port)

    def store(self) -> Iterator[Finding]:
        """Read some versions and images back; the store compares every digest."""
        with self._store() as store:
            if store is None:
                yield self.found("store", "ok", "none_yet")
                return
            images = [series.id for study in store.studies() for series in study.series][:_SAMPLE]
            versions = [version.id for image in images for version in store.versions(image)][:_SAMPLE]
            for image in images:
                store.volume(image)
            for version in versions:
                store.labels(version)
        yield self.found("store", "ok", "read_back", images=len(images), versions=len(versions))

    def whole_store(self) -> Iterator[Finding]:
        """Read everything that a record names."""
        with self._store() as store:
            damages = [] if store is None else store.verify()
        for damage in damages:
            yield self.found("store", "missing", "is_there", remedy="restore_store", what=damage)
        if not damages:
            yield self.found("store", "ok", "none_yet" if store is None else "whole")

    def clean_store(self) -> Iterator[Finding]:
        """Delete what nothing names and is old."""
        with self._store() as store:
            removed = [] if store is None else store.collect_garbage()
        for key in removed:
            yield self.found("store", "ok", "removed", what=key)
        yield self.found("store", "ok", "cleaned", count=len(removed))

    @contextmanager
    def _store(self) -> Iterator[Store | None]:
        from medheart_store import Store

        if not (self._settings.store_dir / "store.sqlite").exists():
            yield None
            return
        with Store.open(self._settings.store_dir) as store:
            yield store

    def fonts(self) -> Iterator[Finding]:
        from medheart_reports.fonts import FONT_FILE

        if FONT_FILE.is_file():
            yield self.found("fonts", "ok", "is_there", what=FONT_FILE)
        else:
            yield self.found("fonts", "missing", "is_there", remedy="setup", what=FONT_FILE)

    def services(self) -> Iterator[Finding]:
        """Look for what `make services` installs and starts; only tests need it, so at most a warning."""
        started: Container[str] = ()
        try:
            started = _started()
        except MedHeartError as error:
            yield self.found("services", "warning", "is_there", remedy="start_all_services", what=error.message)
        for name, part in tomllib.loads(_SERVICES.read_text(encoding="utf-8")).items():
            port, values = part.get("port"), {"part": name, "port": part.get("port")}
            if port is not None and is_taken("127.0.0.1", port) and name in started:
                yield self.found("test_service", "ok", "answers_on", **values)
            elif port is not None and is_taken("127.0.0.1", port):
                yield self.found("test_service", "warning", "taken", remedy="end_program", **values)
            elif port is not None:
                yield self.found("test_service", "warning", "not_running", remedy="start_services", **values)
            elif (path := _find(part)) is not None:
                yield self.found("test_service", "ok", "is_there", what=path, **values)
            else:
                yield self.found("test_service", "warning", "absent", remedy="start_services", **values)


def _started() -> Container[str]:
    """Return the names of what `make services` says it started."""
    listing = Path(os.environ.get("MEDHEART_SERVICES_DIR", _CHECKOUT / ".services")) / "services.json"
    if not listing.exists():
        return set()
    try:
        return set(json.loads(listing.read_text(encoding="utf-8"))["services"])
    except (ValueError, KeyError, TypeError) as error:
        raise MedHeartError(f"{listing}: not what `make services` writes: {error!r}", code="bad_listing") from error


def _find(part: dict[str, Any]) -> Path | None:
    places = [_CHECKOUT / part["file"]] if "file" in part else map(shutil.which, part["programs"])
    return next((Path(place) for place in places if place and Path(place).exists()), None)


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
