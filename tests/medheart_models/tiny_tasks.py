"""Two tiny real tasks, `tiny` and `tiny-slow`, and a model host that serves them.

Their networks are built with OpenVINO: class 1 where the normalised image is above 0.5, class 2 where it
is above 1.5. Run as a script, it serves them as `python -m medheart_models.host` serves the others.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from medheart import Geometry, Volume
from medheart.errors import MedHeartError, TaskError
from medheart.settings import Settings
from medheart.task import FieldOfView, ModelCard, Task, TaskInput, Weights

TINY = Task(
    id="tiny",
    version="1",
    titles={"en": "Tiny"},
    kind="segmentation",
    status="research",
    modality="MR",
    body_parts=("HEAD",),
    anatomy={"en": "anything bright"},
    inputs=(TaskInput("image", "MR", ("t1",)),),
    field_of_view=FieldOfView((4, 4, 4), (100, 100, 100)),
    max_slice_thickness_mm=3,
    schema_id="hippocampus",
    weights=Weights("tiny.safetensors", hashlib.sha256(b"tiny").hexdigest(), "CC0-1.0", "tests"),
    card=ModelCard({"en": ""}, {"en": ""}, {"en": ""}, {}, {"en": ""}),
    preprocessing={"spacing_mm": [1.0, 1.0, 1.0], "normalisation": "z-score", "percentiles": [0, 100]},
    inference={"patch": [8, 8, 8], "overlap": 0.5, "padding_value": 0.0},
    postprocessing={"keep_largest": False, "minimum_component_mm3": 0.0},
)
SLOW = replace(
    TINY,
    id="tiny-slow",
    weights=Weights("slow.safetensors", hashlib.sha256(b"slow").hexdigest(), "CC0-1.0", "tests"),
    inference={"patch": [24, 24, 24], "overlap": 0.75, "padding_value": 0.0},
)
UNEXPORTED = replace(TINY, id="tiny-unexported", weights=replace(TINY.weights, sha256="0" * 64))
TASKS = {task.id: task for task in (TINY, SLOW, UNEXPORTED)}


def load_task(task_id: str) -> Task:
    """Return a tiny task, as the registry does."""
    if task_id not in TASKS:
        raise TaskError(f"no task {task_id!r}; there are {sorted(TASKS)}")
    return TASKS[task_id]


def export_networks(settings: Settings) -> None:
    """Write both networks where `exported_network` looks for them."""
    for task, width in ((TINY, 1), (SLOW, 48)):
        folder = settings.exports_dir / task.weights.sha256[:16]
        folder.mkdir(parents=True, exist_ok=True)
        _save_network(folder / "model.xml", width)


def _save_network(path: Path, width: int) -> None:
    """Write thresholds at 0.5 and 1.5, after `width` convolutions 3×3×3 that together change nothing."""
    import openvino
    from openvino import opset13 as ops

    image = ops.parameter([1, 1, -1, -1, -1], np.float32, name="image")
    same = np.zeros((width, 1, 3, 3, 3), np.float32)
    same[:, :, 1, 1, 1] = 1
    one, none = [1, 1, 1], [0, 0, 0]
    features = ops.convolution(image, ops.constant(same), one, one, one, one)
    heads = np.zeros((3, width, 1, 1, 1), np.float32)
    heads[1], heads[2] = 1 / width, 2 / width
    thresholds = np.array([0.0, -0.5, -2.0], np.float32).reshape(1, 3, 1, 1, 1)
    scores = ops.add(ops.convolution(features, ops.constant(heads), one, none, none, one), ops.constant(thresholds))
    openvino.save_model(openvino.Model([scores], [image]), path, compress_to_fp16=False)


def bright_cube(*, size: int = 12, seed: int = 0, **meta: str) -> Volume:
    """Return an MR image of `size` voxels a side with a bright cube inside; oblique and left-handed."""
    array = np.random.default_rng(seed).normal(100, 2, (size, size, size)).astype(np.float32)
    array[3:7, 4:9, 2:8] += 100
    c, s = np.cos(0.1), np.sin(0.1)
    direction = np.array([[c, -s, 0], [s, c, 0], [0, 0, -1]])
    geometry = Geometry.from_parts(shape=(size, size, size), spacing=(1, 1, 1), origin=(5, -7, 11), direction=direction)
    return Volume(array, geometry, "MR", {"body_part": "HEAD", **meta})


def main() -> int:
    """Serve; the only argument is the number of requests that may wait."""
    from medheart_models.host.server import Limits, serve

    logging.basicConfig(level=logging.INFO)
    try:
        serve(Settings.load(), load_task=load_task, task_ids=sorted(TASKS), limits=Limits(queue=int(sys.argv[1])))
    except MedHeartError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
