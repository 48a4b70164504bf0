"""What starting costs: the command line, the label server, one local segmentation, the whole sample.

Run as `python benchmarks/start.py` or `medheart bench start --json`; prints one JSON object. Peers, in the same run
and in turn with ours: `monailabel --help` (and `import monai`) for `medheart --help`; the first answer to `/info/`
of a stock MONAI Label server for the first one of our label server (`server`, whose limit is that of its first
answer to `/livez`, `livez_s`); the same task as MONAI Label's `BasicInferTask`, called in a process of its own, for
`medheart segment --local`. CPU seconds are user and system time of a process and all its children. Of both
segmentations the CPU seconds of the network itself (loading and running it) are taken off. `sample` is what
`make run ONCE=1` does, from nothing; `restart` does it once more on the same installation. The figures at the top
level are those of the label server, where it was measured; `measures` has all, each with whether its `limit` is kept
(`within`); `image` says what was segmented: see `infer.py`. All of it takes about five minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from infer import free_port, image_for, tell
from medheart.settings import Settings
from medheart_models.exports import export_folder
from medheart_models.tasks import load_task, task_ids

HERE = Path(__file__).resolve().parent
STOCK = str(HERE / "stock" / "serve.py")
TASK = "hippocampus"
START_S = 600
LIMITS = {"help": 0.5, "server": 2.0, "segment": 6.0, "sample": 60.0, "restart": 60.0}

# Print the CPU seconds of loading and running the network alone; argument: image.
OUR_NETWORK = f"""
import sys, time
import openvino
from medheart.settings import Settings
from medheart_io import read_image
from medheart_models.predict import Predictor
from medheart_models.preprocessing import prepare
from medheart_models.tasks import load_task
from medheart_runtime import sliding_window
task = load_task({TASK!r})
prepared, inference = prepare([read_image(sys.argv[1])], task), task.inference
started = time.process_time()
network = Predictor(Settings.load()).load(task)
sliding_window(network, prepared.array, patch=inference["patch"], overlap=inference["overlap"],
               pad_value=inference["padding_value"])
print(time.process_time() - started)
"""
# Segment as stock MONAI Label does; print the CPU seconds of its network alone; arguments: application, image.
PEER_SEGMENT = f"""
import runpy, sys, time
from medheart_labeling.stock import allow_pydicom_3
allow_pydicom_3()
from medheart_models.tasks import load_task
base = runpy.run_path(sys.argv[1])["TaskInfer"]

class Timed(base):
    network_s = 0.0
    def run_inferer(self, *arguments, **options):
        started = time.process_time()
        result = super().run_inferer(*arguments, **options)
        Timed.network_s += time.process_time() - started
        return result

started = time.process_time()
infer = Timed(load_task({TASK!r}))
Timed.network_s += time.process_time() - started
request = {{"model": {TASK!r}, "image": sys.argv[2], "device": "cpu", "result_extension": ".nii.gz"}}
file, _ = infer(request)
assert file
print(Timed.network_s)
"""


@dataclass(frozen=True)
class Site:
    """An installation of its own, and the image that is segmented."""

    folder: Path
    image: Path

    @property
    def environment(self) -> dict[str, str]:
        """Environment of its processes."""
        return {**os.environ, "MEDHEART_HOME": str(self.folder / "home"), "MONAI_LABEL_TRACKING_ENABLED": "false"}

    def run(self, command: list[str]) -> tuple[float, str]:
        """Run a command; return the CPU seconds of it and its children, and what it printed."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, check=False
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode != 0:
            raise SystemExit(f"{command} failed:\n{done.stderr[-3000:]}")
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout

    def seconds_to_answer(self, command: list[str], *urls: str) -> list[float]:
        """Start a server and return the seconds until each of `urls`, in turn, answers 200; then stop it."""
        with (self.folder / "server.log").open("wb") as log:
            started = time.perf_counter()
            process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        seconds = []
        try:
            for url in urls:
                while not _answers(url):
                    if process.poll() is not None or time.perf_counter() - started > START_S:
                        text = (self.folder / "server.log").read_text()[-3000:]
                        raise SystemExit(f"{command} did not start:\n{text}")
                    time.sleep(0.01)
                seconds.append(time.perf_counter() - started)
            return seconds
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=30).status_code == 200
    except requests.RequestException:
        return False


def medheart(*arguments: str) -> list[str]:
    """Return our command line."""
    return [sys.executable, "-m", "medheart_cli", *arguments]


def help_seconds(site: Site) -> tuple[float, float, dict[str, float]]:
    """Return CPU seconds of `medheart --help`, of `monailabel --help`, and of `import monai`."""
    monai = site.run([sys.executable, "-c", "import monai"])[0]
    return site.run(medheart("--help"))[0], site.run([sys.executable, STOCK, "--help"])[0], {"import_monai": monai}


def answer_seconds(site: Site) -> tuple[float, float, dict[str, float]]:
    """Return seconds until our label server answers `/info/`, a stock one, and until ours answers `/livez`."""
    port = str(free_port())
    command = [sys.executable, "-m", "medheart_labeling", "--port", port]
    url = f"http://127.0.0.1:{port}"
    alive, ours = site.seconds_to_answer(command, f"{url}/livez", f"{url}/info/")
    app, studies, port = site.folder / "app", site.folder / "studies", str(free_port())
    for folder in (app, studies):
        folder.mkdir(exist_ok=True)
    shutil.copy(HERE / "stock" / "main.py", app)
    command = [sys.executable, STOCK, "start_server", "--app", str(app), "--studies", str(studies)]
    command += ["--port", port, "--host", "127.0.0.1", "--conf", "task", TASK]
    return ours, *site.seconds_to_answer(command, f"http://127.0.0.1:{port}/info/"), {"livez": alive}


def segment_seconds(site: Site) -> tuple[float, float, dict[str, float]]:
    """Return CPU seconds of one local segmentation, ours and MONAI Label's, without the networks' own."""
    label = str(site.folder / "label.nii.gz")
    total, _ = site.run(medheart("segment", str(site.image), "--task", TASK, "--output", label, "--local"))
    network = float(site.run([sys.executable, "-c", OUR_NETWORK, str(site.image)])[1].split()[-1])
    command = [sys.executable, "-c", PEER_SEGMENT, str(HERE / "stock" / "main.py"), str(site.image)]
    peer_total, printed = site.run(command)
    peer_network = float(printed.split()[-1])
    return total - network, peer_total - peer_network, {"network": network, "peer_network": peer_network}


def provide_networks(site: Site) -> None:
    """Copy the exported networks of this machine's installation, or export them."""
    there = Settings.load().exports_dir
    needed = [export_folder(load_task(task), Settings.load()) for task in task_ids()]
    if all((folder / "model.xml").is_file() for folder in needed):
        shutil.copytree(there, site.folder / "home" / "exports")
    else:
        site.run([sys.executable, "-m", "medheart_models.training.export"])


def median(
    runs: list[tuple[float, float, dict[str, float]]], *, limit: float, limited: str = "ours", peer_name: str
) -> dict[str, Any]:
    """Return the medians of runs of one measurement; `limited` names the figure that the limit is for."""
    ours, peer = (statistics.median(run[side] for run in runs) for side in (0, 1))
    more = {f"{name}_s": round(statistics.median(run[2][name] for run in runs), 3) for name in runs[0][2]}
    return {
        "ours": round(ours, 3),
        "peer": round(peer, 3),
        "ratio": round(peer / ours, 1),
        "unit": "s",
        "runs": len(runs),
        "peer_name": peer_name,
        "limit": limit,
        "within": {"ours": ours, **more}[limited] <= limit,
        **more,
    }


def whole_job(site: Site, name: str) -> dict[str, Any]:
    """Do what `make run ONCE=1` does; return its CPU seconds and those on the clock."""
    tell(name)
    started = time.perf_counter()
    seconds, _ = site.run(medheart("serve", "--sample", "--once", "--output", str(site.folder / name)))
    wall = time.perf_counter() - started
    kept = {"limit": LIMITS[name], "within": seconds <= LIMITS[name]}
    return {"ours": round(seconds, 3), "peer": None, "unit": "s", "runs": 1, "wall_s": round(wall, 3), **kept}


def measure(site: Site, *, runs: int, only: list[str]) -> dict[str, Any]:
    """Measure what `only` names, ours and the peers in turn."""
    provide_networks(site)
    site.run(medheart("--help"))  # byte code and disc cache
    stock = "MONAI Label 0.8.5"
    kinds = {
        "help": (help_seconds, "ours", f"{stock}, --help, CPU"),
        "server": (answer_seconds, "livez_s", f"{stock}, first /info/"),
        "segment": (segment_seconds, "ours", f"{stock}, BasicInferTask, torch, CPU without the network"),
    }
    found = {}
    for name, (take, limited, peer) in kinds.items():
        if name in only:
            taken = []
            for number in range(1, runs + 1):
                tell(f"{name}: run {number} of {runs}")
                taken.append(take(site))
            found[name] = median(taken, limit=LIMITS[name], limited=limited, peer_name=peer)
    if {"sample", "restart"} & set(only):
        found["sample"] = whole_job(site, "sample")
    if "restart" in only:
        found["restart"] = whole_job(site, "restart")
    return found


def main() -> None:
    """Parse the command line and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", type=Path, help="image that the hippocampus task accepts")
    parser.add_argument("--runs", type=int, default=3, help="runs of each measurement but the last two")
    parser.add_argument("--only", nargs="+", choices=list(LIMITS), default=list(LIMITS), help="what to measure")
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: the output is always JSON")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mhb") as folder:
        image, what = image_for(TASK, given.image, Path(folder))
        measures = measure(Site(Path(folder), image), runs=given.runs, only=given.only)
    first = measures.get("server") or next(iter(measures.values()))
    head = {key: first.get(key) for key in ("ours", "peer", "ratio", "unit", "runs", "peer_name")}
    within = all(one["within"] for one in measures.values())
    print(json.dumps({"name": "start", **head, "image": what, "within": within, "measures": measures}))


if __name__ == "__main__":
    main()
