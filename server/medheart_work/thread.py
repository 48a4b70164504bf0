"""The whole way of a study: import, segment on the label server, version, measure, report, files.

The segmentation takes the public way, the label server's REST interface, as any MONAI Label client
would: `POST /infer/{model}` on an image of the server, whose result the server keeps as a version.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from medheart.client import LabelServer
from medheart.client import Progress as ServerProgress
from medheart.errors import MedHeartError, NotFound
from medheart.records import LabelVersion
from medheart.settings import Settings
from medheart_measure import MeasurementTable
from medheart_models.fit import TaskChoice
from medheart_models.tasks import load_task
from medheart_store import Store
from medheart_work.exporting import export_version, places
from medheart_work.files import write_whole
from medheart_work.importing import ImportedCase, Progress, import_paths, look_at
from medheart_work.measuring import measure_version
from medheart_work.reporting import report_unsegmented, report_version
from medheart_work.segmenting import plan_study

__all__ = ["StudyResult", "check_request", "run_thread"]


_TOLD = 8


@dataclass(frozen=True)
class StudyResult:
    """What came of a study.

    Parameters
    ----------
    study : str
        Id of the study.
    choice : TaskChoice
        Task, inputs and reasons; false where no task fits.
    versions : tuple of LabelVersion
        The new version; where no task fits, the labels that came now, else what is shown of the series given.
    tables : tuple of MeasurementTable
        One per version.
    files : tuple of pathlib.Path
        What was written.
    seconds : dict of str to float
        Wall time per step: `import`, `plan`, `segment`, `measure`, `report`, `export`.
    """

    study: str
    choice: TaskChoice
    versions: tuple[LabelVersion, ...] = ()
    tables: tuple[MeasurementTable, ...] = ()
    files: tuple[Path, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)


def check_request(paths: Sequence[Path], output: Path, *, task_id: str | None, choices: Iterable[str]) -> None:
    """Refuse what `run_thread` could not do anyway, before servers are started for it.

    Raises
    ------
    ImageRejected
        If a path does not exist.
    TaskError
        If there is no such task.
    MedHeartError
        `output` if nothing can be written there; else as `run_thread` says if nothing could be imported.
    """
    if task_id is not None:
        load_task(task_id)
    _check_writable(output)
    answers = frozenset(choices)
    cases = look_at(paths)
    if paths and not any(case.accepted or answers & set(case.candidate.choices) for case in cases):
        raise _refusal(cases, answers)


def _check_writable(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=output).close()
    except OSError as error:
        raise MedHeartError(
            f"{output}: the results cannot be written there ({error.strerror}); choose another folder by --output",
            code="output",
        ) from error


def run_thread(
    store: Store,
    settings: Settings,
    server: LabelServer,
    paths: Sequence[Path],
    output: Path,
    *,
    task_id: str | None = None,
    choices: Iterable[str] = (),
    language: str = "en",
    progress: Progress | None = None,
) -> tuple[tuple[ImportedCase, ...], tuple[StudyResult, ...]]:
    """Take files the whole way.

    Parameters
    ----------
    store, settings
        Of the installation; the label server works on the same store.
    server : LabelServer
        Where to segment.
    paths : sequence of pathlib.Path
        What the study came in; files that name no study are one study.
    output : pathlib.Path
        Folder; each study gets one inside.
    task_id : str, optional
        Task to take; chosen from the images otherwise.
    choices : iterable of str
        Answers to what the import asks.
    language : str
        Of the report.
    progress : callable, optional
        Called with the step, and done and total parts of it.

    Returns
    -------
    tuple of ImportedCase, tuple of StudyResult
        What became of every case, and of every study that was imported.

    Raises
    ------
    ImageRejected
        If nothing could be imported; the message says why for the first cases.
    TaskError
        If the task that was named does not fit.
    """
    way = _Way(store, server, output, task_id, language, progress or (lambda _step, _done, _total: None))
    seconds: dict[str, float] = {}
    with _timed(seconds, "import"):
        cases = import_paths(store, settings, paths, choices=choices, one_study=True, progress=way.progress)
    studies: dict[str, list[ImportedCase]] = {}
    for case in cases:
        if case.accepted:
            studies.setdefault(case.study, []).append(case)
    if not studies:
        raise _refusal(cases, choices)
    results = [way.go(study, given) for study, given in studies.items()]
    return cases, tuple(replace(result, seconds={**seconds, **result.seconds}) for result in results)


@dataclass
class _Way:
    store: Store
    server: LabelServer
    output: Path
    task_id: str | None
    language: str
    progress: Progress

    def go(self, study_id: str, cases: Sequence[ImportedCase]) -> StudyResult:
        """Take one study that is in the store, of which these cases were given now."""
        given = [case.series for case in cases]
        seconds: dict[str, float] = {}
        study = self.store.study(study_id)
        self.progress("plan", 0, 0)
        with _timed(seconds, "plan"):
            choice = plan_study(self.store, study, self.task_id, first=given)
        if choice:
            with _timed(seconds, "segment"):
                versions = [self._segment(choice)]
        else:
            versions = self._labels_of(cases)
        folder = self.output / study_id
        tables, files = [], []
        for version, place in places(folder, versions):
            self.progress("measure", 0, 0)
            with _timed(seconds, "measure"):
                tables.append(measure_version(self.store, version.id))
            self.progress("report", 0, 0)
            with _timed(seconds, "report"):
                report_version(self.store, version.id, language=self.language, choice=choice, table=tables[-1])
            self.progress("export", 0, 0)
            with _timed(seconds, "export"):
                files += export_version(self.store, version.id, place)
        if not versions:
            with _timed(seconds, "report"):
                files += self._unsegmented(study_id, choice, given, folder)
        return StudyResult(study_id, choice, tuple(versions), tuple(tables), tuple(files), seconds)

    def _labels_of(self, cases: Sequence[ImportedCase]) -> list[LabelVersion]:
        came = dict.fromkeys(case.version for case in cases if case.version)
        if came:
            return [self.store.version(version) for version in came]
        return [label for one in dict.fromkeys(case.series for case in cases) for label in self.store.shown(one)]

    def _segment(self, choice: TaskChoice) -> LabelVersion:
        assert choice.task is not None
        image = choice.inputs[choice.task.inputs[0].role]

        def tell(state: ServerProgress) -> None:
            self.progress("segment", state.done, state.total)

        params = {"inputs": dict(choice.inputs), "save_label": True}
        try:
            result = self.server.infer(choice.task.id, image, params=params, progress=tell)
        except NotFound as error:
            raise MedHeartError(
                f"the label server at {self.server.url} does not know image {image}: {error.message}; "
                "was it started with another MEDHEART_HOME?",
                code="other_store",
            ) from error
        if "version" not in result.params:
            raise MedHeartError(
                f"the label server at {self.server.url} kept no version of its result", code="bad_reply"
            )
        return self.store.version(result.params["version"]["id"])

    def _unsegmented(self, study_id: str, choice: TaskChoice, given: Sequence[str], folder: Path) -> list[Path]:
        self.progress("report", 0, 0)
        rendered = report_unsegmented(self.store, study_id, choice, language=self.language, shown=given)
        return [write_whole(folder / f"report.{ending}", data) for ending, data in rendered.items()]


@contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[step] = seconds.get(step, 0.0) + time.perf_counter() - started


def _refusal(cases: Sequence[ImportedCase], given: Iterable[str]) -> MedHeartError:
    """Return the error that says why nothing was imported; what a person can decide comes first."""
    asking = sorted(cases, key=lambda case: case.candidate.status != "needs_choice")
    reasons = list(dict.fromkeys(case.candidate.message for case in asking))
    asked = {option: words for case in cases for option, words in case.candidate.choices.items()}
    strange = [option for option in given if option not in asked]
    if strange:
        reasons.insert(0, f"the choice {', '.join(map(repr, strange))} was not asked for")
    text = "; ".join(reasons[:5]) + (f"; and {len(reasons) - 5} more" if len(reasons) > 5 else "")
    if asked:
        options = ", ".join(f"--choice {option} ({words})" for option, words in list(asked.items())[:_TOLD])
        options += f", and {len(asked) - _TOLD} more" if len(asked) > _TOLD else ""
        return MedHeartError(f"nothing was imported without a choice: {text}. Choose: {options}", code="needs_choice")
    return MedHeartError(f"nothing was imported: {text}", code=cases[0].candidate.code if cases else "no_image")
