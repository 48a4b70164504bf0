"""The middleware, around a small application."""

from __future__ import annotations

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from medheart.errors import NotSignedIn
from medheart.settings import Settings
from medheart_access import Access, AccessMiddleware, identity_of


async def who(scope, receive, send):
    """Answer with the name of who asks."""
    await PlainTextResponse(identity_of(scope).name if scope["path"] != "/open" else "open")(scope, receive, send)


@pytest.fixture
def access(tmp_path):
    """Return the access of a new installation."""
    return Access.open(Settings(home=tmp_path))


def client(access, *, address="127.0.0.1", **options):
    app = AccessMiddleware(who, access=access, is_public=lambda path: path == "/open", **options)
    return TestClient(app, base_url="http://127.0.0.1:8000", client=(address, 1))


def test_the_local_owner_passes(access):
    assert client(access).get("/").text == "local"
    assert client(access, address="::1").get("/").text == "local"


def test_another_machine_does_not(access):
    reply = client(access, address="10.0.0.7", check_host=False).get("/")
    assert (reply.status_code, reply.json()["code"]) == (401, "not_signed_in")
    assert {"detail", "message"} <= set(reply.json())


def test_a_public_path_needs_no_identity_but_the_right_host(access):
    access.keys.add("ann", "user")
    assert client(access).get("/open").text == "open"
    assert client(access).get("/open", headers={"Host": "evil.example"}).status_code == 403


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST"])
def test_names_of_this_machine(access, host):
    assert client(access).get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:8000", "0.0.0.0:8000", "", "127.0.0.1@evil", "[::1", "[x]"]
)
def test_other_names_are_refused(access, host):
    reply = client(access).get("/", headers={"Host": host})
    assert (reply.status_code, reply.json()["code"]) == (403, "bad_host")


def test_the_own_origin_passes_and_no_other(access):
    own = client(access)
    assert own.get("/", headers={"Origin": "http://127.0.0.1:8000"}).status_code == 200
    for origin in ("http://evil.example", "null", "http://127.0.0.1:8001", "http://localhost:8000", "http://[::1", ""):
        assert own.get("/", headers={"Origin": origin}).status_code == 403, origin


def test_without_the_middleware_nobody_is_known():
    with pytest.raises(NotSignedIn):
        identity_of({"type": "http"})
