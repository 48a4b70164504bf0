"""The command line as a whole: help, exit codes, errors in one line, and what its start costs."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import threading
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import medheart_cli
from medheart.settings import Settings
from medheart_cli.app import VERBS, _load
from medheart_cli.verbs._options import label_server

CONTRACT = (
    "serve",
    "import",
    "export",
    "tasks",
    "segment",
    "train",
    "measure",
    "report",
    "versions",
    "doctor",
    "bench",
)


def test_every_verb_of_the_contract_is_there(medheart) -> None:
    done = medheart("--help")
    assert done.code == 0
    for verb in CONTRACT:
        assert f"\n  {verb} " in done.out


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help_with_an_example(medheart, verb: str) -> None:
    done = medheart(verb, "--help")
    assert done.code == 0
    command = _load(verb)
    helps = [done.out, *(sub.help or "" for sub in getattr(command, "commands", {}).values())]
    assert f"medheart {verb}" in "\n".join(helps)
    assert "Example" in "\n".join(helps)
    assert "--json" in done.out or all("json" in str(sub.params) for sub in command.commands.values())  # type: ignore[attr-defined]


def test_help_is_cheap_and_imports_no_verb() -> None:
    script = (
        "import sys; from medheart_cli.__main__ import main; main(['--help']);"
        "heavy = ('medheart_cli.verbs.', 'medheart_work', 'medheart_io', 'torch');"
        "print([m for m in sys.modules if m.startswith(heavy)])"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout.splitlines()[-1] == "[]"
    # Twice the promise: the machine of a test run is not quiet.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nosuch"], 2, "nosuch"),
        (["import"], 2, "PATHS"),
        (["segment", "x.nii.gz"], 2, "--output"),
        (["segment", "--input", "flair", "-o", "l.nii.gz"], 2, "ROLE=FILE"),
        (["serve", "--once"], 2, "--study"),
        (["import", "/nowhere"], 1, "/nowhere"),
        (["versions", "show", "nothing"], 1, "nothing"),
        (["tasks", "show", "nothing"], 1, "hippocampus"),
        (["export", "nothing"], 1, "nothing"),
        (["bench", "nothing"], 2, "nothing"),
        (["measure", "/nowhere.nii.gz"], 1, "/nowhere.nii.gz"),
        (["measure", "no-such-version"], 1, "no-such-version"),
    ],
)
def test_errors_are_one_line_that_names_the_cause(medheart, arguments: list[str], code: int, words: str) -> None:
    done = medheart(*arguments)
    assert done.code == code, done
    assert words in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert "Traceback" not in done.err
    assert done.out == ""


def test_an_unforeseen_error_is_one_line_and_its_trace_is_kept(medheart, monkeypatch: pytest.MonkeyPatch) -> None:
    import medheart_work.catalogue

    def fail() -> list[dict[str, str]]:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(medheart_work.catalogue, "describe_tasks", fail)
    done = medheart("tasks", "list")
    assert done.code == 1
    assert len(done.err.strip().splitlines()) == 1
    assert "planted" in (Path(os.environ["MEDHEART_HOME"]) / "logs" / "cli.log").read_text()


def test_an_unforeseen_error_in_a_home_that_cannot_be_is_one_line(medheart, monkeypatch: pytest.MonkeyPatch) -> None:
    import medheart_work.catalogue

    def fail() -> list[dict[str, str]]:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(medheart_work.catalogue, "describe_tasks", fail)
    monkeypatch.setenv("MEDHEART_HOME", "/dev/null/x")
    done = medheart("tasks", "list")
    assert (done.code, len(done.err.strip().splitlines())) == (1, 1)
    assert "planted" in done.err
    assert "/dev/null/x" in done.err


@pytest.mark.parametrize("verb", [("versions", "list", "--local"), ("users", "add", "ann"), ("export", "study-1")])
def test_a_home_that_cannot_be_is_named(medheart, monkeypatch: pytest.MonkeyPatch, verb: tuple[str, ...]) -> None:
    monkeypatch.setenv("MEDHEART_HOME", "/dev/null/x")
    done = medheart(*verb)
    assert (done.code, done.out, len(done.err.strip().splitlines())) == (1, "", 1)
    assert "/dev/null/x: cannot be made the home folder" in done.err


def test_a_label_server_port_that_speaks_no_http_has_no_label_server(
    medheart, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("MEDHEART_LABEL_PORT", str(other.getsockname()[1]))

        def babble() -> None:
            connection, _ = other.accept()
            connection.recv(1000)
            connection.sendall(b"220 mail.example ESMTP\r\n")
            connection.close()

        threading.Thread(target=babble, daemon=True).start()
        assert label_server(Settings.load()) is None


def test_texts_come_in_both_languages() -> None:
    texts = tomllib.loads((Path(medheart_cli.__file__).parent / "texts.toml").read_text(encoding="utf-8"))
    assert all(set(text) == {"en", "zh"} for text in texts.values())


def test_every_verb_has_a_file_of_its_own() -> None:
    modules = [import_module(f"medheart_cli.verbs.{module}") for module, _ in VERBS.values()]
    assert len({module.__file__ for module in modules}) == len(VERBS)
