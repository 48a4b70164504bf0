"""Export the trained networks to OpenVINO IR for the runtime.

    python -m medheart_models.training.export [--task ID]

writes `MEDHEART_HOME/exports/<first 16 digits of the weights' SHA-256>/model.xml` and `model.bin` for
whatever is not there yet, and `model.pt2` for torch where the driver reports a GPU. The input has the
fixed shape (1, C, *patch) of the task.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from medheart.errors import ModelError
from medheart.home import make_home
from medheart.settings import Settings
from medheart.task import Task
from medheart_models.tasks import load_task, task_ids, weights_path
from medheart_runtime.engine import cuda_devices

if TYPE_CHECKING:
    from torch import nn

__all__ = ["export_task", "main"]


def export_task(task: Task, exports: Path) -> Path:
    """Export the network of a task unless that was done before.

    Parameters
    ----------
    task : Task
        Its weights are checked against their SHA-256.
    exports : pathlib.Path
        Folder that holds one folder for each set of weights.

    Returns
    -------
    pathlib.Path
        The `model.xml`. A torch program `model.pt2` for the GPU lies beside it where there is a GPU.

    Raises
    ------
    ModelError
        If the weights are missing, damaged, or not of the task's network.
    """
    folder = exports / task.weights.sha256[:16]
    missing = [name for name in _wanted() if not (folder / name).is_file()]
    if missing:
        network = _trained_network(task)
        exports.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=exports, prefix=".new-") as temporary:
            _convert(network, task, Path(temporary), program="model.pt2" in missing)
            folder.mkdir(exist_ok=True)
            for name in ("model.bin", *missing):  # the .xml after the .bin: where it is, the export is whole
                (Path(temporary) / name).replace(folder / name)
    return folder / "model.xml"


def _wanted() -> tuple[str, ...]:
    return ("model.xml", "model.pt2") if cuda_devices() else ("model.xml",)


def _trained_network(task: Task) -> nn.Module:
    from safetensors.torch import load_model

    from medheart_models.networks import build_network

    path, network = weights_path(task), build_network(task.network).eval()
    try:
        load_model(network, str(path))
    except RuntimeError as error:
        raise ModelError(f"{path}: not the weights of the network of task {task.id!r}: {error}") from error
    return network


def _convert(network: nn.Module, task: Task, folder: Path, *, program: bool) -> None:
    """Write `model.xml` and `model.bin`, and `model.pt2` if `program`."""
    import openvino
    import torch

    shape = [1, task.network["input_channels"], *task.inference["patch"]]
    example = torch.zeros(shape)
    with torch.no_grad(), warnings.catch_warnings():  # inference_mode breaks the conversion
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # checks of shapes, which are fixed here
        model = openvino.convert_model(network, example_input=example, input=[shape])
        openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)
        if program:
            torch.export.save(torch.export.export(network, (example,)), folder / "model.pt2")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Export trained networks to the runtime's format.")
    parser.add_argument("--task", choices=task_ids(), action="append", help="only this task (repeatable)")
    options = parser.parse_args()
    settings = Settings.load()
    make_home(settings)
    for task_id in options.task or task_ids():
        export_task(load_task(task_id), settings.exports_dir)


if __name__ == "__main__":
    main()
