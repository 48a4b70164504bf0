"""OpenVINO on the processor.

A compiled model's request holds buffers of its own, so `run` is serialised by the network's lock;
OpenVINO itself uses all cores for one tile.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from medheart.errors import ModelError
from medheart_runtime.engine import Precision

__all__ = ["OpenVinoNetwork"]


class OpenVinoNetwork:
    """A network in OpenVINO IR; see `medheart_runtime.load_network`."""

    def __init__(self, path: Path, *, precision: Precision = "f32") -> None:
        # Without the hint OpenVINO takes bfloat16 by itself on processors that have it.
        options: dict[str, Any] = {
            "CACHE_DIR": str(path.parent / "cache"),
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision,
        }
        try:
            compiled = openvino.Core().compile_model(str(path), "CPU", options)
            self._request = compiled.create_infer_request()
        except RuntimeError as error:
            raise ModelError(f"{path}: OpenVINO cannot load the network: {_first_line(error)}") from error
        self._path = path
        self._lock = threading.Lock()

    @property
    def device(self) -> str:
        """`openvino:cpu`."""
        return "openvino:cpu"

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network; see `Network.run`."""
        if batch.dtype != np.float32 or batch.ndim != 5:
            raise ModelError(f"a batch must be float32 (N, C, K, J, I), got {batch.dtype} of shape {batch.shape}")
        with self._lock:
            try:
                self._request.infer([np.ascontiguousarray(batch)])
            except RuntimeError as error:
                shape = batch.shape
                raise ModelError(f"{self._path}: a batch of shape {shape} failed: {_first_line(error)}") from error
            return np.array(self._request.get_output_tensor(0).data, dtype=np.float32)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
