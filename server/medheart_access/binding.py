"""Where a server may listen."""

from __future__ import annotations

from ipaddress import ip_address

from medheart.errors import AccessError

__all__ = ["check_binding", "is_loopback"]


def is_loopback(host: str) -> bool:
    """Whether `host`, an address or `localhost`, is this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_binding(host: str, *, can_sign_in: bool, tls: bool, behind_proxy: bool) -> None:
    """Refuse to listen where others can reach us unprotected.

    Parameters
    ----------
    host : str
        Address to listen on.
    can_sign_in : bool
        Whether there is a key, so that login can be asked for.
    tls, behind_proxy : bool
        Whether the server has a certificate, or a proxy that has one stands before it.

    Raises
    ------
    AccessError
        If the address is not loopback and one of the two is missing; says what to do.
    """
    if is_loopback(host):
        if behind_proxy and not can_sign_in:
            raise AccessError("a proxy needs a key to sign in with: make one with `medheart users add`", code="no_key")
        return
    missing = [] if can_sign_in else ["a key to sign in with (`medheart users add`)"]
    missing += [] if tls or behind_proxy else ["TLS (--tls-cert and --tls-key) or --behind-proxy"]
    if missing:
        raise AccessError(f"will not listen on {host}, which is not loopback, without {' and '.join(missing)}")
