"""One real label server, with MONAI Label in it and a real model host behind it, for all tests."""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from medheart.schema import load_schema
from medheart.settings import Settings
from medheart.volume import LabelMap, Volume
from medheart_io import write_labels, write_volume

HERE = Path(__file__).resolve().parent
HOST = HERE / "tiny_host.py"
TINY = HERE.parent / "medheart_models" / "tiny_tasks.py"


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return the environment of a server process with this home."""
    names = {"MEDHEART_HOME": str(home), "MEDHEART_DEVICE": "cpu", "MEDHEART_LANGUAGE": "en", "OMP_NUM_THREADS": "1"}
    return {**os.environ, **names, **more}


@dataclass
class Server:
    """A running label server."""

    url: str
    home: Path
    log: Path
    process: subprocess.Popen[bytes]
    started: float
    session: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request."""
        return self.session.request(method, self.url + path, timeout=options.pop("timeout", 60), **options)

    def put_image(self, volume: Volume, *, image: str | None = None, **params: Any) -> str:
        """Upload an image under a new id and return it."""
        image = image or f"case-{uuid.uuid4().hex[:8]}"
        with tempfile.TemporaryDirectory() as folder:
            path = write_volume(Path(folder) / "image.nii.gz", volume)
            files = {"file": (path.name, path.read_bytes())}
        body = {"params": json.dumps({"modality": volume.modality, **params})}
        reply = self.call("PUT", "/datastore/image", params={"image": image}, files=files, data=body)
        assert reply.status_code == 200, reply.text
        return str(reply.json()["image"])

    def put_label(
        self, labels: LabelMap, image: str, *, tag: str = "final", ending: str = ".nii.gz", **params: Any
    ) -> requests.Response:
        """Submit a label map."""
        with tempfile.TemporaryDirectory() as folder:
            path = write_labels(Path(folder) / f"label{ending}", labels)
            return self.put_label_file(path, image, tag=tag, **params)

    def put_label_file(self, path: Path, image: str, *, tag: str = "final", **params: Any) -> requests.Response:
        """Submit a label file."""
        files = {"label": (path.name, path.read_bytes())}
        query = {"image": image, "tag": tag}
        return self.call("PUT", "/datastore/label", params=query, files=files, data={"params": json.dumps(params)})

    def infer(self, model: str, image: str, *, output: str = "", **params: Any) -> requests.Response:
        """Ask for an inference."""
        query = {"image": image, **({"output": output} if output else {})}
        return self.call("POST", f"/infer/{model}", params=query, data={"params": json.dumps(params)})

    def wait_for(self, part: str, *, seconds: float = 150) -> None:
        """Wait until a part is ready."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.process.poll() is None:
            try:
                word = self.call("GET", "/readyz").json()["parts"][part]
            except requests.ConnectionError:
                word = "no answer"
            if word == "ready":
                return
            assert word != "failed", self.log.read_text()
            time.sleep(0.2)
        pytest.fail(f"{part} was not ready within {seconds} s:\n{self.log.read_text()}")


def launch(home: Path, *options: str, **more: str) -> Server:
    """Start a label server on a free port and return at once."""
    port = free_port()
    log = home / f"server-{port}.log"
    command = [sys.executable, "-m", "medheart_labeling", "--port", str(port), *options]
    with log.open("wb") as stream:
        started = time.monotonic()
        process = subprocess.Popen(command, env=environment(home, **more), stdout=stream, stderr=stream)
    return Server(f"http://127.0.0.1:{port}", home, log, process, started)


def end(process: subprocess.Popen[bytes]) -> int:
    """Stop a process as an administrator does."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(60)
    finally:
        process.kill()


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """A home folder; its path is short, because a socket's path may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="mh") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def tiny_host(home: Path) -> Iterator[None]:
    """A model host with the tiny networks."""
    log = home / "tiny-host.log"
    with log.open("wb") as stream:
        process = subprocess.Popen([sys.executable, HOST], env=environment(home), stdout=stream, stderr=stream)
    socket_path = Settings(home=home).host_socket
    until = time.monotonic() + 60
    while not socket_path.exists():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.05)
    yield
    end(process)


@pytest.fixture(scope="session")
def any_server(home: Path, tiny_host: None) -> Iterator[Server]:
    """The label server as soon as it is started."""
    server = launch(home)
    yield server
    code = end(server.process)
    assert code == 0, server.log.read_text()


@pytest.fixture(scope="session")
def server(any_server: Server) -> Server:
    """The label server with labels and inference ready."""
    any_server.wait_for("store")
    any_server.wait_for("model_host")
    return any_server


@pytest.fixture(scope="session")
def stock_server(server: Server) -> Server:
    """The label server with MONAI Label ready, too."""
    server.wait_for("monai_label")
    return server


@pytest.fixture(scope="session")
def tiny() -> dict[str, Any]:
    """Return the names of `tiny_tasks`."""
    return runpy.run_path(str(TINY))


@pytest.fixture
def bright_cube(tiny: dict[str, Any]) -> Callable[..., Volume]:
    """Return the function that makes small images with a bright cube; each has other noise."""
    make: Callable[..., Volume] = tiny["bright_cube"]
    return lambda **options: make(**{"seed": int(np.random.default_rng().integers(1 << 30)), **options})


@pytest.fixture
def image(server: Server, bright_cube: Callable[..., Volume]) -> str:
    """An image of the server that no other test uses."""
    return server.put_image(bright_cube())


@pytest.fixture
def slabs() -> Callable[..., LabelMap]:
    """Return a function that makes a label map with a slab of slices for each label name."""

    def make(volume: Volume, *, schema: str = "hippocampus", **spans: tuple[int, int]) -> LabelMap:
        known = load_schema(schema)
        array = np.zeros(volume.geometry.shape, np.uint8)
        for name, (start, stop) in spans.items():
            array[start:stop, 2:6, 2:6] = known.by_name(name).value
        return LabelMap(array, volume.geometry, known)

    return make


@pytest.fixture
def launch_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Return a function that starts a server of the test's own, in a home of its own."""
    started: list[Server] = []
    with tempfile.TemporaryDirectory(prefix="mh") as folder:

        def start(*options: str, home: Path | None = None, **more: str) -> Server:
            started.append(launch(home or Path(folder), *options, **more))
            return started[-1]

        yield start
        for server in started:
            if server.process.poll() is None:
                end(server.process)
