"""A real service and a real worker in processes of their own, on a store with one labelled case."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from medheart.geometry import Geometry
from medheart.records import LabelVersion
from medheart.schema import load_schema
from medheart.settings import Settings
from medheart.volume import LabelMap, Volume
from medheart_io import write_dicom_series
from medheart_store import Store
from medheart_work.importing import import_paths
from medheart_work.readiness import PARTS
from medheart_work.supervise import Supervisor


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Service:
    """The running service: `url` of its API, and the case it was given."""

    url: str
    settings: Settings
    dicom: Path
    study: str
    series: str
    version: LabelVersion

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=30, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        return requests.post(self.url + path, timeout=30, **options)

    def upload(self, folder: Path, **options: Any) -> requests.Response:
        files = [("files", (path.name, path.read_bytes())) for path in sorted(folder.iterdir())]
        return self.post("/studies", files=files, **options)

    def wait(self, job: dict[str, Any], timeout_s: float = 60) -> dict[str, Any]:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            found: dict[str, Any] = self.get(f"/jobs/{job['id']}").json()
            if found["state"] in ("succeeded", "failed", "cancelled"):
                return found
            time.sleep(0.2)
        raise AssertionError(f"job {job['id']} did not end in {timeout_s} s: {found}")


def phantom_series(folder: Path, *, seed: int, patient: str) -> Path:
    grid = Geometry.from_parts(shape=(12, 40, 36), spacing=(1.0, 1.0, 2.0), origin=(3, -7, 11))
    array = np.random.default_rng(seed).integers(0, 400, grid.shape).astype(np.int16)
    write_dicom_series(folder, Volume(array, grid, "MR"), patient_id=patient, patient_name="Nobody^", body_part="HEAD")
    return folder


@pytest.fixture
def make_series() -> Callable[..., Path]:
    return phantom_series


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    settings = Settings(home=folder / "home", label_port=free_port(), service_port=free_port())
    dicom = phantom_series(folder / "dicom", seed=1, patient="REAL-ID-7")
    with Store.open(settings.store_dir) as store:
        (case,) = import_paths(store, settings, [dicom])
        array = np.zeros(store.volume(case.series).array.shape, np.uint8)
        array[3:6, 10:20, 8:14] = 1
        labels = LabelMap(array, store.volume(case.series).geometry, load_schema("hippocampus"))
        version = store.add_version(labels, image=case.series, author="reader", origin="manual")
    parts = tuple(replace(part) for part in PARTS if part.name in ("service", "worker"))
    with Supervisor(settings, parts=parts, deadline_s=90) as supervisor:
        supervisor.start()
        url = f"{settings.service_url}/api/v1"
        yield Service(url, settings, dicom, case.study, case.series, version)
