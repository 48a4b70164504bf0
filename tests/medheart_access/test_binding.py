"""Where a server may listen."""

from __future__ import annotations

import pytest

from medheart.errors import AccessError
from medheart_access import check_binding, is_loopback


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("192.168.1.5", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("2130706433", False),
    ],
)
def test_what_is_this_machine(host, is_ours):
    assert is_loopback(host) is is_ours


def test_loopback_needs_nothing():
    check_binding("127.0.0.1", can_sign_in=False, tls=False, behind_proxy=False)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"can_sign_in": False, "tls": False, "behind_proxy": False}, ["key", "TLS"]),
        ({"can_sign_in": False, "tls": True, "behind_proxy": False}, ["key"]),
        ({"can_sign_in": True, "tls": False, "behind_proxy": False}, ["--behind-proxy"]),
    ],
)
def test_other_addresses_need_login_and_tls(options, says):
    with pytest.raises(AccessError) as caught:
        check_binding("0.0.0.0", **options)
    assert all(word in caught.value.message for word in says)
    assert "\n" not in caught.value.message


def test_other_addresses_with_login_and_tls_are_fine():
    check_binding("0.0.0.0", can_sign_in=True, tls=True, behind_proxy=False)
    check_binding("::", can_sign_in=True, tls=False, behind_proxy=True)


def test_behind_a_proxy_everybody_is_somebody_else():
    with pytest.raises(AccessError, match="key"):
        check_binding("127.0.0.1", can_sign_in=False, tls=False, behind_proxy=True)
