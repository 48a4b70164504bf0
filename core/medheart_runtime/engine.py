"""The one interface of the engines, and which engine a machine gets."""

from __future__ import annotations

import ctypes
import importlib.util
import logging
import sys
from functools import cache
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from medheart.errors import ModelError

__all__ = ["Device", "Network", "Precision", "cuda_devices", "load_network"]

log = logging.getLogger(__name__)

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["f32", "bf16"]


class Network(Protocol):
    """An exported network that is ready to run; safe to call from several threads."""

    @property
    def device(self) -> str:
        """Engine and device for people, e.g. `openvino:cpu`."""
        ...

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network once.

        Parameters
        ----------
        batch : numpy.ndarray
            (N, C, K, J, I) float32.

        Returns
        -------
        numpy.ndarray
            (N, L, K, J, I) float32 scores; the caller's own copy.

        Raises
        ------
        ModelError
            If the network does not take this shape, or the device fails.
        """
        ...


def load_network(path: Path, *, device: Device = "auto", precision: Precision = "f32") -> Network:
    """Load an exported network.

    Parameters
    ----------
    path : pathlib.Path
        OpenVINO IR, `…/model.xml`; its weights lie beside it as `model.bin`, and the torch program
        for a GPU as `model.pt2`. Compiled forms are kept in `cache/` beside it, so that a second
        load is fast.
    device : str
        `auto` takes a GPU where the driver reports one and torch loads the torch program, else the CPU
        and logs why; `cpu` and `cuda` insist.
    precision : str
        `f32`, or `bf16` where the processor has it (OpenVINO only; faster, labels differ slightly).

    Raises
    ------
    ModelError
        If a file is missing or damaged, or `cuda` is asked for and cannot be had; says why.
    """
    if device not in {"auto", "cpu", "cuda"}:
        raise ModelError(f"device must be auto, cpu or cuda, got {device!r}")
    if not path.is_file():
        raise ModelError(f"{path}: there is no exported network")
    obstacle = _cuda_obstacle(path) if device != "cpu" else "not asked for"
    if device == "cuda" and obstacle:
        raise ModelError(f"device cuda cannot be used: {obstacle}")
    if not obstacle:
        try:
            return _on_cuda(path.with_suffix(".pt2"))
        except ModelError as error:
            if device == "cuda":
                raise
            log.warning("%s; taking the processor", error.message)
    from medheart_runtime.cpu import OpenVinoNetwork

    return OpenVinoNetwork(path, precision=precision)


def _on_cuda(program: Path) -> Network:
    try:
        from medheart_runtime.cuda import TorchNetwork
    except (ImportError, OSError) as error:  # torch is there, but not its libraries
        raise ModelError(f"torch cannot be imported: {error}") from error
    return TorchNetwork(program)


def _cuda_obstacle(path: Path) -> str:
    """Return why CUDA cannot run this network, empty if it can; does not import torch."""
    program = path.with_suffix(".pt2")
    if not cuda_devices():
        return "the NVIDIA driver reports no GPU"
    if not program.is_file():
        return f"{program} is missing"
    return "" if importlib.util.find_spec("torch") else "torch is not installed (extra `models`)"


@cache
def cuda_devices() -> int:
    """Return the number of GPUs that the NVIDIA driver reports; 0 without a driver."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value
