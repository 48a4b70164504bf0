"""The main job from end to end, with every real part in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pypdf import PdfReader

from medheart.overlap import dice
from medheart.schema import load_schema
from medheart_io import read_image, read_labels

FILES = {"label.nii.gz", "label.seg.nrrd", "label.dcm", "measurements.json", "report.html", "report.pdf"}

pytestmark = pytest.mark.slow


def test_sample_goes_the_whole_way(installation, gone, tmp_path: Path) -> None:
    result = installation.json("serve", "--sample", "--once", "--output", tmp_path / "out")
    assert gone(installation)
    (study,) = result["studies"]
    folder = tmp_path / "out" / study["study"]
    assert {path.name for path in folder.iterdir()} == FILES
    assert study["task"].startswith("lung-nodule@")
    assert study["versions"][0]["meta"]["status"] == "research"
    seg = pydicom.dcmread(folder / "label.dcm")
    assert {one.SegmentAlgorithmType for one in seg.SegmentSequence} == {"AUTOMATIC"}
    for page in PdfReader(folder / "report.pdf").pages:
        assert "research only" in page.extract_text().lower()
    home = Path(installation.environment["MEDHEART_HOME"])
    truth = read_labels(next((home / "sample").glob("*/truth.nii.gz")), load_schema("lung-nodule"))
    found = read_labels(folder / "label.nii.gz", truth.schema, like=truth.geometry)
    assert dice(found.mask(1), truth.mask(1)) > 0.3


def test_hippocampus_case_by_its_images_alone(installation, test_data: Callable[[str], Path], tmp_path: Path) -> None:
    image = test_data("mr/hippocampus/images/hippocampus_001.nii.gz")
    result = installation.json("serve", "--study", image, "--once", "--output", tmp_path / "out")
    (study,) = result["studies"]
    assert study["task"].startswith("hippocampus@")
    folder = tmp_path / "out" / study["study"]
    assert {path.name for path in folder.iterdir()} == FILES
    schema = load_schema("hippocampus")
    grid = read_image(image).geometry
    truth = read_labels(test_data("mr/hippocampus/labels/hippocampus_001.nii.gz"), schema, like=grid)
    for name in ("label.nii.gz", "label.seg.nrrd", "label.dcm"):
        found = read_labels(folder / name, schema, like=grid)
        assert all(dice(found.mask(value), truth.mask(value)) > 0.8 for value in schema.values), name
    measured = json.loads((folder / "measurements.json").read_text())
    assert measured["source"] == study["versions"][0]["id"]


def test_a_study_that_no_task_fits_is_reported_without_segmentation(
    installation, test_data: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = test_data("dicom/sts_008_ct_pet_mr_rtstruct")
    done = installation.medheart("serve", "--study", folder, "--once", "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "no task fits" in done.stderr
    (study,) = (tmp_path / "out").iterdir()
    assert {path.name for path in study.iterdir()} == {"report.html", "report.pdf"}
    assert str(study / "report.pdf") in done.stderr


def test_a_named_task_that_does_not_fit_is_refused_with_the_reason(
    installation, test_data: Callable[[str], Path], tmp_path: Path
) -> None:
    image = test_data("mr/hippocampus/images/hippocampus_001.nii.gz")
    done = installation.medheart(
        "serve", "--study", image, "--task", "lung-nodule", "--once", "--output", tmp_path / "out"
    )
    assert done.returncode == 1
    assert "lung-nodule" in done.stderr


def test_serving_answers_and_ends_with_its_children(installation, gone) -> None:
    command = [sys.executable, "-m", "medheart_cli", "serve"]
    with subprocess.Popen(command, env=installation.environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = [process.stderr.readline(), process.stderr.readline()]
        assert "Ctrl-C" in lines[1], lines
        port = installation.environment["MEDHEART_SERVICE_PORT"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=30) as reply:
            assert json.load(reply)["status"] == "ready"
        process.send_signal(signal.SIGTERM)
        assert process.wait(90) == 0
    deadline = time.monotonic() + 10
    while not gone(installation) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert gone(installation)
