"""`kill -9` in the middle of a submit: nothing acknowledged is lost, nothing half-written is seen."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medheart.volume import LabelMap
from medheart_store import Store

# Submits edit after edit; acknowledges each on stdout; dies at the named point of the third.
_SUBMITTER = """
import os, sys
from pathlib import Path
from medheart_store import Store

folder, point = Path(sys.argv[1]), sys.argv[2]
with Store.open(folder) as store:
    head = store.head("image-1")
    first = store.labels(store.versions("image-1")[0].id)
    for n in range(head.number, 10_000):
        array = first.array.copy()
        array[n % 40, 0, 0] = 7
        if point and n == 3:
            os.environ["MEDHEART_CRASH_AT"] = point
        version = store.add_version(
            first.with_array(array), image="image-1", author="ann", origin="edited", base=head.id, expect_head=True
        )
        head = version
        print(version.id, version.number, version.digest, flush=True)
"""


def _submit(folder: Path, point: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _SUBMITTER, str(folder), point]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def _check(folder: Path, acknowledged: list[list[str]], *, unacknowledged: int) -> None:
    with sqlite3.connect(folder / "store.sqlite") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with Store.open(folder) as store:
        versions = store.versions("image-1")
        kept = [[version.id, str(version.number), version.digest] for version in versions[1:]]
        assert kept[: len(acknowledged)] == acknowledged
        assert len(kept) - len(acknowledged) <= unacknowledged
        assert [version.number for version in versions] == list(range(1, len(versions) + 1))
        assert store.head("image-1") == versions[-1]
        first = store.labels(versions[0].id).array
        for version in versions[1:]:
            expected = first.copy()
            expected[(version.number - 1) % 40, 0, 0] = 7
            assert np.array_equal(store.labels(version.id).array, expected)
            assert store.events(version.id)[0].value == "submitted"


@pytest.fixture
def folder(store: Store, label: Callable[..., LabelMap], tmp_path: Path) -> Path:
    store.add_version(label((5, 30, 4, 20, 3, 25, 1)), image="image-1", author="ann", origin="manual")
    store.close()
    return tmp_path / "store"


@pytest.mark.parametrize(
    ("point", "kept"), [("after_blob", 0), ("after_manifest", 0), ("before_commit", 0), ("after_commit", 1)]
)
def test_death_at_each_point(folder: Path, point: str, kept: int) -> None:
    child = _submit(folder, point)
    lines = [line.split() for line in child.communicate(timeout=60)[0].splitlines()]
    assert child.returncode == -signal.SIGKILL
    assert len(lines) == 2
    _check(folder, lines, unacknowledged=kept)
    with Store.open(folder) as store:
        assert len(store.versions("image-1")) == 3 + kept
        head = store.head("image-1")
        again = store.add_version(
            store.labels(head.id), image="image-1", author="bob", origin="edited", base=head.id, expect_head=True
        )
        assert again.number == 4 + kept


def test_death_at_any_moment(folder: Path) -> None:
    acknowledged: list[list[str]] = []
    generator = np.random.default_rng(11)
    for _ in range(3):
        child = _submit(folder, "")
        assert child.stdout is not None
        acknowledged.append(child.stdout.readline().split())
        time.sleep(generator.uniform(0.05, 0.4))
        child.kill()
        acknowledged += [line.split() for line in child.communicate()[0].splitlines() if line.count(" ") == 2]
        with Store.open(folder) as store:
            late = store.versions("image-1")[len(acknowledged) + 1 :]
        assert len(late) <= 1
        acknowledged += [[version.id, str(version.number), version.digest] for version in late]
    _check(folder, acknowledged, unacknowledged=0)
