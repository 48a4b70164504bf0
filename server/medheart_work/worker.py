"""The job worker: `python -m medheart_work.worker`.

Registers what the service enqueues by name (`medheart.wire.service`). Each job works in steps whose
effects bear being done twice: imports and segmentations find what is there, documents are compared
before they are added, files are replaced whole. Networks are the model host's; this process holds none.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medheart.errors import Cancelled, JobError, MedHeartError
from medheart.home import write_privately
from medheart.settings import Settings
from medheart.wire import service as wire
from medheart.wire.paths import without_paths
from medheart_jobs import Jobs, Registry, cancelled, report_progress, run_step, run_worker
from medheart_models.training.progress import TrainingProgress
from medheart_store import Store
from medheart_work.bundles import register_bundles
from medheart_work.files import only_one, write_whole
from medheart_work.readiness import heartbeat
from medheart_work.sweeping import sweep

__all__ = ["main", "registry"]

_BEAT_S = 3.0
_TIDY_S = 3600.0
_ENDING_S = 40.0
_LOG = logging.getLogger(__name__)


def now() -> str:
    """Return the time, which a step keeps, so that a job that is done again writes the same report."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def registry(settings: Settings) -> Registry:
    """Return what a worker of this installation can do."""
    jobs = Registry()
    work = _Work(settings)
    jobs.job(wire.IMPORT)(work.import_upload)
    jobs.job(wire.SEGMENT)(work.segment)
    jobs.job(wire.MEASURE)(work.measure)
    jobs.job(wire.REPORT)(work.report)
    jobs.job(wire.DICOM_SEG)(work.dicom_seg)
    jobs.job(wire.TRAIN)(work.train)
    register_bundles(jobs, settings)
    return jobs


class _Work:
    """The jobs; every argument and result is JSON."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def import_upload(self, upload: str, sha256: str, choices: list[str], one_study: bool) -> dict[str, Any]:
        """Import the files of an upload, then forget the upload, however it ended."""

        def work() -> list[dict[str, Any]]:
            from medheart_work.importing import import_paths

            folder = self._upload_folder(upload)
            archives = sorted(folder.glob("*.zip"))
            with self._store() as store:
                cases = import_paths(
                    store,
                    self._settings,
                    archives or [folder],
                    choices=choices,
                    one_study=one_study,
                    progress=_tell,
                )
            return [{**case.to_dict(), "path": _inside(case.candidate.path, folder)} for case in cases]

        try:
            cases = run_step(work, name="import")
        finally:
            shutil.rmtree(self._settings.home / "uploads" / upload, ignore_errors=True)
        report_progress(len(cases), len(cases))
        return {"cases": cases, "sha256": sha256}

    def segment(self, studies: list[str], task: str | None, author: str) -> dict[str, Any]:
        """Segment, measure and report studies one by one; one that does not fit stops none of the others."""
        cases = []
        for n, study in enumerate(studies):
            report_progress(n, len(studies), study)
            cases.append(run_step(self._segment_one, study, task, author, len(studies) == 1, name=f"segment {study}"))
        report_progress(len(studies), len(studies))
        return {"cases": cases}

    def measure(self, version: str) -> dict[str, Any]:
        """Measure a version."""
        return {"document": run_step(self._measure_one, version, name="measure")}

    def report(self, version: str, language: str) -> dict[str, Any]:
        """Write the report of a version."""
        created: str = run_step(now, name="time")
        return {"documents": run_step(self._report_one, version, language, created, name="report")}

    def dicom_seg(self, version: str) -> dict[str, Any]:
        """Write the DICOM SEG of a version and keep it as a document of it."""
        return {"document": run_step(self._dicom_seg_one, version, name="dicom-seg")}

    def train(
        self, task: str, data: str | None = None, epochs: int | None = None, author: str = "", **options: Any
    ) -> dict[str, Any]:
        """Train a task's network in a process of its own, which a cancel ends.

        By its recipe on a folder of data, else further on the labels of the store (options of `Wish`).
        """
        from medheart_work.fine_tuning import Wish, fine_tune, new_run
        from medheart_work.training import train_in_child

        def by_recipe() -> dict[str, Any]:
            assert data is not None
            return train_in_child(
                self._settings, task, Path(data), epochs=epochs, cancelled=cancelled, follow=_follow_training
            )

        def on_labels(run: str) -> dict[str, Any]:
            wish = Wish(task, author, epochs, **{**options, "without": tuple(options.get("without", ()))})
            with self._store() as store:
                return fine_tune(store, self._settings, wish, run=run, cancelled=cancelled, follow=_follow_training)

        result: dict[str, Any] = (
            run_step(on_labels, run_step(new_run, name="run"), name="train")
            if data is None
            else run_step(by_recipe, name="train")
        )
        return result

    def _segment_one(self, study: str, task: str | None, author: str, alone: bool) -> dict[str, Any]:
        from medheart_work.segmenting import HostEngine, segment_study

        with self._store() as store:
            try:
                done = segment_study(
                    store,
                    HostEngine(self._settings),
                    study,
                    author=author,
                    task_id=task,
                    progress=(lambda done, total: report_progress(done, total, study)) if alone else None,
                    cancelled=cancelled,
                )
            except (Cancelled, JobError):
                raise
            except MedHeartError as error:
                _LOG.warning("study %s: %s", study, error.message)
                return {"study": study, "version": None, "error": without_paths(error.to_dict())}
            if done.version is not None:
                self._measure_one(done.version.id)
                self._report_one(done.version.id, self._settings.language or "en", done.version.created)
            refused = {name: [reason.to_dict() for reason in why] for name, why in done.choice.refused.items()}
            return {"study": study, "version": done.version.id if done.version else None, "refused": refused}

    def _measure_one(self, version: str) -> str:
        from medheart_work.measuring import measure_version, measured

        with self._store() as store:
            measure_version(store, version)
            document = measured(store, version)
            assert document is not None
            return document.id

    def _report_one(self, version: str, language: str, created: str) -> list[str]:
        from medheart_work.reporting import report_version

        with self._store() as store:
            report = report_version(store, version, language=language, created=created)
        return [document.id for document in report.documents]

    def _dicom_seg_one(self, version: str) -> str:
        from medheart_work.exporting import keep_dicom_seg

        with self._store() as store:
            return keep_dicom_seg(store, version).id

    @contextmanager
    def _store(self) -> Iterator[Store]:
        with Store.open(self._settings.store_dir) as store:
            yield store

    def _upload_folder(self, upload: str) -> Path:
        folder = self._settings.home / "uploads" / upload
        if not folder.is_dir():
            raise JobError(f"the upload {upload!r} is no longer there; send the files again", code="upload_gone")
        return folder


def _tell(message: str, done: int, total: int) -> None:
    report_progress(done, total, message)
    if cancelled():
        raise Cancelled("the job was cancelled")


def _follow_training(progress: TrainingProgress, lines: Sequence[str]) -> None:
    """Pass a training's progress on, with its latest lines."""
    report_progress(
        progress.epochs_done,
        progress.epochs,
        lines[-1] if lines else "",
        seconds_left=progress.seconds_left,
        details={"progress": progress.to_dict(), "lines": list(lines)},
    )


def _inside(path: Path, folder: Path) -> str:
    """Name a file of an upload by its place in it."""
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else path.name


def _beat(settings: Settings, stop: threading.Event) -> None:
    path = heartbeat(settings)
    while True:
        write_whole(path, str(os.getpid()).encode())
        if stop.wait(_BEAT_S):
            break
    path.unlink(missing_ok=True)


def _tidy(settings: Settings) -> None:
    """Clear away what no job needs; a worker that cannot do so goes on."""
    try:
        with Jobs(settings.jobs_url) as jobs:
            sweep(settings, jobs)
    except (MedHeartError, OSError) as error:
        _LOG.warning("nothing was cleared away: %s", error)


def _keep_tidy(settings: Settings, stop: threading.Event) -> None:
    while not stop.wait(_TIDY_S):
        _tidy(settings)


def _scratch_at_home(settings: Settings) -> None:
    """Let temporary files, images above all, lie in the home, where a start removes what a crash left of them."""
    scratch = settings.home / "tmp"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700, exist_ok=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)


def main() -> int:
    """Do jobs until SIGTERM or SIGINT; return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("dbos", "fontTools", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        settings = Settings.load()
        write_privately(settings)
        alive = heartbeat(settings)
        # A worker that was told to end has taken its heartbeat away, and may finish what it does.
        wait_s = 0.0 if alive.exists() else _ENDING_S
        with only_one(alive.with_name("worker.lock"), "job worker", wait_s=wait_s):
            _serve(settings)
    except MedHeartError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    return 0


def _serve(settings: Settings) -> None:
    stop = threading.Event()
    heart = threading.Thread(target=_beat, args=(settings, stop), name="heartbeat", daemon=True)
    heart.start()
    try:
        _scratch_at_home(settings)
        _tidy(settings)
        threading.Thread(target=_keep_tidy, args=(settings, stop), name="sweeper", daemon=True).start()
        run_worker(settings, registry(settings), stop=stop)
    finally:
        stop.set()
        heart.join(_BEAT_S * 2)


if __name__ == "__main__":
    sys.exit(main())
