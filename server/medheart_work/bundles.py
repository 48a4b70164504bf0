"""Jobs on files that a client sent as a bundle: what `--local` does, done here for somebody elsewhere.

Results that are files lie in `MEDHEART_HOME/results/<folder>` until who asked has fetched them, or for a day, see
`sweeping`.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medheart.errors import Cancelled, JobError, MedHeartError
from medheart.settings import Settings
from medheart.wire import service as wire
from medheart.wire.bundle import BUNDLE, place_bundle
from medheart.wire.paths import without_paths
from medheart_jobs import Registry, cancelled, report_progress, run_step
from medheart_store import Store
from medheart_work.files import write_whole

if TYPE_CHECKING:
    from medheart_work.segment_cases import Segmenting

__all__ = ["register_bundles"]


def register_bundles(jobs: Registry, settings: Settings) -> None:
    """Register the jobs on bundles, and the export, which leaves files, too."""
    work = _BundleWork(settings)
    jobs.job(wire.BUNDLE_IMPORT)(work.import_files)
    jobs.job(wire.BUNDLE_MEASURE)(work.measure)
    jobs.job(wire.BUNDLE_REPORT)(work.report)
    jobs.job(wire.BUNDLE_SEGMENT)(work.segment)
    jobs.job(wire.BUNDLE_EVALUATE)(work.evaluate)
    jobs.job(wire.BUNDLE_TRAIN)(work.train)
    jobs.job(wire.EXPORT)(work.export)


@dataclass(frozen=True)
class _Placed:
    """The arguments of a bundle as they lie on this machine, the folder above them, and that of what is done."""

    root: Path
    arguments: list[Path]
    done: Path

    def take(self, least: int, most: int | None = None) -> list[Path]:
        """Return the arguments if they are as many as the job reads."""
        number = len(self.arguments)
        if number < least or number > (most or number):
            wanted = f"{least}" if most == least else f"{least} to {most}" if most else f"at least {least}"
            raise JobError(f"the bundle names {number} files or folders, expected {wanted}", code="bad_bundle")
        return self.arguments

    def without_root(self, text: str) -> str:
        """Name things as the bundle's layout does, not by their place on this machine."""
        return text.replace(f"{self.root}/", "")

    def once(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return what a part of the job gives; where the job is done again after a crash, what it gave then."""
        kept = self.done / f"{name}.json"
        if not kept.is_file():
            write_whole(kept, self.without_root(json.dumps(work(), ensure_ascii=False)).encode())
        result: dict[str, Any] = json.loads(kept.read_bytes())
        return result


class _BundleWork:
    """The jobs; every argument and result is JSON."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def import_files(
        self, upload: str, sha256: str, choices: list[str], one_study: bool, dry_run: bool
    ) -> dict[str, Any]:
        """Import files and folders."""

        def work(placed: _Placed) -> dict[str, Any]:
            from medheart_work.importing import import_paths

            with Store.open(self._settings.store_dir) as store:
                cases = import_paths(
                    store,
                    self._settings,
                    placed.take(1),
                    choices=choices,
                    one_study=one_study,
                    dry_run=dry_run,
                    progress=_tell,
                )
            answers = [case.to_dict() for case in cases]
            return {"cases": [{**case, "path": placed.without_root(case["path"])} for case in answers]}

        return self._on(upload, sha256, "import", work)

    def measure(self, upload: str, sha256: str, task: str | None) -> dict[str, Any]:
        """Measure a label file."""

        def work(placed: _Placed) -> dict[str, Any]:
            from medheart_models.tasks import load_task
            from medheart_work.measuring import measure_file

            label, *image = placed.take(1, 2)
            table = measure_file(label, *image, schema_id=load_task(task).schema_id if task else None)
            return self._leave(upload, {"measurements.json": json.dumps(table.to_dict(), ensure_ascii=False).encode()})

        return self._on(upload, sha256, "measure", work)

    def report(self, upload: str, sha256: str, task: str | None, language: str) -> dict[str, Any]:
        """Write the report of a label file and its image."""

        def work(placed: _Placed) -> dict[str, Any]:
            from medheart_work.reporting import report_file

            label, *image = placed.take(1, 2)
            rendered = report_file(label, image[0] if image else None, task_id=task, language=language)
            return self._leave(upload, {f"report.{ending}": data for ending, data in rendered.items()})

        return self._on(upload, sha256, "report", work)

    def segment(
        self, upload: str, sha256: str, task: str | None, roles: list[str], ending: str | None
    ) -> dict[str, Any]:
        """Segment images into a label file, or every image into one of its own."""

        def work(placed: _Placed) -> dict[str, Any]:
            from medheart_work.segment_cases import Segmenting
            from medheart_work.segmenting import HostEngine

            run = Segmenting(HostEngine(self._settings), progress=_tell)
            if ending is None:
                folder, results = self._segment_all(run, placed, upload, task)
            else:
                folder = self._results(upload)
                images = placed.take(len(roles) or 1, len(roles) or None)
                named = dict(zip(roles, images, strict=True)) if roles else {}
                images = [] if named else images
                results = [run(images, named, task, folder / f"label.{ending}")]
            named_shortly = placed.without_root(json.dumps(results, ensure_ascii=False)).replace(f"{folder}/", "")
            plain = json.loads(named_shortly)
            for one in plain:
                if "error" in one:
                    one["error"] = without_paths(one["error"])
            return {"folder": upload, "files": [one["path"] for one in plain if "path" in one], "results": plain}

        return self._on(upload, sha256, "segment", work)

    def _segment_all(
        self, run: Segmenting, placed: _Placed, upload: str, task: str | None
    ) -> tuple[Path, list[dict[str, Any]]]:
        """Segment every image as a case; after a crash only those that were not done."""
        from medheart_work.segment_cases import segment_cases

        folder = self._results(upload, emptied=not placed.done.is_dir())
        return folder, segment_cases(run, placed.take(1), folder, task_id=task, once=placed.once)

    def evaluate(self, upload: str, sha256: str, task: str) -> dict[str, Any]:
        """Score a task on labelled cases."""

        def work(placed: _Placed) -> dict[str, Any]:
            from medheart_work.evaluating import evaluate_folders
            from medheart_work.segmenting import HostEngine

            *images, labels = placed.take(2)
            return evaluate_folders(HostEngine(self._settings), task, images, labels, progress=_tell)

        return self._on(upload, sha256, "evaluate", work)

    def train(self, upload: str, sha256: str, task: str, epochs: int | None) -> dict[str, Any]:
        """Train a task's network in a process of its own, which a cancel ends."""

        def work(placed: _Placed) -> dict[str, Any]:
            from medheart_work.training import train_in_child

            (data,) = placed.take(1, 1)
            return train_in_child(self._settings, task, data, epochs=epochs, cancelled=cancelled, tell=_tell)

        return self._on(upload, sha256, "train", work)

    def export(self, name: str, folder: str) -> dict[str, Any]:
        """Write labels, measurements and reports of a study, series or version."""

        def work() -> dict[str, Any]:
            from medheart_work.exporting import export_named

            home = self._results(folder)
            with Store.open(self._settings.store_dir) as store:
                files = export_named(store, name, home)
            return {"folder": folder, "files": [path.relative_to(home).as_posix() for path in files]}

        result: dict[str, Any] = run_step(work, name="export")
        return result

    def _on(self, upload: str, sha256: str, name: str, work: Callable[[_Placed], dict[str, Any]]) -> dict[str, Any]:
        """Do the work of a job on its unpacked bundle, then forget the bundle, however it ended."""
        folder = self._settings.home / "uploads" / Path(upload).name

        def step() -> dict[str, Any]:
            with _placed(folder) as placed:
                try:
                    return work(placed)
                except Cancelled:
                    raise
                except MedHeartError as error:
                    # The job carries words and code of an error, whichever its class.
                    raise JobError(placed.without_root(error.message), code=error.code) from error

        try:
            result: dict[str, Any] = run_step(step, name=name)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return {**result, "sha256": sha256} if name == "import" else result

    def _results(self, folder: str, *, emptied: bool = True) -> Path:
        """Return a folder for results."""
        found = self._settings.home / "results" / Path(folder).name
        if emptied:
            shutil.rmtree(found, ignore_errors=True)
        found.mkdir(parents=True, exist_ok=True)
        return found

    def _leave(self, folder: str, contents: dict[str, bytes]) -> dict[str, Any]:
        """Leave files for who asked."""
        home = self._results(folder)
        for name, data in contents.items():
            write_whole(home / name, data)
        return {"folder": folder, "files": list(contents)}


@contextmanager
def _placed(folder: Path) -> Iterator[_Placed]:
    """Unpack the bundle of an upload while the block runs."""
    from medheart_io import unpack_zip

    if not (folder / BUNDLE).is_file():
        raise JobError(f"the upload {folder.name!r} is no longer there; send the files again", code="upload_gone")
    with tempfile.TemporaryDirectory(prefix="bundle-", dir=folder) as place:
        members, root = Path(place) / "members", Path(place) / "root"
        members.mkdir()
        unpack_zip(folder / BUNDLE, members)
        layout = place_bundle(members, root)
        yield _Placed(root, [root / name for name in layout.arguments], folder / "done")


def _tell(message: str, done: int, total: int) -> None:
    report_progress(done, total, message)
    if cancelled():
        raise Cancelled("the job was cancelled")
