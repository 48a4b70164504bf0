"""One-click inference through our label server and through a stock MONAI Label server: same weights, same image.

Run as `python benchmarks/infer.py` or `medheart bench infer --json`; prints one JSON object. Both servers are
started as their users start them, have loaded all they load and compute on the processor; they are asked over HTTP.
The first request to each loads and prepares and is left out. The later ones go to both in turn; `ours` and `peer`
are their median seconds, from the request to the last byte of the label. Both may cache the prepared image, neither
caches results. `info_p95_ms` is the 95th percentile of `GET /info/` while inferences run, `idle_info_p95_ms` while
none does; `info_samples` says of how many. `limits` are what is promised, `within` whether all of it is kept.

Without `--image` a real case is segmented, where MEDHEART_TEST_DATA names the folder of the real images, else a
phantom; `image` says which.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from pathlib import Path
from typing import Any

import numpy as np
import requests

from medheart.overlap import dice
from medheart.phantom import brain_mr, chest_ct
from medheart.schema import load_schema
from medheart.volume import Volume
from medheart_io import read_labels, write_volume
from medheart_models.tasks import load_task
from medheart_models.training.export import export_task

HERE = Path(__file__).resolve().parent
START_S = 900
INFO_S = 60
FEWEST_SAMPLES = 5
LIMITS = {"ratio": 2.0, "dice": 0.999, "info_p95_ms": 100.0}
REAL = {"hippocampus": "mr/hippocampus/images/hippocampus_001.nii.gz", "lung-nodule": "ct/lung/lidc_0314_ct.nii.gz"}
PHANTOMS: dict[str, Callable[[], Volume]] = {
    "hippocampus": lambda: brain_mr(7, shape=(35, 51, 35), lesions=0)[0]["t1c"],
    "lung-nodule": lambda: chest_ct(7)[0],
}


def image_for(task: str, given: Path | None, folder: Path) -> tuple[Path, str]:
    """Return the image to segment, and what it is: the one given, else a real case, else a phantom in `folder`."""
    if given is not None:
        if not given.is_file():
            raise SystemExit(f"{given}: no such image; name one with --image")
        return given.resolve(), str(given)
    if task not in PHANTOMS:
        raise SystemExit(f"{task}: no image of its own here (there are {sorted(PHANTOMS)}); name one with --image")
    data = Path(os.environ.get("MEDHEART_TEST_DATA", HERE.parent.parent / "shared" / "data"))
    real = data / REAL[task]
    if real.is_file():
        return real.resolve(), REAL[task]
    phantom = PHANTOMS[task]()
    return write_volume(folder / "phantom.nii.gz", phantom), str(phantom.meta["provenance"])


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tell(what: str) -> None:
    """Say on the error stream what is measured now."""
    print(what, file=sys.stderr, flush=True)


@contextmanager
def running(command: list[str], ready: Callable[[], bool], log: Path, **environment: str) -> Iterator[None]:
    """Run a server until the block ends; the block begins when it is ready."""
    with log.open("wb") as stream:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=stream, stderr=stream)
    try:
        until = time.monotonic() + START_S
        while not ready():
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


def reply_of(url: str) -> dict[str, Any] | None:
    """Return the JSON object behind a URL, None where nothing answers 200."""
    try:
        reply = requests.get(url, timeout=30)
    except requests.RequestException:
        return None
    return dict(reply.json()) if reply.status_code == 200 else None


@contextmanager
def our_server(folder: Path, task: str, image: Path) -> Iterator[str]:
    """Run our label server with a model host, all of it loaded; the image is uploaded as `image`."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    export_task(load_task(task), folder / "exports")
    command = [sys.executable, "-m", "medheart_labeling", "--port", str(port)]

    def ready() -> bool:
        parts = (reply_of(f"{url}/readyz") or {}).get("parts", {"all": "loading"})
        return set(parts.values()) == {"ready"}

    with running(command, ready, folder / "ours.log", MEDHEART_HOME=str(folder), MEDHEART_DEVICE="cpu"):
        with image.open("rb") as stream:
            params = {"params": json.dumps({"modality": load_task(task).modality})}
            files = {"file": (image.name, stream)}
            reply = requests.put(
                f"{url}/datastore/image", params={"image": "image"}, files=files, data=params, timeout=600
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

    def ready() -> bool:
        return reply_of(f"{url}/info/") is not None

    with running(command, ready, folder / "stock.log", MONAI_LABEL_TRACKING_ENABLED="false"):
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
    """Return how many milliseconds `/info/` takes, with or without inferences running all the while.

    Ends after `samples` calls, or, once there are a few, after a minute: a server that answers after the inference
    only is not asked for an hour.
    """
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            infer(url, task)

    worker = threading.Thread(target=work)
    if busy:
        worker.start()
        time.sleep(0.05)
    times: list[float] = []
    until = time.monotonic() + INFO_S
    while len(times) < samples and (len(times) < FEWEST_SAMPLES or time.monotonic() < until):
        started = time.perf_counter()
        requests.get(f"{url}/info/", timeout=600).raise_for_status()
        times.append((time.perf_counter() - started) * 1000)
        time.sleep(0.02)
    stop.set()
    if busy:
        worker.join()
    return times


def p95(times: list[float]) -> float:
    """Return the 95th percentile."""
    return round(float(np.percentile(times, 95)), 1)


def agreement(folder: Path, task: str, ours: bytes, peer: bytes) -> dict[str, float]:
    """Return Dice by label name between two label files."""
    schema = load_schema(load_task(task).schema_id)
    maps = []
    for name, data in (("ours", ours), ("peer", peer)):
        path = folder / f"{name}.nii.gz"
        path.write_bytes(data)
        maps.append(read_labels(path, schema, like=maps[0].geometry if maps else None))
    return {label.name: dice(maps[0].mask(label.value), maps[1].mask(label.value)) for label in schema.labels}


def measure(image: Path, folder: Path, *, task: str, runs: int, samples: int) -> dict[str, Any]:
    """Measure both servers, request by request in turn, and return the figures."""
    homes = {side: folder / side for side in ("ours", "peer")}
    for home in homes.values():
        home.mkdir()
    with our_server(homes["ours"], task, image) as ours, stock_server(homes["peer"], task, image) as peer:
        urls = {"ours": ours, "peer": peer}
        tell("first requests")
        firsts = {side: infer(url, task) for side, url in urls.items()}
        later: dict[str, list[float]] = {side: [] for side in urls}
        for number in range(1, runs + 1):
            tell(f"requests: {number} of {runs}")
            for side, url in urls.items():
                later[side].append(infer(url, task)[0])
        tell("/info/, idle and busy")
        idle = {side: info_times(url, task, samples=samples, busy=False) for side, url in urls.items()}
        busy = {side: info_times(url, task, samples=samples, busy=True) for side, url in urls.items()}
    return {
        "dice": agreement(folder, task, firsts["ours"][1], firsts["peer"][1]),
        "info_p95_ms": {side: p95(times) for side, times in busy.items()},
        "idle_info_p95_ms": {side: p95(times) for side, times in idle.items()},
        "info_samples": {side: len(times) for side, times in busy.items()},
        "first_s": {side: round(seconds, 3) for side, (seconds, _) in firsts.items()},
        "runs_s": {side: [round(seconds, 4) for seconds in found] for side, found in later.items()},
    }


def within(ratio: float, found: dict[str, Any]) -> bool:
    """Return whether the figures keep every one of `LIMITS`."""
    return (
        ratio >= LIMITS["ratio"]
        and min(found["dice"].values()) >= LIMITS["dice"]
        and found["info_p95_ms"]["ours"] <= LIMITS["info_p95_ms"]
    )


def run(image: Path | None, *, task: str, runs: int, samples: int) -> dict[str, Any]:
    """Measure, and return what is printed."""
    with tempfile.TemporaryDirectory(prefix="mhb") as name:
        chosen, what = image_for(task, image, Path(name))
        found = measure(chosen, Path(name), task=task, runs=runs, samples=samples)
    medians = {side: statistics.median(seconds) for side, seconds in found["runs_s"].items()}
    ratio = medians["peer"] / medians["ours"]
    return {
        "name": "infer",
        "ours": round(medians["ours"], 4),
        "peer": round(medians["peer"], 4),
        "ratio": round(ratio, 2),
        "unit": "s",
        "runs": runs,
        "peer_name": "MONAI Label 0.8.5, BasicInferTask, torch",
        "task": task,
        "image": what,
        "limits": LIMITS,
        "within": within(ratio, found),
        **found,
    }


def main() -> None:
    """Parse the command line and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="hippocampus", help="task, of one input")
    parser.add_argument("--image", type=Path, help="image that the task accepts")
    parser.add_argument("--runs", type=int, default=9, help="requests after the first")
    parser.add_argument("--samples", type=int, default=60, help="calls of /info/, as far as a minute allows")
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: the output is always JSON")
    given = parser.parse_args()
    print(json.dumps(run(given.image, task=given.task, runs=given.runs, samples=given.samples)))


if __name__ == "__main__":
    main()
