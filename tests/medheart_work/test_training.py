"""Following a child process, with small modules in place of the training."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from medheart.errors import Cancelled, ModelError, TaskError
from medheart.settings import Settings
from medheart_models.training.progress import TrainingProgress
from medheart_work.training import run_child, train_in_child

START = """
import sys, time
from pathlib import Path
from medheart_models.training.progress import ProgressLog
log = ProgressLog(Path(sys.argv[sys.argv.index("--progress") + 1]), epochs=2)
log.begin("training", "training")
step = log.steps_of_phase(before=0, epochs=2)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Make a module that a child can run; returns its name."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def make(body: str) -> str:
        (tmp_path / "small_training.py").write_text(START + body)
        return "small_training"

    return make


def never() -> bool:
    return False


def test_progress_is_passed_on_up_to_its_last_line(module, tmp_path: Path) -> None:
    seen: list[tuple[TrainingProgress, list[str]]] = []
    name = module("step(1, 2, 0.5); time.sleep(1); step(2, 2, 0.25)\n")
    run_child(name, [], tmp_path / "run", "x", cancelled=never, follow=lambda *now: seen.append(now))
    assert [now.epochs_done for now, _ in seen][-1] == 2
    assert {now.epochs_done for now, _ in seen} >= {1, 2}
    assert seen[-1][1] == ["training", "epoch 1/2  loss 0.5000", "epoch 2/2  loss 0.2500"]


def test_a_child_that_fails_says_why(module, tmp_path: Path) -> None:
    name = module("sys.exit('no more memory')\n")
    with pytest.raises(ModelError, match=r"training of 'x' failed: no more memory \(log in .*train\.log\)"):
        run_child(name, [], tmp_path / "run", "x", cancelled=never, follow=lambda *_: None)


def test_a_cancel_ends_the_child_within_seconds(module, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    name = module(f"import os\nPath({str(pid)!r}).write_text(str(os.getpid()))\ntime.sleep(120)\n")
    started = time.monotonic()
    with pytest.raises(Cancelled):
        run_child(name, [], tmp_path / "run", "x", cancelled=pid.exists, follow=lambda *_: None)
    assert time.monotonic() - started < 30
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends the child with its parent on Linux only")
def test_a_killed_parent_leaves_no_training_behind(module, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    name = module(f"import os\nPath({str(pid)!r}).write_text(str(os.getpid()))\ntime.sleep(120)\n")
    parent = f"""
from pathlib import Path
from medheart_work.training import run_child
run_child({name!r}, [], Path({str(tmp_path / "run")!r}), "x", cancelled=lambda: False, follow=lambda *_: None)
"""
    process = subprocess.Popen([sys.executable, "-c", parent])
    until = time.monotonic() + 60
    while not (pid.exists() and pid.read_text()):
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    state = Path(f"/proc/{pid.read_text()}/stat")
    while state.exists() and state.read_text().split()[2] != "Z":
        assert time.monotonic() < until
        time.sleep(0.05)


def test_an_unknown_task_is_refused_before_a_child_starts(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="no-such-task"):
        train_in_child(settings, "no-such-task", tmp_path)
    assert not (settings.home / "training").exists()
