from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medheart.errors import ModelError
from medheart_models.tasks import load_task, weights_path
from medheart_runtime import load_network

torch = pytest.importorskip("torch")

from safetensors.torch import load_model  # noqa: E402

from medheart_models.networks import build_network  # noqa: E402
from medheart_models.training.export import export_task  # noqa: E402


def test_the_exported_network_is_the_trained_one(tmp_path: Path) -> None:
    task = load_task("hippocampus")
    path = export_task(task, tmp_path)
    assert path == tmp_path / task.weights.sha256[:16] / "model.xml"
    image = np.random.default_rng(0).normal(size=(1, 1, *task.inference["patch"])).astype(np.float32)
    network = build_network(task.network).eval()
    load_model(network, str(weights_path(task)))
    with torch.no_grad():
        expected = network(torch.from_numpy(image)).numpy()
    assert np.abs(load_network(path, device="cpu").run(image) - expected).max() < 2e-2
    written = path.stat().st_mtime_ns
    export_task(task, tmp_path)
    assert path.stat().st_mtime_ns == written
    assert not list(tmp_path.glob(".new-*"))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    task = load_task("hippocampus")
    with pytest.raises(ModelError, match="not the weights"):
        export_task(replace(task, network={**task.network, "features": [8, 16, 32]}), tmp_path)
    assert not list(tmp_path.iterdir())


def test_exporting_the_hippocampus_does_not_import_monai(tmp_path: Path) -> None:
    code = (
        "import sys; from medheart_models.training.export import main;"
        "sys.argv = ['export', '--task', 'hippocampus']; main(); assert 'monai' not in sys.modules"
    )
    core = Path(__file__).resolve().parents[3] / "core"
    environment = {"PYTHONPATH": str(core), "MEDHEART_HOME": str(tmp_path), "PATH": "/usr/bin"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=250)
    assert list(tmp_path.glob("exports/*/model.xml"))
