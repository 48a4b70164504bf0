"""From the images of a task to its label map: prepare, run the network, restore, clean.

Importing this module is cheap: readers of images and the network's engine are imported when first
needed. Neither torch nor MONAI is.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medheart import LabelMap, Volume
from medheart.errors import ModelError, TaskError
from medheart.schema import LabelSchema, load_schema
from medheart.settings import Settings
from medheart.task import Task
from medheart_models.cache import ByteCache
from medheart_models.exports import exported_network
from medheart_models.fit import check_fit
from medheart_models.reasons import Reason

if TYPE_CHECKING:
    from medheart_models.preprocessing import Prepared
    from medheart_runtime import Network

__all__ = ["CancelCheck", "Prediction", "Predictor", "Progress"]

Progress = Callable[[int, int], None]
"""Gets (tiles done, tiles in all)."""
CancelCheck = Callable[[], bool]
"""Asked before every tile; true ends the work with `medheart.errors.Cancelled`."""

_PREPARED_BYTES = 1 << 30


@dataclass(frozen=True)
class Prediction:
    """Result of a segmentation.

    Parameters
    ----------
    labels : LabelMap
        On the grid of the first input, with the task's schema.
    task, origin, status : str
        Task id, `task@version`, and status of the task (`research` results feed no rule).
    device : str
        Engine and device.
    seconds : dict of str to float
        Wall time per stage: `prepare` (0 where the prepared images were kept), `load`, `infer`, `restore`.
    warnings : tuple of Reason
        What was not known of the images; belongs into the report.
    """

    labels: LabelMap
    task: str
    origin: str
    status: str
    device: str
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: tuple[Reason, ...] = ()


class Predictor:
    """Runs tasks; keeps loaded networks and, bounded, prepared images.

    Safe for several threads: `_lock` guards the table of networks and is held while one is loaded;
    the cache and each network have a lock of their own. None is taken inside another.

    Parameters
    ----------
    settings : Settings
        Where exported networks lie, and the device.
    prepared_bytes : int
        Memory for prepared images.
    """

    def __init__(self, settings: Settings, *, prepared_bytes: int = _PREPARED_BYTES) -> None:
        self._settings = settings
        self._networks: dict[Path, Network] = {}
        self._lock = threading.Lock()
        self._prepared: ByteCache[Prepared] = ByteCache(prepared_bytes)

    @property
    def prepared_bytes(self) -> int:
        """Memory that prepared images take."""
        return self._prepared.used

    def load(self, task: Task) -> Network:
        """Return the network of a task, loaded once.

        Raises
        ------
        ModelError
            If it is not exported or cannot be loaded.
        """
        path = exported_network(task, self._settings)
        with self._lock:
            if path not in self._networks:
                from medheart_runtime import load_network

                self._networks[path] = load_network(path, device=self._settings.device)  # type: ignore[arg-type]
            return self._networks[path]

    def segment(
        self,
        volumes: Sequence[Volume],
        task: Task,
        *,
        progress: Progress | None = None,
        cancelled: CancelCheck | None = None,
    ) -> Prediction:
        """Segment the images of one case.

        Parameters
        ----------
        volumes : sequence of Volume
            One per input, in the task's order.
        task : Task
            Of kind `segmentation`.
        progress : callable, optional
            Called with (tiles done, tiles in all).
        cancelled : callable, optional
            Asked before every tile.

        Returns
        -------
        Prediction

        Raises
        ------
        TaskError
            If the images do not fit the task; says why.
        ModelError
            If the network is missing or fails.
        Cancelled
            If `cancelled()` was true.
        """
        from medheart_models.postprocessing import postprocess
        from medheart_models.preprocessing import restore
        from medheart_runtime import sliding_window

        if task.kind != "segmentation":
            raise TaskError(f"task {task.id!r} is a {task.kind}, not a segmentation")
        warnings, schema = check_fit(task, volumes), load_schema(task.schema_id)
        seconds: dict[str, float] = {}
        with _timed(seconds, "load"):
            network = self.load(task)
        with _timed(seconds, "prepare"):
            prepared = self._prepare(volumes, task)
        with _timed(seconds, "infer"):
            scores = sliding_window(
                network,
                prepared.array,
                patch=task.inference["patch"],
                overlap=task.inference["overlap"],
                pad_value=task.inference["padding_value"],
                progress=progress,
                cancelled=cancelled,
            )
        with _timed(seconds, "restore"):
            classes = restore(_check_classes(scores, task, schema), prepared)
            classes = postprocess(classes, prepared.source, task.postprocessing)
            labels = LabelMap(_label_values(classes, schema), volumes[0].geometry, schema)
        return Prediction(labels, task.id, task.origin, task.status, network.device, seconds, tuple(warnings))

    def _prepare(self, volumes: Sequence[Volume], task: Task) -> Prepared:
        from medheart_models.preprocessing import prepare

        settings = json.dumps(task.preprocessing, sort_keys=True).encode()
        key = (hashlib.sha256(settings).hexdigest(), *(volume.digest for volume in volumes))
        prepared = self._prepared.get(key)
        if prepared is None:
            prepared = prepare(volumes, task)
            self._prepared.put(key, prepared, prepared.array.nbytes)
        return prepared


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - started


def _check_classes(scores: NDArray[np.float32], task: Task, schema: LabelSchema) -> NDArray[np.float32]:
    if len(scores) != len(schema.labels) + 1:
        raise ModelError(
            f"the network of task {task.id!r} gives {len(scores)} classes, schema {schema.id!r} "
            f"has {len(schema.labels)} labels and background"
        )
    return scores


def _label_values(classes: NDArray[np.uint8], schema: LabelSchema) -> NDArray[Any]:
    """Turn class indices into the schema's values: class n is its n-th label."""
    values = [0, *schema.values]
    table: NDArray[Any] = np.array(values, np.uint8 if max(values) < 256 else np.uint16)
    return table[classes]
