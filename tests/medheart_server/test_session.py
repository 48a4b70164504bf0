"""Signing in on the page: key, cookie, second token, end."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from medheart.settings import Settings
from medheart_access import Access
from medheart_server.app import create_app
from medheart_server.routes.session import is_secure

SESSION = "/api/v1/session"


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def browser(settings) -> Iterator[TestClient]:
    """Return a browser on this machine, at the page of a new installation."""
    app = create_app(settings)
    with TestClient(app, base_url="http://127.0.0.1:8080", client=("127.0.0.1", 5)) as client:
        yield client


def add_key(settings, role="annotator") -> str:
    return Access.open(settings).keys.add("dr.li", role)


def test_without_keys_the_local_owner_works_without_a_session(browser) -> None:
    facts = browser.get(SESSION).json()
    assert (facts["login_required"], facts["signed_in"], facts["name"]) == (False, False, "local")
    assert "admin" in facts["roles"]
    assert browser.get("/api/v1/studies").status_code == 200


def test_signing_in_and_out(settings, browser) -> None:
    key = add_key(settings)
    assert browser.get(SESSION).json()["name"] is None
    assert browser.get("/api/v1/studies").status_code == 401
    assert browser.get("/").status_code == 200, "the page itself is there, so that one can sign in"
    reply = browser.post(SESSION, json={"key": f" {key}\n"})
    assert reply.status_code == 200
    assert key not in reply.text
    facts = browser.get(SESSION).json()
    assert (facts["name"], facts["roles"], facts["signed_in"]) == ("dr.li", ["user", "annotator"], True)
    assert browser.get("/api/v1/studies").status_code == 200
    token = dict(browser.cookies)
    refused = browser.delete(SESSION)
    assert (refused.status_code, refused.json()["code"]) == (403, "bad_csrf")
    assert browser.delete(SESSION, headers={"X-CSRF-Token": facts["csrf"]}).status_code == 204
    assert not browser.cookies
    browser.cookies.update(token)
    assert browser.get("/api/v1/studies").status_code == 401, "ended on the server, not only in the browser"


def test_the_cookie_is_for_the_browser_alone(settings, browser) -> None:
    cookie = browser.post(SESSION, json={"key": add_key(settings)}).headers["set-cookie"]
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/"} <= parts
    assert not any(part.startswith(("domain", "max-age", "expires")) for part in parts)
    assert re.match(r"medheart-[0-9a-f]{8}=[\w-]{43};", cookie)


@pytest.mark.parametrize(
    ("scheme", "host", "secure"),
    [("http", "127.0.0.1:8080", False), ("https", "127.0.0.1", True), ("http", "pacs.example", True)],
)
def test_away_from_this_machine_the_cookie_travels_by_tls_only(settings, scheme, host, secure) -> None:
    scope = {"type": "http", "scheme": scheme, "path": "/", "query_string": b"", "headers": [(b"host", host.encode())]}
    assert is_secure(Request(scope)) is secure


def test_changing_something_needs_the_second_token(settings, browser) -> None:
    csrf = browser.post(SESSION, json={"key": add_key(settings)}).json()["csrf"]
    files = [("files", ("a.txt", b"no image"))]
    assert browser.post("/api/v1/studies", files=files).json()["code"] == "bad_csrf"
    assert browser.post("/api/v1/studies", files=files, headers={"X-CSRF-Token": csrf}).status_code == 202


def test_signing_in_anew_ends_the_old_session(settings, browser) -> None:
    csrf = browser.post(SESSION, json={"key": add_key(settings)}).json()["csrf"]
    old = dict(browser.cookies)
    browser.post(SESSION, json={"key": add_key(settings, "user")}, headers={"X-CSRF-Token": csrf})
    assert browser.get(SESSION).json()["roles"] == ["user"]
    browser.cookies.clear()
    browser.cookies.update(old)
    assert browser.get("/api/v1/studies").status_code == 401


def test_a_role_keeps_its_limits(settings, browser) -> None:
    csrf = browser.post(SESSION, json={"key": add_key(settings, "user")}).json()["csrf"]
    reply = browser.post("/api/v1/studies", files=[("files", ("a", b"x"))], headers={"X-CSRF-Token": csrf})
    assert (reply.status_code, reply.json()["code"]) == (403, "not_allowed")


def test_wrong_keys_are_slowed_down(settings, browser) -> None:
    add_key(settings)
    for _ in range(10):
        reply = browser.post(SESSION, json={"key": "mh_guess"})
        assert (reply.status_code, reply.json()["code"]) == (401, "not_signed_in")
    reply = browser.post(SESSION, json={"key": "mh_guess"})
    assert (reply.status_code, reply.json()["code"]) == (429, "too_many_tries")
    assert int(reply.headers["retry-after"]) in range(1, 61)


@pytest.mark.parametrize("body", [{}, {"key": 5}, {"key": None}, []])
def test_what_is_no_sign_in_is_refused_without_an_echo(settings, browser, body) -> None:
    assert browser.post(SESSION, json=body).status_code == 422


def test_another_page_cannot_sign_anybody_in(settings, browser) -> None:
    reply = browser.post(SESSION, json={"key": add_key(settings)}, headers={"Origin": "http://evil.example"})
    assert reply.status_code == 403
    assert "set-cookie" not in reply.headers


def test_no_reply_tells_where_something_lies(settings, browser) -> None:
    path = settings.home / "access" / "keys.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("no keys")
    for address in ("/api/v1/studies", SESSION):
        reply = browser.get(address)
        assert reply.json()["code"] == "bad_key_file"
        assert "keys.json" in reply.text
        assert str(settings.home) not in reply.text
