"""`/auth/`: how a stock client signs in. Its login box takes any name and, as password, a key.

While no key is needed the paths answer 404, which a stock client takes for "no login".
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from medheart.errors import NotFound, NotSignedIn
from medheart_access import Access
from medheart_labeling.routes.common import in_thread, read_form

__all__ = ["check_token", "sign_in", "state"]


async def state(request: Request) -> Response:
    """Say that login is needed."""
    await _access(request)
    return JSONResponse({"enabled": True, "client_id": "medheart", "realm": "medheart"})


async def sign_in(request: Request) -> Response:
    """Check the key sent as password, and give it back as the token to use."""
    access = await _access(request)
    async with read_form(request, max_files=0) as form:
        token = form.get("password")
    if not isinstance(token, str):
        raise NotSignedIn("the password must be a key of this server")
    access.check(token, address=request.client.host if request.client else "")
    return JSONResponse({"access_token": token, "token_type": "bearer"})


async def check_token(request: Request) -> Response:
    """Say who a token stands for."""
    access = await _access(request)
    who = access.identify(request.headers.get("authorization"), from_here=False)
    return JSONResponse({"username": who.name, "email": None, "name": who.name, "roles": stock_roles(who.roles)})


def stock_roles(roles: tuple[str, ...]) -> list[str]:
    """Return roles under the names that stock MONAI Label has for them."""
    return [f"monailabel-{role}" for role in roles]


async def _access(request: Request) -> Access:
    access: Access = request.app.state.access
    if not await in_thread(lambda: access.login_required):
        raise NotFound("no login is needed")
    return access
