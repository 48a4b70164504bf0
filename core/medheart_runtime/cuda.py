"""torch on an NVIDIA GPU: the only file of the runtime that imports torch.

The program is a `torch.export` archive (`model.pt2`): a graph and its weights, no code of ours.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from medheart.errors import ModelError

__all__ = ["TorchNetwork"]


class TorchNetwork:
    """A network as a `torch.export` program; see `medheart_runtime.load_network`."""

    def __init__(self, path: Path, *, device: str = "cuda") -> None:
        try:
            self._module = torch.export.load(path).module().to(device)
        except Exception as error:  # torch raises what it likes: a zip, JSON, assertion or attribute error
            raise ModelError(f"{path}: torch cannot load the network: {type(error).__name__}: {error}") from error
        self._path = path
        self._device = device
        self._lock = threading.Lock()

    @property
    def device(self) -> str:
        """`torch:cuda`."""
        return f"torch:{self._device}"

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network; see `Network.run`."""
        if batch.dtype != np.float32 or batch.ndim != 5:
            raise ModelError(f"a batch must be float32 (N, C, K, J, I), got {batch.dtype} of shape {batch.shape}")
        with self._lock, torch.inference_mode():
            try:
                scores = self._module(torch.from_numpy(np.ascontiguousarray(batch)).to(self._device))
            except (RuntimeError, AssertionError) as error:
                raise ModelError(f"{self._path}: a batch of shape {batch.shape} failed: {error}") from error
            result: NDArray[np.float32] = scores.float().cpu().numpy()
            return result
