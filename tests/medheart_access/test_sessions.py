"""Sessions of browsers, by themselves and through the middleware."""

from __future__ import annotations

import sqlite3
import stat

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from medheart.errors import NotAllowed
from medheart_access import Access, AccessMiddleware, KeyFile, Sessions, identity_of


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def keys(tmp_path):
    """Return the keys of a new installation."""
    return KeyFile(tmp_path / "access" / "keys.json")


@pytest.fixture
def clock():
    """Return a clock to set."""
    return Clock()


@pytest.fixture
def sessions(tmp_path, keys, clock):
    """Return sessions that last 100 s, or 20 s unused."""
    return Sessions(tmp_path / "access" / "sessions.sqlite", keys, lifetime_s=100, idle_s=20, clock=clock)


def begin(keys, sessions, name="ann"):
    return sessions.begin(keys.find(keys.add(name, "annotator")))


def test_a_session_stands_for_its_key_until_it_ends(keys, sessions):
    token = begin(keys, sessions)
    assert sessions.find(token).identity.name == "ann"
    assert sessions.find(token[:-1]) is None
    sessions.end(token)
    assert sessions.find(token) is None


def test_other_processes_see_the_same_sessions(tmp_path, keys, sessions, clock):
    token = begin(keys, sessions)
    other = Sessions(tmp_path / "access" / "sessions.sqlite", KeyFile(keys.path), clock=clock)
    assert other.find(token).identity.name == "ann"


def test_it_ends_unused_and_in_any_case(keys, sessions, clock):
    token = begin(keys, sessions)
    clock.now += 19
    assert sessions.find(token)
    clock.now += 1
    assert sessions.find(token) is None, "idle for 20 s"


def test_use_prolongs_it_up_to_its_lifetime(tmp_path, keys, clock):
    sessions = Sessions(tmp_path / "s.sqlite", keys, lifetime_s=1000, idle_s=200, clock=clock)
    token = begin(keys, sessions)
    for _ in range(9):
        clock.now += 110
        assert sessions.find(token)
    clock.now += 10
    assert sessions.find(token) is None


def test_revoking_the_key_ends_it(keys, sessions):
    token = begin(keys, sessions)
    keys.revoke(keys.list()[0].id)
    assert sessions.find(token) is None


def test_the_file_holds_no_token_and_is_the_owners(tmp_path, keys, sessions):
    token = begin(keys, sessions)
    path = tmp_path / "access" / "sessions.sqlite"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert token.encode() not in path.read_bytes()
    assert sessions.find(token).csrf.encode() not in path.read_bytes()


def test_ended_ones_are_forgotten(tmp_path, keys, sessions, clock):
    begin(keys, sessions)
    clock.now += 101
    begin(keys, sessions, "bob")
    with sqlite3.connect(tmp_path / "access" / "sessions.sqlite") as database:
        assert database.execute("SELECT count(*) FROM sessions").fetchone() == (1,)


def test_the_second_token_is_compared(keys, sessions):
    session = sessions.find(begin(keys, sessions))
    session.check_csrf(session.csrf)
    for wrong in (None, "", session.csrf[:-1], "ä"):
        with pytest.raises(NotAllowed, match="x-csrf-token"):
            session.check_csrf(wrong)


async def who(scope, receive, send):
    """Answer with the name of who asks."""
    await PlainTextResponse(identity_of(scope).name)(scope, receive, send)


def test_the_middleware_takes_a_cookie_and_asks_for_the_header_to_change_something(keys, sessions):
    app = AccessMiddleware(who, access=Access(keys), is_public=lambda _path: False, sessions=sessions)
    client = TestClient(app, base_url="http://127.0.0.1:8080", client=("127.0.0.1", 1))
    token = begin(keys, sessions)
    assert client.get("/").status_code == 401
    client.cookies.set(sessions.cookie, token)
    assert client.get("/").text == "ann"
    refused = client.post("/")
    assert (refused.status_code, refused.json()["code"]) == (403, "bad_csrf")
    assert client.delete("/", headers={"X-CSRF-Token": "0" * 64}).status_code == 403
    csrf = {"X-CSRF-Token": sessions.find(token).csrf}
    assert client.post("/", headers=csrf).text == "ann"
    evil = {**csrf, "Origin": "http://evil.example"}
    assert client.post("/", headers=evil).status_code == 403


def test_a_key_needs_no_second_token(keys, sessions):
    app = AccessMiddleware(who, access=Access(keys), is_public=lambda _path: False, sessions=sessions)
    client = TestClient(app, base_url="http://127.0.0.1:8080", client=("127.0.0.1", 1))
    key = keys.add("bob", "annotator")
    assert client.post("/", headers={"Authorization": f"Bearer {key}"}).text == "bob"


def test_without_sessions_a_cookie_is_nothing(keys, sessions):
    app = AccessMiddleware(who, access=Access(keys), is_public=lambda _path: False)
    client = TestClient(app, base_url="http://127.0.0.1:8080", client=("127.0.0.1", 1))
    client.cookies.set(sessions.cookie, begin(keys, sessions))
    assert client.get("/").status_code == 401
