"""`--studies FOLDER`: images of a folder are there after the start, under their files' names."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from medheart.volume import Volume
from medheart_io import write_dicom_series, write_volume


@pytest.fixture
def folder(tmp_path, bright_cube):
    """Return a folder as people have them: images of several kinds, in folders, and what is none."""
    folder = tmp_path / "studies"
    (folder / "more").mkdir(parents=True)
    write_volume(folder / "case_001.nii.gz", bright_cube(seed=1))
    write_volume(folder / "more" / "case_002.nrrd", bright_cube(seed=2))
    cube = bright_cube(seed=3)
    head = Volume(cube.array.astype(np.int16), cube.geometry, "MR")
    write_dicom_series(folder / "Wang Xiaoming", head, patient_id="W1", patient_name="Wang^Xiaoming")
    (folder / "readme.nii.gz").write_bytes(b"no image")
    return folder


def start(launch_server, folder):
    server = launch_server("--no-model-host", "--monai-label", "demand", "--studies", str(folder))
    server.wait_for("studies", seconds=90)
    return server


def images(server):
    """Return the images' names by id, as annotators are given them one by one."""
    found = {}
    while sample := server.call("POST", "/activelearning/first", json={"client_id": f"reader-{len(found)}"}).json():
        assert sample["id"] not in found
        found[sample["id"]] = sample["name"]
    return found


def test_images_of_the_folder_are_there_and_once_only(launch_server, folder):
    server = start(launch_server, folder)
    assert server.call("GET", "/info/").json()["datastore"]["total"] == 3
    found = images(server)
    assert {"case_001.nii.gz", "case_002.nii.gz"} < set(found.values()), "named as what is sent, whatever came"
    assert "Wang" not in str(found), "a folder of DICOM files may bear a person's name"
    log = (server.home / "logs" / "label-server.log").read_text()
    assert "readme.nii.gz: left out" in log
    assert "3 of 4 cases are in the store" in log
    server.process.terminate()
    assert server.process.wait(60) == 0
    again = start(launch_server, folder)
    assert again.call("GET", "/info/").json()["datastore"]["total"] == 3


def test_a_folder_that_is_not_there_is_one_clear_line(tmp_path):
    command = [sys.executable, "-m", "medheart_labeling", "--studies", str(tmp_path / "nowhere")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.strip() == f"{tmp_path / 'nowhere'}: there is no such folder; --studies takes a folder of images"
