"""Starting, watching and stopping real child processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from medheart.errors import Unavailable
from medheart.settings import Settings
from medheart.wire.service import installation
from medheart_work.readiness import PARTS, Part, get_json, is_taken
from medheart_work.supervise import _REVIVALS, Supervisor, parts_for, settings_environment


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def http_server(settings: Settings, name: str = "files") -> Part:
    """A part that is Python's own file server on the label port."""

    def ready(given: Settings) -> bool:
        return is_taken(given.host, given.label_port)

    arguments = (str(settings.label_port), "--bind", "127.0.0.1", "--directory", str(settings.home))
    return Part(name, "file server", "http.server", ready, "label_port", arguments)


@pytest.fixture
def on_free_port(tmp_path: Path) -> Settings:
    (tmp_path / "home").mkdir()
    return Settings(home=tmp_path / "home", label_port=free_port())


def test_starts_waits_and_stops(on_free_port: Settings) -> None:
    with Supervisor(on_free_port, parts=(http_server(on_free_port),), deadline_s=60) as supervisor:
        seen: list[str] = []
        supervisor.start(lambda name, _seconds: seen.append(name))
        assert seen == ["files"]
        supervisor.poll()
        assert is_taken("127.0.0.1", on_free_port.label_port)
    assert not is_taken("127.0.0.1", on_free_port.label_port)


def test_a_child_that_is_killed_is_started_again(on_free_port: Settings) -> None:
    part = http_server(on_free_port)
    with Supervisor(on_free_port, parts=(part,), deadline_s=60) as supervisor:
        supervisor.start()
        for _ in range(2):
            _kill_child(supervisor)
            assert supervisor.watch() == ["files"]
        supervisor._children[0].revivals = _REVIVALS
        _kill_child(supervisor)
        with pytest.raises(Unavailable, match="file server ended"):
            supervisor.watch()


def test_a_child_that_lived_long_has_all_its_revivals_again(on_free_port: Settings) -> None:
    with Supervisor(on_free_port, parts=(http_server(on_free_port),), deadline_s=60) as supervisor:
        supervisor.start()
        supervisor._children[0].revivals = _REVIVALS
        supervisor._children[0].started -= 3600
        _kill_child(supervisor)
        assert supervisor.watch() == ["files"]
        assert supervisor._children[0].revivals == 1


def _kill_child(supervisor: Supervisor) -> None:
    (child,) = supervisor._children
    assert child.process is not None
    child.process.kill()
    child.process.wait(10)


def test_what_runs_already_is_left_alone(on_free_port: Settings) -> None:
    part = http_server(on_free_port)
    with Supervisor(on_free_port, parts=(part,)) as first:
        first.start()
        with Supervisor(on_free_port, parts=(part,)) as second:
            second.start()
        assert is_taken("127.0.0.1", on_free_port.label_port)


def test_a_child_that_dies_is_told_with_its_log(on_free_port: Settings) -> None:
    part = Part("broken", "broken part", "this_module_does_not_exist", lambda _: False)
    with pytest.raises(Unavailable, match=r"broken part ended with exit code 1(?s:.*)this_module_does_not_exist"):
        Supervisor(on_free_port, parts=(part,), deadline_s=60).start()


def test_a_child_that_never_answers_is_stopped(on_free_port: Settings) -> None:
    part = Part("mute", "mute part", "http.server", lambda _: False, arguments=(str(on_free_port.label_port),))
    with pytest.raises(Unavailable, match="does not answer"):
        Supervisor(on_free_port, parts=(part,), deadline_s=2).start()
    assert not is_taken("127.0.0.1", on_free_port.label_port)


def test_a_port_of_another_program_is_named(on_free_port: Settings) -> None:
    part = Part("label", "label server", "http.server", lambda _: False, "label_port")
    with socket.socket() as other:
        other.bind(("127.0.0.1", on_free_port.label_port))
        other.listen()
        # Nobody accepts, so that asking who it is would wait: close at once instead.
        with pytest.raises(Unavailable, match=rf"port {on_free_port.label_port}.*MEDHEART_LABEL_PORT"):
            _start_while_refusing(on_free_port, part, other)


def _start_while_refusing(settings: Settings, part: Part, other: socket.socket) -> None:
    def refuse() -> None:
        while True:
            try:
                other.accept()[0].close()
            except OSError:
                return

    threading.Thread(target=refuse, daemon=True).start()
    Supervisor(settings, parts=(part,), deadline_s=5).start()


def test_children_die_with_a_killed_supervisor(on_free_port: Settings) -> None:
    script = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); import test_supervise as t;"
        "from medheart.settings import Settings; s = Settings.load();"
        "sup = t.Supervisor(s, parts=(t.http_server(s),), deadline_s=60); sup.start(); print('up', flush=True);"
        "time.sleep(60)"
    )
    environment = {**os.environ, **settings_environment(on_free_port)}
    command = [sys.executable, "-c", script, str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    deadline = time.monotonic() + 20
    while is_taken("127.0.0.1", on_free_port.label_port) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_taken("127.0.0.1", on_free_port.label_port)


def test_settings_reach_the_child(on_free_port: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings_environment(on_free_port).items():
        monkeypatch.setenv(name, value)
    assert Settings.load() == on_free_port


def test_nothing_listening_is_no_json() -> None:
    assert get_json("http://127.0.0.1:1/livez") is None


def test_a_program_that_speaks_no_http_is_no_json(on_free_port: Settings) -> None:
    with socket.create_server(("127.0.0.1", on_free_port.label_port)) as other:

        def babble() -> None:
            connection, _ = other.accept()
            connection.recv(1000)
            connection.sendall(b"220 mail.example ESMTP\r\n")
            connection.close()

        threading.Thread(target=babble, daemon=True).start()
        assert get_json(f"{on_free_port.label_url}/livez") is None


def test_a_folder_of_studies_is_the_label_servers(tmp_path) -> None:
    by_name = {part.name: part.arguments for part in parts_for(once=False, studies=tmp_path)}
    assert by_name["label"][-2:] == ("--studies", str(tmp_path))
    assert not any("--studies" in arguments for name, arguments in by_name.items() if name != "label")
    assert not any("--studies" in part.arguments for part in parts_for(once=False))


class _OtherHome(BaseHTTPRequestHandler):
    """Answers as a server of another home folder does."""

    home, status = Path("/elsewhere"), 200

    def do_GET(self) -> None:
        word = "alive" if self.path == "/livez" else "ready"
        body = json.dumps({"status": word, "installation": installation(self.home)}).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("port", ["label_port", "service_port"])
def test_what_serves_another_home_is_not_ours_however_ready(on_free_port: Settings, port: str) -> None:
    (part,) = [part for part in PARTS if part.port_setting == port]
    settings = replace(on_free_port, **{port: on_free_port.label_port})
    with ThreadingHTTPServer(("127.0.0.1", on_free_port.label_port), _OtherHome) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert not part.ready(settings)
        assert part.serves_another(settings)
        _OtherHome.home = settings.home
        try:
            assert part.ready(settings)
            assert not part.serves_another(settings)
            _OtherHome.status = 503
            assert not part.serves_another(settings)
        finally:
            _OtherHome.home, _OtherHome.status = Path("/elsewhere"), 200
        server.shutdown()


def test_port_of_another_home_is_named_at_once(on_free_port: Settings) -> None:
    part = Part("label", "label server", "http.server", lambda _: False, "label_port")
    with ThreadingHTTPServer(("127.0.0.1", on_free_port.label_port), _OtherHome) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started = time.monotonic()
        with pytest.raises(Unavailable, match=r"another MEDHEART_HOME than .*home; .* MEDHEART_LABEL_PORT") as caught:
            Supervisor(on_free_port, parts=(part,), deadline_s=120).start()
        assert time.monotonic() - started < 60
        assert caught.value.code == "port_taken"
        server.shutdown()
