"""Running the command line in this process, and small real files to run it on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medheart.geometry import Geometry
from medheart.volume import Volume
from medheart_cli import console
from medheart_cli.__main__ import main
from medheart_io import write_volume


@dataclass(frozen=True)
class Done:
    """What a call gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def medheart(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, unused_ports: None
) -> Callable[..., Done]:
    """Call `medheart …`; returns exit code, stdout and stderr."""
    monkeypatch.setenv("MEDHEART_LANGUAGE", "en")
    console.language.cache_clear()

    def call(*arguments: str | Path) -> Done:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


@pytest.fixture
def unused_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ports on which nothing answers."""
    monkeypatch.setenv("MEDHEART_LABEL_PORT", "1")
    monkeypatch.setenv("MEDHEART_SERVICE_PORT", "2")


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export the network once for all tests."""
    home = tmp_path_factory.mktemp("exports")
    command = [sys.executable, "-m", "medheart_models.training.export", "--task", "hippocampus"]
    subprocess.run(command, check=True, env={**os.environ, "MEDHEART_HOME": str(home)}, capture_output=True)
    return home / "exports"


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """An MR image and a label of two boxes on one oblique, left-handed grid."""
    turn = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, -1.0]])
    grid = Geometry.from_parts(shape=(20, 40, 30), spacing=(1.0, 1.2, 2.0), origin=(10, -20, 30), direction=turn)
    image = np.random.default_rng(0).integers(0, 500, grid.shape).astype(np.int16)
    label = np.zeros(grid.shape, np.uint8)
    label[5:9, 10:20, 8:14] = 1
    label[10:14, 10:20, 8:14] = 2
    return (
        write_volume(tmp_path / "image.nii.gz", Volume(image, grid)),
        write_volume(tmp_path / "label.nii.gz", Volume(label, grid)),
    )
