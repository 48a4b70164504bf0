"""Our models, trainers, strategies and scores in the classes that MONAI Label expects.

Each only translates; the work is the backend's.
"""

# ruff: noqa: ARG002  the signatures are MONAI Label's

from __future__ import annotations

import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.interfaces.tasks.train import TrainTask

from medheart.task import Task
from medheart_access import LOCAL_OWNER
from medheart_labeling.backend import Backend
from medheart_labeling.inference import result_params
from medheart_labeling.info import model_info, trainer_info
from medheart_labeling.results import result_dtype, result_ending, write_result
from medheart_labeling.tasks import finished
from medheart_labeling.texts import text

__all__ = ["BatchRun", "HostInferTask", "JobTrainTask", "LeasingStrategy", "StoredScoring"]

_JOB_S = 24 * 3600.0


class HostInferTask(InferTask):  # type: ignore[misc]
    """A task of ours, run by the model host."""

    def __init__(self, backend: Backend, task: Task, language: str) -> None:
        self._backend = backend
        self._task = task
        self._info = model_info(task, language)
        super().__init__(
            type=InferType.SEGMENTATION,
            labels=self._info["labels"],
            dimension=3,
            description=self._info["description"],
            config=self._info["config"],
        )

    def info(self) -> dict[str, Any]:
        """Return what clients are told."""
        return self._info

    def is_valid(self) -> bool:
        """Whether the model can be offered."""
        return True

    def get_path(self, validate: bool = True) -> str | None:
        """Return the file of the weights."""
        from medheart_models.tasks import weights_path

        return str(weights_path(self._task)) if validate else None

    def __call__(self, request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Segment the image of a request; return the file, which the caller removes, and the parameters."""
        ending, dtype = result_ending(request.get("result_extension")), result_dtype(request.get("result_dtype"))
        with self._backend.requests.running(None, LOCAL_OWNER) as entry:
            result = self._backend.inference.run(
                self._task.id, request["image"], entry=entry, inputs=request.get("inputs")
            )
        started = time.perf_counter()
        path = Path(tempfile.gettempdir()) / f"medheart-{uuid.uuid4().hex}{ending}"
        write_result(path, result.labels, dtype=dtype, origin=result.prediction.origin)
        return str(path), result_params(result, written_s=time.perf_counter() - started)


class JobTrainTask(TrainTask):  # type: ignore[misc]
    """Training by a job worker."""

    def __init__(self, backend: Backend, task: Task, language: str) -> None:
        self._backend = backend
        self._task = task
        self._info = trainer_info(task, backend.settings, language)
        super().__init__(self._info["description"])

    def config(self) -> dict[str, Any]:
        """Return the options that clients may set."""
        return dict(self._info["config"])

    def stats(self) -> dict[str, Any]:
        """Return how far a training is."""
        return self._backend.tasks.train_stats().get(self._task.id, {})

    def __call__(self, request: dict[str, Any], datastore: Any) -> Any:
        """Train and return what the job returned."""
        params = {key: value for key, value in request.items() if key != "model"}
        return _wait(self._backend, self._backend.start_training(self._task.id, LOCAL_OWNER.name, params, enqueue=True))


class LeasingStrategy(Strategy):  # type: ignore[misc]
    """A strategy of ours; the case it gives out is leased."""

    def __init__(self, backend: Backend, name: str, language: str) -> None:
        self._backend = backend
        self._name = name
        super().__init__(text(f"strategy.{name}", language))

    def __call__(self, request: dict[str, Any], datastore: Any) -> dict[str, Any]:
        """Return the next case of the client."""
        return self._backend.worklist.next(self._name, request.get("client_id") or LOCAL_OWNER.name, request)


class StoredScoring(ScoringMethod):  # type: ignore[misc]
    """Scores of the labels in the store."""

    def __init__(self, backend: Backend, name: str, language: str) -> None:
        self._backend = backend
        self._name = name
        super().__init__(text(f"scoring.{name}", language))

    def __call__(self, request: dict[str, Any], datastore: Any) -> dict[str, Any]:
        """Return the scores."""
        return self._backend.scoring.run(self._name, request)


class BatchRun:
    """Batch inference by a job worker."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def __call__(self, request: dict[str, Any], datastore: Any, infer: Any) -> Any:
        """Segment the images of a request; return per image what became of it."""
        images = request.get("images", "all")
        chosen = images if isinstance(images, list) else self._backend.select(images)
        task = self._backend.start_batch(request["model"], chosen, LOCAL_OWNER.name, {}, enqueue=True)
        return _wait(self._backend, task)


def _wait(backend: Backend, task: dict[str, Any]) -> Any:
    return finished(backend.tasks.wait(task["id"], timeout_s=_JOB_S))
