"""Signing in with a key, from a browser: the key is exchanged for a session's cookie."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, SecretStr

from medheart.errors import NotSignedIn
from medheart.wire.service import PREFIX
from medheart_access import Identity, Session, identity_of, is_loopback, session_of
from medheart_server.context import Context, InContext

__all__ = ["PATH", "is_secure", "router"]

PATH = f"{PREFIX}/session"

router = APIRouter(tags=["session"])


class SigningIn(BaseModel):
    """Body of a sign-in."""

    key: SecretStr


@router.get("/session")
def show_session(request: Request, context: InContext) -> dict[str, Any]:
    """Say who is signed in, and whether anybody needs to be; a page asks this first."""
    try:
        who = identity_of(request.scope)
    except NotSignedIn:
        return _facts(context, None, None)
    return _facts(context, who, session_of(request.scope))


@router.post("/session")
def sign_in(body: SigningIn, request: Request, context: InContext) -> JSONResponse:
    """Exchange a key for a session: a cookie that scripts cannot read and other sites cannot send.

    Too many wrong keys from one address are answered with 429 and `Retry-After`.
    """
    address = request.client.host if request.client else ""
    key = context.access.check(body.key.get_secret_value().strip(), address=address)
    _end(request, context)
    token = context.sessions.begin(key)
    reply = JSONResponse(_facts(context, key.identity, context.sessions.find(token)))
    reply.set_cookie(context.sessions.cookie, token, secure=is_secure(request), httponly=True, samesite="strict")
    return reply


@router.delete("/session", status_code=204)
def sign_out(request: Request, context: InContext) -> Response:
    """End the session; the same for who has none."""
    _end(request, context)
    reply = Response(status_code=204)
    reply.delete_cookie(context.sessions.cookie, secure=is_secure(request), httponly=True, samesite="strict")
    return reply


def _end(request: Request, context: Context) -> None:
    if token := request.cookies.get(context.sessions.cookie):
        context.sessions.end(token)


def is_secure(request: Request) -> bool:
    """Whether the cookie must travel by TLS only: everywhere but on this machine itself."""
    return request.url.scheme == "https" or not is_loopback(request.url.hostname or "")


def _facts(context: Context, who: Identity | None, session: Session | None) -> dict[str, Any]:
    return {
        "login_required": context.access.login_required,
        "signed_in": session is not None,
        "name": who.name if who else None,
        "roles": list(who.roles) if who else [],
        "csrf": session.csrf if session else None,
        "ends": session.ends if session else None,
    }
