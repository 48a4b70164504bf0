"""A tiny real network in OpenVINO IR, built without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import pytest
from numpy.typing import NDArray
from openvino import opset13 as ops

KERNEL = np.random.default_rng(5).normal(0, 0.2, (2, 2, 3, 3, 3)).astype(np.float32)
"""(L, C, 3, 3, 3): two inputs, two outputs."""


@pytest.fixture(scope="session")
def convolution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`model.xml` of one 3×3×3 convolution with `KERNEL` and zero padding."""
    image = ops.parameter([-1, 2, -1, -1, -1], np.float32, name="image")
    one = [1, 1, 1]
    node = ops.convolution(image, ops.constant(KERNEL), strides=one, pads_begin=one, pads_end=one, dilations=one)
    path = tmp_path_factory.mktemp("network") / "model.xml"
    openvino.save_model(openvino.Model([node], [image]), path, compress_to_fp16=False)
    return path


@pytest.fixture
def kernel() -> NDArray[np.float32]:
    """Weights of `convolution`."""
    return KERNEL
