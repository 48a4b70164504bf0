"""Hands a request over to MONAI Label's own application, once role and ids are checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import QueryParams
from starlette.types import Receive, Scope, Send

from medheart_access import identity_of
from medheart_labeling.ids import check_id, check_query

if TYPE_CHECKING:
    from medheart_labeling.startup import Startup

__all__ = ["Forward"]


class Forward:
    """An ASGI endpoint that stands for one of MONAI Label's.

    Parameters
    ----------
    role : str, optional
        Who may call it; None is everybody.
    """

    def __init__(self, role: str | None) -> None:
        self._role = role

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._role is not None:
            identity_of(scope).require(self._role)
        for name, value in scope["path_params"].items():
            if name != "path":
                check_id(name, value)
        check_query(QueryParams(scope["query_string"]).multi_items())
        startup: Startup = scope["app"].state.startup
        stock = await startup.stock()
        # What the door's router found is not MONAI Label's business.
        inner = {key: value for key, value in scope.items() if key not in {"app", "endpoint", "path_params", "router"}}
        await stock(inner, receive, send)
