"""Everything that does the work of the label server, put together once.

Opening it imports readers, database and tables of jobs (some seconds of CPU); the door does so in the
background. Nothing here knows HTTP or MONAI Label.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medheart.errors import MedHeartError
from medheart.settings import Settings
from medheart_labeling.cases import Cases
from medheart_labeling.files import FileCache
from medheart_labeling.inference import Inference, find_task
from medheart_labeling.labels import Labels
from medheart_labeling.notes import Notes
from medheart_labeling.requests_table import RequestTable
from medheart_labeling.scoring import ScoreRuns
from medheart_labeling.sessions import Sessions
from medheart_labeling.submissions import Submissions
from medheart_labeling.tasks import TaskQueue
from medheart_labeling.training import job_arguments
from medheart_labeling.worklist import Worklist
from medheart_store import Store

if TYPE_CHECKING:
    from medheart_jobs import Jobs

__all__ = ["SELECTIONS", "Backend"]

SELECTIONS = ("all", "labeled", "unlabeled")


@dataclass(frozen=True)
class Backend:
    """The parts of the label server; see their classes."""

    settings: Settings
    store: Store
    notes: Notes
    files: FileCache
    cases: Cases
    labels: Labels
    submissions: Submissions
    worklist: Worklist
    inference: Inference
    requests: RequestTable
    sessions: Sessions
    jobs: Jobs
    tasks: TaskQueue
    scoring: ScoreRuns

    @classmethod
    def open(cls, settings: Settings) -> Backend:
        """Open what an installation has; new folders and tables are made where there are none.

        Raises
        ------
        Unavailable
            If the database of jobs does not answer.
        """
        from medheart_jobs import Jobs

        folder = settings.home / "labeling"
        store = Store.open(settings.store_dir)
        notes = Notes(folder / "notes.sqlite")
        files = FileCache(folder / "files")
        cases = Cases(store, notes, files)
        labels = Labels(store, cases, notes, files)
        worklist = Worklist(store, cases, labels)
        sessions = Sessions(folder / "sessions")
        sessions.keep_swept()
        jobs = Jobs(settings.jobs_url)
        return cls(
            settings=settings,
            store=store,
            notes=notes,
            files=files,
            cases=cases,
            labels=labels,
            submissions=Submissions(store, cases, labels, notes),
            worklist=worklist,
            inference=Inference(store, cases, settings.host_socket),
            requests=RequestTable(),
            sessions=sessions,
            jobs=jobs,
            tasks=TaskQueue(jobs, notes),
            scoring=ScoreRuns(store, labels),
        )

    def select(self, which: str) -> list[str]:
        """Return the ids of `all`, `labeled` or `unlabeled` images."""
        if which not in SELECTIONS:
            raise MedHeartError(f"images must be one of {list(SELECTIONS)}, got {which!r}", code="bad_request")
        if which == "all":
            return self.cases.ids()
        without = self.worklist.open_cases()
        return without if which == "unlabeled" else [image for image in self.cases.ids() if image not in without]

    def start_training(
        self, model: str, author: str, params: dict[str, Any], *, enqueue: bool = False
    ) -> dict[str, Any]:
        """Ask for a model to be trained further on the labels of the store; a candidate comes of it.

        Parameters
        ----------
        model, author : str
            Task id, and who asks.
        params : dict
            As the client sent them, see `medheart_labeling.training.job_arguments`.

        Raises
        ------
        NotFound
            If there is no such model.
        MedHeartError
            If a parameter is wrong, or there are too few labels to train on.
        Busy
            If one runs and `enqueue` is false.
        """
        task = find_task(model)
        hidden = self.notes.hidden()
        arguments = job_arguments(self.store, self.settings, task, params, author=author, hidden=hidden)
        request = {**params, "model": model, "author": author}
        return self.tasks.start("train", arguments, request=request, enqueue=enqueue)

    def start_batch(
        self, model: str, images: list[str], author: str, params: dict[str, Any], *, enqueue: bool = False
    ) -> dict[str, Any]:
        """Ask for the segmentation of the studies of images.

        Raises
        ------
        NotFound
            If there is no such model or image.
        Busy
            If one runs and `enqueue` is false.
        """
        find_task(model)
        studies = {image: self.cases.series(image).study for image in images}
        arguments = {"studies": list(dict.fromkeys(studies.values())), "task": model, "author": author}
        request = {**params, "model": model, "author": author, "studies": studies}
        return self.tasks.start("batch_infer", arguments, request=request, enqueue=enqueue)

    def close(self) -> None:
        """Close databases; ends what runs in this process."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.store.close)
            stack.callback(self.notes.close)
            stack.callback(self.jobs.close)
            stack.callback(self.scoring.close)
            stack.callback(self.sessions.close)
