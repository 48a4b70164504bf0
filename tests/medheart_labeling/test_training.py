"""Training on the labels of the store, as a stock client asks for it: real server, real worker, real network."""

from __future__ import annotations

import hashlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from medheart.records import Job
from medheart.schema import load_schema
from medheart.volume import Volume
from medheart_io import read_image, read_labels
from medheart_labeling.tasks import stock_task
from medheart_labeling.training import train_stats
from medheart_models.tasks import load_task, weights_path
from medheart_models.training.progress import TrainingProgress
from medheart_models.training.selection import side_of

COUNTS = {"training": 3, "held_out": 1}


def wait_for(server: Any, path: str, wanted: set[str], *, seconds: float = 150) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while (task := server.call("GET", path).json()).get("status") not in wanted:
        assert time.monotonic() < until, task
        time.sleep(0.1)
    return task


def image_ids() -> list[str]:
    """Return ids of images whose upload makes three patients to train on and one to hold out."""
    names, found = (f"train-{n}" for n in range(1000)), []
    wanted = dict(COUNTS)
    while any(wanted.values()):
        name = next(names)
        side = side_of(f"upload-{name}", 0.2)
        if wanted[side]:
            wanted[side] -= 1
            found.append(name)
    return found


def children(home: Path) -> list[str]:
    """Return the command lines of training processes of this home."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if "medheart_models.training.fine_tune" in words and any(word.startswith(str(home)) for word in words):
            found.append(" ".join(words))
    return found


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """A label server of its own: what other tests label is not trained on here."""
    helpers = runpy.run_path(str(Path(__file__).with_name("conftest.py")))
    with tempfile.TemporaryDirectory(prefix="mh") as folder:
        server = helpers["launch"](Path(folder))
        server.wait_for("store")
        yield server
        helpers["end"](server.process)


@pytest.fixture(scope="module")
def worker(server: Any) -> Iterator[None]:
    environment = {**os.environ, "MEDHEART_HOME": str(server.home), "OMP_NUM_THREADS": "1"}
    log = server.home / "real-worker.log"
    with log.open("wb") as stream:
        command = [sys.executable, "-m", "medheart_work.worker"]
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)
    yield
    process.terminate()
    try:
        process.wait(40)
    finally:
        process.kill()


@pytest.fixture(scope="module")
def labelled(server: Any, test_data: Callable[[str], Path]) -> list[str]:
    """Upload four real cases with their labels; returns the versions."""
    folder, schema = test_data("mr/hippocampus"), load_schema("hippocampus")
    files = sorted((folder / "labels").iterdir())
    versions = []
    for path, image in zip(files, image_ids(), strict=False):
        volume = read_image(folder / "images" / path.name)
        server.put_image(Volume(volume.array, volume.geometry, "MR"), image=image)
        info = [{"name": label.name, "idx": label.value} for label in schema.labels]
        labels = read_labels(path, schema, like=volume.geometry)
        reply = server.put_label(labels, image, label_info=info)
        assert reply.status_code == 200, reply.text
        versions.append(reply.json()["version"])
    return versions


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("max_epochs", (0, -1, "x", 1.5, True, 10**9)),
        ("val_split", (0, 1, -0.1, "x", True)),
        ("train_batch_size", (0, "4", 2.5, 1000)),
        ("pretrained", ("yes", 1)),
    ],
)
def test_a_bad_parameter_is_named(server: Any, name: str, values: tuple[Any, ...]) -> None:
    for value in values:
        reply = server.call("POST", "/train/hippocampus", json={name: value})
        assert reply.status_code == 400, value
        assert reply.json()["detail"].startswith(f"{name} must be")
        assert reply.json()["argument"] == name


def test_too_few_labels_are_counted(server: Any) -> None:
    reply = server.call("POST", "/train/lung-nodule", json={"max_epochs": 1, "device": "cuda", "name": "train_01"})
    assert reply.status_code == 400
    assert reply.json()["code"] == "too_few_cases"
    assert reply.json()["needed"] == {"training": 3, "held_out": 1}
    assert "0 to train on and 0 held out" in reply.json()["detail"]
    assert server.call("POST", "/train/no-such-model", json={}).status_code == 404


def test_a_client_is_told_what_it_may_set(server: Any) -> None:
    config = server.call("GET", "/info/").json()["trainers"]["hippocampus"]["config"]
    assert config == {"max_epochs": 10, "train_batch_size": 4, "val_split": 0.2, "pretrained": True}


def test_the_old_form_says_of_each_model_why_it_is_not_trained(server: Any) -> None:
    answers = server.call("POST", "/train/", json={}).json()
    assert answers["lung-nodule"]["result"] is None
    assert "too few labelled cases" in answers["lung-nodule"]["detail"]


@pytest.mark.slow
def test_a_stock_client_starts_and_stops_a_training(server: Any, labelled: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monailabel.client import MONAILabelClient

    client = MONAILabelClient(server.url, client_id="user-xyz")
    assert client.train_status(check_if_running=True) is False
    started = client.train_start("hippocampus", {"max_epochs": 1})
    assert started["status"] in {"SUBMITTED", "RUNNING"}
    assert started["request"]["model"] == "hippocampus"
    assert client.train_status(check_if_running=True) is True
    assert client.train_status()["id"] == started["id"]
    with pytest.raises(Exception, match="429"):
        client.train_start("hippocampus", {})
    assert client.train_stop()["id"] == started["id"]
    wait_for(server, "/train/", {"STOPPED"})
    assert client.train_status(check_if_running=True) is False


def test_a_training_on_the_stores_labels_is_told_and_makes_a_candidate(
    server: Any, worker: None, labelled: list[str]
) -> None:
    weights = weights_path(load_task("hippocampus")).read_bytes()
    versions_before = server.call("GET", "/info/").json()["models"]["hippocampus"]["version"]
    body = {"max_epochs": 2, "train_batch_size": 1, "client_id": "trainer", "multi_gpu": True}
    started = server.call("POST", "/train/hippocampus", json=body)
    assert started.status_code == 200, started.text
    task = started.json()
    assert task["status"] in {"SUBMITTED", "RUNNING"}
    assert task["request"]["model"] == "hippocampus"
    again = server.call("POST", "/train/hippocampus", json={})
    assert again.status_code == 429
    assert int(again.headers["Retry-After"]) > 0
    seen: list[dict[str, Any]] = []
    until = time.monotonic() + 270
    while (now := server.call("GET", "/train/").json())["status"] not in {"DONE", "ERROR"}:
        stats = server.call("GET", "/info/").json()["train_stats"]["hippocampus"]
        if stats:
            seen.append(stats)
        assert time.monotonic() < until, now
        time.sleep(0.2)
    assert now["status"] == "DONE", now
    assert [stats["epoch"] for stats in seen] == sorted(stats["epoch"] for stats in seen)
    assert {stats["total_epochs"] for stats in seen} == {2}
    assert any("train_loss" in stats.get("train", {}).get("metrics", {}) for stats in seen)
    assert all("current_time" in stats or stats is seen[-1] for stats in seen)
    assert any("epoch 2/2  loss" in line for line in now["details"])
    assert len(now["details"]) <= 20
    assert now["end_ts"] >= now["start_ts"]
    after = server.call("GET", "/info/").json()["train_stats"]["hippocampus"]
    assert (after["epoch"], after["total_epochs"]) == (2, 2)
    assert after["total_time"].count(":") == 2
    assert 0.5 < after["best_metric"] <= 1
    assert set(after["eval"]["metrics"]) == {
        "val_mean_dice",
        "val_hippocampus_anterior_dice",
        "val_hippocampus_posterior_dice",
    }
    # What came of it, and that nothing uses it.
    result = now["result"]
    folder = server.home / "training" / "hippocampus" / result["run"]
    kept = json.loads((folder / "hippocampus.json").read_text())
    assert {case["version"] for case in kept["cases"]} == set(labelled)
    assert result["cases"] == COUNTS
    assert kept["weights"]["sha256"] == hashlib.sha256((folder / "hippocampus.safetensors").read_bytes()).hexdigest()
    assert not (folder / "data").exists()
    assert weights_path(load_task("hippocampus")).read_bytes() == weights
    assert server.call("GET", "/info/").json()["models"]["hippocampus"]["version"] == versions_before
    assert server.call("GET", "/train/?check_if_running=true").status_code == 404
    # From now on the share is fixed.
    other = server.call("POST", "/train/hippocampus", json={"val_split": 0.5})
    assert (other.status_code, other.json()["code"]) == (400, "hold_out_fixed")


@pytest.mark.slow
def test_delete_stops_the_training_process_within_seconds(server: Any, worker: None, labelled: list[str]) -> None:
    for query in ("", "?enqueue=true"):
        body = {"max_epochs": 5000, "train_batch_size": 1}
        reply = server.call("POST", f"/train/hippocampus{query}", json=body)
        assert reply.status_code == 200, reply.text
    wait_for(server, "/train/?check_if_running=true", {"RUNNING"})
    until = time.monotonic() + 100
    while not children(server.home):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert server.call("DELETE", "/train/").json()["status"] == "STOPPED"
    until = time.monotonic() + 15
    while children(server.home):
        assert time.monotonic() < until, children(server.home)
        time.sleep(0.1)
    states = [task["status"] for task in server.call("GET", "/train/?all=true").json()[-2:]]
    assert states == ["STOPPED", "STOPPED"]
    assert server.call("DELETE", "/train/").json() is None
    assert not list((server.home / "training").rglob("data"))


@pytest.mark.slow
def test_a_deleted_label_is_not_trained_on(server: Any, labelled: list[str]) -> None:
    server.wait_for("monai_label")
    image = next(image for image in image_ids() if side_of(f"upload-{image}", 0.2) == "training")
    assert server.call("DELETE", "/datastore/label", params={"id": image, "tag": "final"}).status_code == 200
    reply = server.call("POST", "/train/hippocampus", json={})
    assert reply.status_code == 400
    assert (reply.json()["training"], reply.json()["held_out"]) == (2, 1)


def test_stats_are_those_of_stock_monai_label() -> None:
    now = TrainingProgress(
        stage="training",
        epoch=3,
        epochs=10,
        share=0.25,
        loss=0.5,
        dice={"a": 0.8, "b": None},
        best_dice=0.9,
        best_epoch=1,
        started=1000.0,
        at=1060.0,
    )
    job = Job("1", "train", "running", details={"progress": now.to_dict(), "lines": [f"line {n}" for n in range(30)]})
    assert train_stats(job, now=4665.0) == {
        "epoch": 2,
        "total_epochs": 10,
        "start_ts": 1000,
        "current_time": "1:01:05",
        "seconds_left": None,
        "best_metric": 0.9,
        "train": {"metrics": {"train_loss": 0.5}, "key_metric_name": "train_loss"},
        "eval": {
            "metrics": {"val_mean_dice": 0.8, "val_a_dice": 0.8},
            "key_metric_name": "val_mean_dice",
            "best_metric": 0.9,
            "best_metric_epoch": 1,
        },
    }
    ended = Job("1", "train", "failed", error="out of memory (log in /srv/x/train.log)", details=job.details)
    assert train_stats(ended)["total_time"] == "0:01:00"
    task = stock_task(ended, {})
    assert task["details"] == [*(f"line {n}" for n in range(11, 30)), "out of memory (log in train.log)"]
    assert train_stats(Job("1", "train", "queued")) == {}
