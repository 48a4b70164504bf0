"""Locks that end with their process."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from medheart.errors import MedHeartError
from medheart_work.files import locked, only_one


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    with locked(tmp_path) as first, locked(tmp_path) as second:
        assert (first, second) == (True, False)
    with locked(tmp_path) as again:
        assert again


def test_a_second_process_of_a_kind_is_refused_or_waits(tmp_path: Path) -> None:
    lock = tmp_path / "run" / "worker.lock"
    with only_one(lock, "job worker"):
        with (
            pytest.raises(MedHeartError, match=r"worker\.lock: a job worker of this home") as caught,
            only_one(lock, "job worker", wait_s=0.2),
        ):
            pytest.fail("there were two")
        assert caught.value.code == "already_running"
    held, done = threading.Event(), threading.Event()

    def first() -> None:
        with only_one(lock, "job worker"):
            held.set()
            time.sleep(0.3)
            done.set()

    threading.Thread(target=first, daemon=True).start()
    assert held.wait(30)
    with only_one(lock, "job worker", wait_s=30):
        assert done.is_set()


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    lock = tmp_path / "worker.lock"
    script = (
        "import sys, time; from pathlib import Path; from medheart_work.files import only_one\n"
        "with only_one(Path(sys.argv[1]), 'job worker'): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(lock)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.kill()
    with only_one(lock, "job worker"):
        pass
