"""The realm that the real Keycloak starts with: our roles, our client, nothing that takes a password in the clear."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import requests

from medheart_access import ROLES

pytestmark = pytest.mark.services


@pytest.fixture
def keycloak(real_service: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    return real_service("keycloak")


def token_of(keycloak: dict[str, Any], password: str) -> requests.Response:
    form = {"grant_type": "password", "client_id": "admin-cli", "username": keycloak["user"], "password": password}
    return requests.post(f"{keycloak['url']}/realms/master/protocol/openid-connect/token", data=form, timeout=30)


def test_only_the_password_of_the_first_start_opens_it(keycloak: dict[str, Any]) -> None:
    assert token_of(keycloak, "admin").status_code == 401
    assert token_of(keycloak, keycloak["password"]).status_code == 200


def test_roles_contain_those_below_them(keycloak: dict[str, Any]) -> None:
    header = {"Authorization": f"Bearer {token_of(keycloak, keycloak['password']).json()['access_token']}"}
    realm = f"{keycloak['url']}/admin/realms/medheart"
    for below, role in itertools.pairwise(ROLES):
        inside = requests.get(f"{realm}/roles/{role}/composites", headers=header, timeout=30).json()
        assert [one["name"] for one in inside] == [below]


def test_the_client_may_use_the_two_flows_and_no_other(keycloak: dict[str, Any]) -> None:
    told = requests.get(f"{keycloak['issuer']}/.well-known/openid-configuration", timeout=30).json()
    assert told["issuer"] == keycloak["issuer"]
    client = {"client_id": keycloak["client_id"]}
    challenge = base64.urlsafe_b64encode(hashlib.sha256(b"v" * 64).digest()).decode().rstrip("=")
    proof = {"code_challenge": challenge, "code_challenge_method": "S256"}
    asked = requests.post(told["device_authorization_endpoint"], data={**client, **proof}, timeout=30)
    assert asked.json()["user_code"]
    login = {**client, "response_type": "code", "redirect_uri": "http://127.0.0.1:8080/", "scope": "openid"}
    page = requests.get(told["authorization_endpoint"], params={**login, **proof}, allow_redirects=False, timeout=30)
    assert page.status_code == 200
    assert "kc-form-login" in page.text

    refused = requests.post(told["device_authorization_endpoint"], data=client, timeout=30)
    assert refused.status_code == 400
    bare = requests.get(told["authorization_endpoint"], params=login, allow_redirects=False, timeout=30)
    assert "error=invalid_request" in bare.headers["location"], "a login without PKCE is refused"
    form = {**client, "grant_type": "password", "username": "x", "password": "y"}
    assert requests.post(told["token_endpoint"], data=form, timeout=30).json()["error"] == "unauthorized_client"
