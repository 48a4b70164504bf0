"""One-click inference: which images go in, the model host, and what comes out."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medheart.errors import GeometryError, NotFound, TaskError
from medheart.records import LabelVersion
from medheart.task import Task
from medheart.volume import LabelMap, Volume
from medheart_labeling.cases import Cases
from medheart_labeling.ids import check_id
from medheart_labeling.requests_table import Entry
from medheart_labeling.results import centroids, label_names
from medheart_store import Store

if TYPE_CHECKING:
    from medheart_models.predict import Prediction

__all__ = ["Inference", "Segmented", "find_task", "result_params", "version_meta"]

_VOLUME_BYTES = 1 << 30


@dataclass(frozen=True)
class Segmented:
    """Result of an inference: the label map on the grid of the image asked for, and how it came about."""

    labels: LabelMap
    prediction: Prediction
    seconds: float
    version: LabelVersion | None = None
    inputs: dict[str, str] = field(default_factory=dict)


def find_task(model: str) -> Task:
    """Return the task of a model name; raises NotFound naming those there are."""
    from medheart_models.tasks import load_task, task_ids

    check_id("model", model)
    if model not in task_ids():
        raise NotFound(f"there is no model {model!r}; there are {task_ids()}", models=task_ids())
    return load_task(model)


class Inference:
    """Runs models on images; networks are the model host's.

    Parameters
    ----------
    store, cases
        Where the images are.
    host : pathlib.Path
        Socket of the model host.
    """

    def __init__(self, store: Store, cases: Cases, host: Path) -> None:
        from medheart_models.cache import ByteCache

        self._store = store
        self._cases = cases
        self._host = host
        self._volumes: ByteCache[Volume] = ByteCache(_VOLUME_BYTES)

    def run(
        self,
        model: str,
        image: str | Volume,
        *,
        entry: Entry,
        inputs: Any = None,
    ) -> Segmented:
        """Segment one case.

        Parameters
        ----------
        model : str
            Task id.
        image : str or Volume
            Image id, or an image that is not in the store.
        entry : Entry
            Takes the progress; its `cancel` ends the work.
        inputs : dict, optional
            Role to image id, for a task with several inputs; found in the study of the image by default.

        Raises
        ------
        NotFound, TaskError, GeometryError
            If there is no such model or image, or the image does not fit the model.
        Busy, Unavailable, Cancelled, ModelError
            As the model host says.
        """
        from medheart_models.host.client import HostClient

        started = time.perf_counter()
        task = find_task(model)
        roles = self._roles(task, image, inputs)
        volumes = [image] if isinstance(image, Volume) else [self._volume(roles[item.role]) for item in task.inputs]
        wanted = image if isinstance(image, Volume) else self._volume(image)
        with HostClient(self._host, name="label server") as host:
            prediction = host.segment(volumes, task.id, progress=entry.follow, cancelled=entry.cancel.is_set)
        labels = prediction.labels
        if not labels.geometry.matches(wanted.geometry):
            raise GeometryError(
                f"the model answered on the grid of its input {task.inputs[0].role!r}, image {image!r} has another: "
                f"ask for {roles[task.inputs[0].role]!r}"
            )
        return Segmented(labels, prediction, time.perf_counter() - started, inputs=roles)

    def _volume(self, image: str) -> Volume:
        digest = self._cases.series(image).image_digest
        volume = self._volumes.get((image, digest))
        if volume is None:
            volume = self._cases.volume(image)
            self._volumes.put((image, digest), volume, volume.array.nbytes)
        return volume

    def _roles(self, task: Task, image: str | Volume, inputs: Any) -> dict[str, str]:
        """Return role to image id; empty for an image that is not in the store."""
        names = [item.role for item in task.inputs]
        if isinstance(image, Volume):
            if len(names) != 1:
                raise TaskError(f"model {task.id!r} needs {names}: upload them as one study and name an image")
            return {}
        if inputs is not None:
            if not isinstance(inputs, dict) or set(inputs) != set(names):
                raise TaskError(f"inputs of model {task.id!r} must be an image id for each of {names}, got {inputs!r}")
            return {role: check_id("image", item) for role, item in inputs.items()}
        if len(names) == 1:
            return {names[0]: image}
        return self._roles_in_study(task, image)

    def _roles_in_study(self, task: Task, image: str) -> dict[str, str]:
        from medheart_models.facts import SeriesFacts
        from medheart_models.fit import choose_task

        study = self._store.study(self._cases.series(image).study)
        facts = [
            SeriesFacts.from_volume(series.id, self._volume(series.id), description=series.description)
            for series in study.series
        ]
        choice = choose_task(facts, [task])
        if not choice:
            reasons = choice.refused.get(task.id, ())
            text = "; ".join(map(str, reasons)) or "no series fits"
            raise TaskError(f"model {task.id!r} does not fit study {study.id!r}: {text}")
        if image not in choice.inputs.values():
            raise TaskError(f"model {task.id!r} would read {choice.inputs} of study {study.id!r}, not image {image!r}")
        return choice.inputs


def result_params(result: Segmented, *, written_s: float) -> dict[str, Any]:
    """Return the `params` of a stock reply, and what ours adds: origin, status, device, warnings, version.

    `latencies` are seconds; the model host's stages under the names that stock MONAI Label has for them.
    """
    stages = result.prediction.seconds
    latencies: dict[str, Any] = {
        "pre": round(stages.get("prepare", 0.0), 3),
        "infer": round(stages.get("infer", 0.0), 3),
        "invert": round(stages.get("restore", 0.0), 3),
        "post": 0.0,
        "write": round(written_s, 3),
        "total": round(result.seconds + written_s, 3),
        "transform": [],
    }
    params: dict[str, Any] = {
        "label_names": label_names(result.labels),
        "latencies": latencies,
        "centroids": centroids(result.labels),
        "origin": result.prediction.origin,
        "status": result.prediction.status,
        "device": result.prediction.device,
        "inputs": result.inputs,
        "warnings": [warning.to_dict() for warning in result.prediction.warnings],
    }
    return params if result.version is None else {**params, "version": result.version.to_dict()}


def version_meta(result: Segmented) -> dict[str, Any]:
    """Return what a label version records of how a model made it."""
    prediction = result.prediction
    return {
        "task": prediction.task,
        "status": prediction.status,
        "inputs": result.inputs,
        "warnings": [warning.to_dict() for warning in prediction.warnings],
        "device": prediction.device,
        "seconds": prediction.seconds,
    }
