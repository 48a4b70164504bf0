"""A MedHeart service as the command line and other programs use it: what `--local` does, over REST.

Every method returns what the same work returns on the machine itself: files that the caller names are sent as a
bundle, results are written where the caller wants them, and paths in answers and messages are the caller's own.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from medheart.errors import MedHeartError
from medheart.records import Job
from medheart.service_http import ServiceConnection, Told, read_job
from medheart.wire.bundle import Layout, write_bundle
from medheart.wire.service import LABEL_FORMATS

__all__ = ["Service", "label_ending"]


class Service:
    """A MedHeart service.

    Parameters
    ----------
    url : str
        Address, e.g. `http://127.0.0.1:8080`.
    key : str, optional
        To sign in with, where the service asks for one.
    tell : callable, optional
        Gets what is being done, and done and total parts of it.

    Raises
    ------
    MedHeartError
        By every method: Unavailable if nothing answers, NotSignedIn, NotAllowed, NotFound, Conflict, Busy, JobError,
        Cancelled; `too_large` where files are more than the service takes.
    """

    def __init__(self, url: str, *, key: str | None = None, tell: Told | None = None) -> None:
        self._http = ServiceConnection(url, key=key)
        self._tell = tell or (lambda _words, _done, _total: None)

    @property
    def url(self) -> str:
        """Address of the service."""
        return self._http.url

    def tasks(self) -> list[dict[str, Any]]:
        """Return all tasks, as `Task.describe` does."""
        return list(self._http.get("/tasks")["tasks"])

    def task(self, task_id: str) -> dict[str, Any]:
        """Return a task."""
        return dict(self._http.get(f"/tasks/{_name(task_id)}"))

    def jobs(self, limit: int = 50) -> list[Job]:
        """Return the latest jobs, newest first."""
        return [read_job(job) for job in self._http.get("/jobs", limit=limit)["jobs"]]

    def versions(self, name: str | None = None) -> list[dict[str, Any]]:
        """Return the versions of a series, a study or everything."""
        return list(self._http.get("/versions", name=name)["versions"])

    def version(self, version: str) -> dict[str, Any]:
        """Return a version with its events and documents."""
        data = dict(self._http.get(f"/versions/{_name(version)}"))
        del data["names"]
        return data

    def diff(self, older: str, newer: str) -> dict[str, Any]:
        """Return what differs between two versions."""
        return dict(self._http.get(f"/versions/{_name(older)}/diff/{_name(newer)}"))

    def restore(self, version: str, note: str) -> dict[str, Any]:
        """Make a new head with the content of an older version, by whom the key names, and return it."""
        return dict(self._http.post(f"/versions/{_name(version)}/restore", {"note": note}))

    def mark(self, version: str, state: str) -> dict[str, Any]:
        """Give a version a state, by whom the key names, and return it with its events."""
        self._http.post(f"/versions/{_name(version)}/events", {"kind": "state", "value": state})
        return self.version(version)

    def label(self, version: str, path: Path) -> Path:
        """Write a version's label to a file; the ending selects the format, `.dcm` is a DICOM SEG."""
        address, ending = f"/versions/{_name(version)}/labels", label_ending(path)
        if ending != "dcm":
            return self._http.download(address, path, format=ending)
        job = self._http.run(address, tell=self._tell)
        return self._http.download(f"/documents/{_name(job.result['document'])}", path)

    def measure_version(self, version: str) -> dict[str, Any]:
        """Measure a version."""
        job = self._http.run(f"/versions/{_name(version)}/measurements", tell=self._tell)
        return dict(self._http.get(f"/documents/{_name(job.result['document'])}"))

    def report_version(self, version: str, folder: Path, *, language: str) -> list[Path]:
        """Write the report of a version, and its files into a folder."""
        job = self._http.run(f"/versions/{_name(version)}/report", tell=self._tell, lang=language)
        files = zip(("report.html", "report.pdf"), job.result["documents"], strict=True)
        return [self._http.download(f"/documents/{_name(document)}", folder / name) for name, document in files]

    def export(self, name: str, folder: Path) -> list[Path]:
        """Write labels, measurements and reports of a study, series or version into a folder."""
        return self._files(self._http.run(f"/exports/{_name(name)}", tell=self._tell), folder)

    def import_files(
        self, paths: Sequence[Path], *, choices: Sequence[str] = (), one_study: bool = False, dry_run: bool = False
    ) -> list[dict[str, Any]]:
        """Take files and folders into the store; return the answer to every case."""
        query = {"choice": list(choices), "one_study": one_study, "dry_run": dry_run}
        job, names = self._bundle("import", paths, query)
        return [{**case, "path": names(case["path"])} for case in job.result["cases"]]

    def measure_file(self, label: Path, image: Path | None = None, *, task: str | None = None) -> dict[str, Any]:
        """Measure a label file."""
        job, _ = self._bundle("measure", [label, image] if image else [label], {"task": task})
        with tempfile.TemporaryDirectory(prefix="medheart-") as folder:
            (file,) = self._files(job, Path(folder))
            data: dict[str, Any] = json.loads(file.read_bytes())
            return data

    def report_file(
        self, label: Path, image: Path | None, folder: Path, *, language: str, task: str | None = None
    ) -> list[Path]:
        """Write the report of a label file, with its image where there is one, into a folder."""
        job, _ = self._bundle("report", [label, image] if image else [label], {"task": task, "lang": language})
        return self._files(job, folder)

    def segment(
        self, images: Sequence[Path], named: Mapping[str, Path], output: Path, *, task: str | None, whole_folder: bool
    ) -> list[dict[str, Any]]:
        """Segment image files.

        Parameters
        ----------
        images : sequence of pathlib.Path
            Files and folders; where `whole_folder`, every image in them is a case.
        named : mapping of str to pathlib.Path
            Inputs by role, instead of `images`.
        output : pathlib.Path
            Label file, or folder where `whole_folder`.

        Returns
        -------
        list of dict
            One per case; a case of a folder that failed has `image` and `error`.
        """
        query = {"task": task, "role": list(named), "format": None if whole_folder else label_ending(output)}
        job, names = self._bundle("segment", list(named.values()) or images, query)
        if not whole_folder:
            self._files(job, output.parent, called=output.name)
            return [{**result, "path": str(output)} for result in job.result["results"]]
        self._files(job, output)
        return [_placed(result, output, names) for result in job.result["results"]]

    def evaluate(self, task: str, images: Sequence[Path], labels: Path) -> dict[str, Any]:
        """Score a task on labelled cases."""
        job, _ = self._bundle("evaluate", [*images, labels], {"task": task}, follow_links=True)
        return dict(job.result)

    def train(self, task: str, data: Path, *, epochs: int | None = None) -> dict[str, Any]:
        """Train a task's network on a folder of data; the weights stay with the service."""
        job, _ = self._bundle("train", [data], {"task": task, "epochs": epochs}, follow_links=True)
        return dict(job.result)

    def _bundle(
        self, word: str, paths: Sequence[Path], query: Mapping[str, Any], *, follow_links: bool = False
    ) -> tuple[Job, Callable[[str], str]]:
        """Send a bundle and follow its job; also return what turns names of the bundle into the caller's."""
        limit = int(self._http.get("/bundles")["max_bytes"])
        if query.get("task"):
            self.task(query["task"])
        with tempfile.TemporaryDirectory(prefix="medheart-") as folder:
            bundle = Path(folder) / "bundle.zip"
            layout = write_bundle(bundle, paths, follow_links=follow_links, limit_bytes=limit, tell=self._tell)
            names = _names(layout, paths)
            with _own_words(names):
                return self._http.run(f"/bundles/{word}", upload=bundle, tell=self._tell, **query), names

    def _files(self, job: Job, folder: Path, *, called: str = "") -> list[Path]:
        """Fetch the files of a job, or its one file as `called`; the service may then forget them."""
        address = f"/jobs/{_name(job.id)}/files"
        found = [
            self._http.download(f"{address}/{quote(name)}", folder / (called or _inner(name)))
            for name in job.result["files"]
        ]
        # The service forgets them after a day in any case.
        with suppress(MedHeartError):
            self._http.delete(address)
        return found


def _name(text: str) -> str:
    return quote(text, safe="")


def _inner(name: str) -> str:
    """Return the name of a file of a job; a service must not choose where else to write."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise MedHeartError(f"the service names a result {name!r}, which leads elsewhere", code="bad_reply")
    return name


def label_ending(path: Path) -> str:
    """Return the ending of a label file without its dot, the longest that there is.

    Raises
    ------
    MedHeartError
        `usage` if it is not the ending of a label file.
    """
    for ending in LABEL_FORMATS:
        if path.name.endswith(f".{ending}"):
            return ending
    expected = ", ".join(f".{ending}" for ending in LABEL_FORMATS)
    raise MedHeartError(f"{path}: a label file ends in one of {expected}", code="usage")


def _placed(result: dict[str, Any], home: Path, names: Callable[[str], str]) -> dict[str, Any]:
    if "error" not in result:
        return {**result, "path": str(home / result["path"])}
    error = {key: names(value) if isinstance(value, str) else value for key, value in result["error"].items()}
    return {"image": names(result["image"]), "error": error}


def _names(layout: Layout, paths: Sequence[Path]) -> Callable[[str], str]:
    """Return what puts the caller's paths where a text names arguments of the bundle."""

    def names(text: str) -> str:
        """Put the caller's paths where the service names its own."""
        for name, path in zip(layout.arguments, paths, strict=True):
            text = text.replace(name, str(path))
        return text

    return names


@contextmanager
def _own_words(names: Callable[[str], str]) -> Iterator[None]:
    try:
        yield
    except MedHeartError as error:
        raise type(error)(names(error.message), code=error.code, **error.details) from error
