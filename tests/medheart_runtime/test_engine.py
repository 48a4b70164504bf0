"""Loading and running exported networks."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import correlate

from medheart.errors import ModelError
from medheart_runtime import load_network
from medheart_runtime.engine import cuda_devices


def test_openvino_computes_what_numpy_does(convolution: Path, kernel: NDArray[np.float32]) -> None:
    network = load_network(convolution, device="cpu")
    image = np.random.default_rng(1).normal(size=(1, 2, 5, 6, 7)).astype(np.float32)
    expected = sum(correlate(image[0, c], kernel[1, c], mode="constant") for c in range(2))
    scores = network.run(image)
    assert scores.shape == (1, 2, 5, 6, 7)
    np.testing.assert_allclose(scores[0, 1], expected, atol=1e-5)
    assert network.device == "openvino:cpu"


def test_a_result_survives_the_next_run(convolution: Path) -> None:
    network = load_network(convolution, device="cpu")
    first = network.run(np.ones((1, 2, 4, 4, 4), np.float32))
    kept = first.copy()
    network.run(np.zeros((1, 2, 4, 4, 4), np.float32))
    np.testing.assert_array_equal(first, kept)


def test_compiled_form_is_kept(convolution: Path) -> None:
    load_network(convolution, device="cpu")
    assert list((convolution.parent / "cache").glob("*.blob"))


@pytest.mark.parametrize("shape", [(1, 3, 4, 4, 4), (2, 4, 4, 4)])
def test_wrong_batch_is_named(convolution: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match=r"shape \("):
        load_network(convolution, device="cpu").run(np.zeros(shape, np.float32))


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "model.xml"
    with pytest.raises(ModelError, match=r"model\.xml: there is no exported network"):
        load_network(path)
    path.write_text("<net/>")
    with pytest.raises(ModelError, match=r"model\.xml: OpenVINO cannot load"):
        load_network(path)


def test_unknown_device_is_named(convolution: Path) -> None:
    with pytest.raises(ModelError, match="got 'tpu'"):
        load_network(convolution, device="tpu")  # type: ignore[arg-type]


@pytest.mark.skipif(cuda_devices() > 0, reason="this machine has a GPU")
def test_cuda_without_a_gpu_says_why(convolution: Path) -> None:
    with pytest.raises(ModelError, match="reports no GPU"):
        load_network(convolution, device="cuda")
    assert load_network(convolution, device="auto").device == "openvino:cpu"


@pytest.mark.skipif(cuda_devices() > 0, reason="this machine has a GPU")
@pytest.mark.parametrize("content", [b"", b"no program", b"PK\x05\x06" + bytes(18)])
def test_where_torch_cannot_load_the_program_the_processor_is_taken(
    convolution: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    """A driver that reports a GPU, and a torch that cannot use it or the file."""
    pytest.importorskip("torch")
    for name in ("model.xml", "model.bin"):
        shutil.copy(convolution.with_name(name), tmp_path)
    (tmp_path / "model.pt2").write_bytes(content)
    monkeypatch.setattr("medheart_runtime.engine.cuda_devices", lambda: 1)
    assert load_network(tmp_path / "model.xml").device == "openvino:cpu"
    assert "model.pt2: torch cannot load the network" in caplog.text
    with pytest.raises(ModelError, match=r"model\.pt2: torch cannot load the network: \w+"):
        load_network(tmp_path / "model.xml", device="cuda")


def test_importing_the_package_loads_no_engine() -> None:
    code = "import sys, medheart_runtime; print([m for m in ('torch', 'openvino') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.slow
def test_torch_program_agrees_with_openvino(convolution: Path, kernel: NDArray[np.float32], tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from medheart_runtime.cuda import TorchNetwork

    module = torch.nn.Conv3d(2, 2, 3, padding=1, bias=False).eval()
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(kernel))
        torch.export.save(torch.export.export(module, (torch.zeros(1, 2, 5, 6, 7),)), tmp_path / "model.pt2")
    image = np.random.default_rng(2).normal(size=(1, 2, 5, 6, 7)).astype(np.float32)
    network = TorchNetwork(tmp_path / "model.pt2", device="cuda" if cuda_devices() else "cpu")
    np.testing.assert_allclose(network.run(image), load_network(convolution, device="cpu").run(image), atol=1e-4)
    with pytest.raises(ModelError, match="failed"):
        network.run(np.zeros((1, 3, 5, 6, 7), np.float32))
    with pytest.raises(ModelError, match=r"none\.pt2: torch cannot load"):
        TorchNetwork(tmp_path / "none.pt2")
    if not cuda_devices():  # torch says so by an AssertionError or a RuntimeError, as it was built
        with pytest.raises(ModelError, match=r"model\.pt2: torch cannot load"):
            TorchNetwork(tmp_path / "model.pt2")
