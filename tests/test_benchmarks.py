"""What the benchmarks take where nothing is at hand, and what they promise."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from medheart.volume import Volume
from medheart_io import read_image
from medheart_models.fit import check_fit
from medheart_models.tasks import load_task

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def infer() -> ModuleType:
    pytest.importorskip("torch")
    spec = importlib.util.spec_from_file_location("benchmark_infer", FOLDER / "infer.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("task_id", ["hippocampus", "lung-nodule"])
def test_without_real_images_the_task_gets_a_phantom_that_fits_it(
    infer: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, task_id: str
) -> None:
    monkeypatch.setenv("MEDHEART_TEST_DATA", str(tmp_path / "none"))
    path, what = infer.image_for(task_id, None, tmp_path)
    assert what.startswith("medheart.phantom.")
    task, image = load_task(task_id), read_image(path)
    check_fit(task, [Volume(image.array, image.geometry, task.modality, image.meta)])


def test_a_real_image_is_taken_where_it_is(infer: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = tmp_path / infer.REAL["hippocampus"]
    real.parent.mkdir(parents=True)
    real.touch()
    monkeypatch.setenv("MEDHEART_TEST_DATA", str(tmp_path))
    assert infer.image_for("hippocampus", None, tmp_path) == (real.resolve(), infer.REAL["hippocampus"])


@pytest.mark.parametrize(("task_id", "image"), [("hippocampus", "nothing.nii.gz"), ("brain-tumour", None)])
def test_an_image_that_is_not_there_is_named(
    infer: ModuleType, tmp_path: Path, task_id: str, image: str | None
) -> None:
    with pytest.raises(SystemExit, match=f"{image or task_id}.*--image"):
        infer.image_for(task_id, tmp_path / image if image else None, tmp_path)


@pytest.mark.parametrize(
    ("ratio", "changed", "kept"),
    [
        (2.0, {}, True),
        (1.9, {}, False),
        (3.0, {"dice": {"one": 1.0, "two": 0.99}}, False),
        (3.0, {"info_p95_ms": {"ours": 101.0, "peer": 1.0}}, False),
    ],
)
def test_every_limit_counts(infer: ModuleType, ratio: float, changed: dict[str, Any], kept: bool) -> None:
    good = {"dice": {"one": 1.0, "two": 0.999}, "info_p95_ms": {"ours": 100.0, "peer": 5000.0}}
    assert infer.within(ratio, {**good, **changed}) is kept
