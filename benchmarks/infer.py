"""One-click inference through our label server and through a stock MONAI Label server: same weights, same image.

Run as `python benchmarks/infer.py` or `medheart bench infer --json`; prints one JSON object. Both servers are
started as their users start them and asked over HTTP; the first request to each loads and prepares and is left
out. The later ones go to both in turn; `ours` and `peer` are their median seconds, from the request to the last
byte of the label. Both may cache the prepared image, neither caches results. `info_p95_ms` is the 95th percentile
of `GET /info/` while inferences run, `idle_info_p95_ms` while none does.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from pathlib import Path
from typing import Any

import numpy as np
import requests

from medheart.overlap import dice
from medheart.schema import load_schema
from medheart_io import read_labels
from medheart_models.tasks import load_task
from medheart_models.training.export import export_task

HERE = Path(__file__).resolve().parent
START_S = 900
IMAGE = "mr/hippocampus/images/hippocampus_001.nii.gz"


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], url: str, log: Path, **environment: str) -> Iterator[None]:
    """Run a server until the block ends; it is ready when `/info/` answers."""
    with log.open("wb") as stream:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=stream, stderr=stream)
    try:
        until = time.monotonic() + START_S
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"{command} did not start")
            time.sleep(0.2)
        yield
    except SystemExit as error:
        raise SystemExit(f"{error}\n{log.read_text()[-3000:]}") from None
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/info/", timeout=30).status_code == 200
    except requests.RequestException:
        return False


@contextmanager
def our_server(folder: Path, task: str, image: Path) -> Iterator[str]:
    """Run our label server with a model host; the image is uploaded as `image`."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    export_task(load_task(task), folder / "exports")
    command = [sys.executable, "-m", "medheart_labeling", "--port", str(port), "--monai-label", "demand"]
    with running(command, url, folder / "ours.log", MEDHEART_HOME=str(folder)):
        with image.open("rb") as stream:
            params = {"params": json.dumps({"modality": load_task(task).modality})}
            files = {"file": (image.name, stream)}
            reply = requests.put(
                f"{url}/datastore/image", params={"image": "image"}, files=files, data=params, timeout=60
            )
        reply.raise_for_status()
        yield url


@contextmanager
def stock_server(folder: Path, task: str, image: Path) -> Iterator[str]:
    """Run a stock MONAI Label server over a folder that holds the image as `image`."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    app, studies = folder / "app", folder / "studies"
    app.mkdir()
    studies.mkdir()
    shutil.copy(HERE / "stock" / "main.py", app)
    shutil.copy(image, studies / f"image{''.join(image.suffixes)}")
    command = [sys.executable, str(HERE / "stock" / "serve.py"), "start_server", "--app", str(app)]
    command += ["--studies", str(studies), "--port", str(port), "--host", "127.0.0.1", "--conf", "task", task]
    with running(command, url, folder / "stock.log", MONAI_LABEL_TRACKING_ENABLED="false"):
        yield url


def infer(url: str, task: str) -> tuple[float, bytes]:
    """Ask for an inference; return the seconds it took and the label file."""
    params = {"result_extension": ".nii.gz", "result_dtype": "uint8", "device": "cpu"}
    started = time.perf_counter()
    reply = requests.post(
        f"{url}/infer/{task}", params={"image": "image"}, data={"params": json.dumps(params)}, timeout=600
    )
    seconds = time.perf_counter() - started
    if reply.status_code != 200:
        raise SystemExit(f"{url}: {reply.status_code} {reply.text[:2000]}")
    kind = reply.headers["content-type"].encode()
    for part in message_from_bytes(b"Content-Type: " + kind + b"\r\n\r\n" + reply.content).walk():
        if part.get_filename():
            return seconds, bytes(part.get_payload(decode=True))
    raise SystemExit(f"{url}: the reply holds no label")


def info_times(url: str, task: str, *, samples: int, busy: bool) -> list[float]:
    """Return how many milliseconds `/info/` takes, with or without inferences running all the while."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            infer(url, task)

    worker = threading.Thread(target=work)
    if busy:
        worker.start()
        time.sleep(0.05)
    times = []
    for _ in range(samples):
        started = time.perf_counter()
        requests.get(f"{url}/info/", timeout=600).raise_for_status()
        times.append((time.perf_counter() - started) * 1000)
        time.sleep(0.02)
    stop.set()
    if busy:
        worker.join()
    return times


def busy_and_idle(url: str, task: str, *, samples: int) -> tuple[float, float]:
    """Return the 95th percentile of the milliseconds of `/info/` while inferences run, and while none does."""
    idle, busy = (info_times(url, task, samples=samples, busy=flag) for flag in (False, True))
    return round(float(np.percentile(busy, 95)), 1), round(float(np.percentile(idle, 95)), 1)


def agreement(folder: Path, task: str, ours: bytes, peer: bytes) -> dict[str, float]:
    """Return Dice by label name between two label files."""
    schema = load_schema(load_task(task).schema_id)
    maps = []
    for name, data in (("ours", ours), ("peer", peer)):
        path = folder / f"{name}.nii.gz"
        path.write_bytes(data)
        maps.append(read_labels(path, schema, like=maps[0].geometry if maps else None))
    return {label.name: dice(maps[0].mask(label.value), maps[1].mask(label.value)) for label in schema.labels}


def run(image: Path, *, task: str, runs: int, samples: int) -> dict[str, Any]:
    """Measure both servers, request by request in turn, and return the figures."""
    with tempfile.TemporaryDirectory(prefix="mhb") as name:
        folder = Path(name)
        homes = {side: folder / side for side in ("ours", "peer")}
        for home in homes.values():
            home.mkdir()
        with our_server(homes["ours"], task, image) as ours, stock_server(homes["peer"], task, image) as peer:
            urls = {"ours": ours, "peer": peer}
            firsts = {side: infer(url, task) for side, url in urls.items()}
            later: dict[str, list[float]] = {side: [] for side in urls}
            for _ in range(runs):
                for side, url in urls.items():
                    later[side].append(infer(url, task)[0])
            info = {side: busy_and_idle(url, task, samples=samples) for side, url in urls.items()}
        overlap = agreement(folder, task, firsts["ours"][1], firsts["peer"][1])
    medians = {side: statistics.median(seconds) for side, seconds in later.items()}
    return {
        "name": "infer",
        "ours": round(medians["ours"], 4),
        "peer": round(medians["peer"], 4),
        "ratio": round(medians["peer"] / medians["ours"], 2),
        "unit": "s",
        "runs": runs,
        "peer_name": "MONAI Label 0.8.5, BasicInferTask, torch",
        "task": task,
        "dice": overlap,
        "info_p95_ms": {side: times[0] for side, times in info.items()},
        "idle_info_p95_ms": {side: times[1] for side, times in info.items()},
        "first_s": {side: round(seconds, 3) for side, (seconds, _) in firsts.items()},
        "runs_s": {side: [round(seconds, 4) for seconds in found] for side, found in later.items()},
    }


def main() -> None:
    """Parse the command line and print the figures."""
    data = Path(os.environ.get("MEDHEART_TEST_DATA", HERE.parent.parent / "shared" / "data"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="hippocampus", help="task, of one input")
    parser.add_argument("--image", type=Path, default=data / IMAGE, help="image that the task accepts")
    parser.add_argument("--runs", type=int, default=9, help="requests after the first")
    parser.add_argument("--samples", type=int, default=60, help="calls of /info/")
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: the output is always JSON")
    given = parser.parse_args()
    if not given.image.is_file():
        raise SystemExit(f"{given.image}: no such image; name one with --image")
    print(json.dumps(run(given.image, task=given.task, runs=given.runs, samples=given.samples)))


if __name__ == "__main__":
    main()
