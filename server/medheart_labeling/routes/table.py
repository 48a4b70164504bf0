"""The one table of paths: who may call what, and who answers.

Handlers are named, not imported: the door is open before the readers, the store and NumPy's friends are
loaded. `MONAI Label` stands for its own application, which answers over our datastore.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from medheart_labeling.routes.common import Handler, guarded, in_thread
from medheart_labeling.routes.forward import Forward

__all__ = ["PUBLIC", "RULES", "Rule", "body_limit", "is_public", "routes"]

STOCK = "MONAI Label"
_MIB = 1 << 20
_SMALL = 16 * _MIB
_LARGE = 8 << 30


@dataclass(frozen=True)
class Rule:
    """Who may call a path: `role` None is everybody, also unknown; `handler` is `module:function` of `routes`.

    `unchecked` names query parameters that are ids only sometimes; the handler checks them.
    """

    methods: str
    path: str
    role: str | None
    handler: str
    limit: int = _SMALL
    unchecked: frozenset[str] = frozenset()


RULES = (
    Rule("GET", "/livez", None, "state:livez"),
    Rule("GET", "/readyz", None, "state:readyz"),
    Rule("GET", "/medheart/requests/{request}", "user", "state:request_state"),
    Rule("DELETE", "/medheart/requests/{request}", "user", "state:cancel_request"),
    Rule("POST", "/medheart/leases/{image}", "annotator", "state:renew_lease"),
    Rule("DELETE", "/medheart/leases/{image}", "annotator", "state:release_lease"),
    Rule("GET", "/info/", "user", "state:info"),
    Rule("GET", "/auth/", None, "auth:state"),
    Rule("POST", "/auth/token", None, "auth:sign_in", _MIB),
    Rule("GET", "/auth/token/valid", None, "auth:check_token"),
    Rule("POST", "/infer/wsi/{model}", "user", STOCK),
    Rule("POST", "/infer/wsi_v2/{model}", "user", STOCK),
    Rule("POST", "/infer/{model}", "user", "infer:infer", _LARGE, frozenset({"image"})),
    Rule("GET", "/batch/infer", "user", "work:batch_state"),
    Rule("DELETE", "/batch/infer", "admin", "work:stop_batch"),
    Rule("POST", "/batch/infer/{model}", "admin", "work:start_batch"),
    Rule("GET", "/train/", "user", "work:train_state"),
    Rule("POST", "/train/", "admin", "work:train_all"),
    Rule("DELETE", "/train/", "admin", "work:stop_training"),
    Rule("POST", "/train/{model}", "admin", "work:train"),
    Rule("POST", "/activelearning/{strategy}", "user", "work:next_sample"),
    Rule("GET", "/scoring/", "user", "work:scoring_state"),
    Rule("POST", "/scoring/", "annotator", "work:score_all"),
    Rule("DELETE", "/scoring/", "annotator", "work:stop_scoring"),
    Rule("POST", "/scoring/{method}", "annotator", "work:score"),
    Rule("HEAD", "/datastore/image", "user", "images:head_image"),
    Rule("GET", "/datastore/image", "user", "images:get_image"),
    Rule("PUT", "/datastore/image", "annotator", "images:put_image", _LARGE),
    Rule("DELETE", "/datastore/image", "admin", STOCK),
    Rule("GET", "/datastore/image/info", "user", STOCK),
    Rule("PUT", "/datastore/image/info", "annotator", STOCK),
    Rule("HEAD", "/datastore/label", "user", "labels:head_label"),
    Rule("GET", "/datastore/label", "user", "labels:get_label"),
    Rule("PUT", "/datastore/label", "annotator", "labels:put_label", _LARGE),
    Rule("DELETE", "/datastore/label", "admin", STOCK),
    Rule("GET", "/datastore/label/info", "user", STOCK),
    Rule("PUT", "/datastore/label/info", "annotator", STOCK),
    Rule("PUT", "/datastore/updatelabelinfo", "annotator", STOCK),
    Rule("GET", "/datastore/dataset", "annotator", STOCK),
    Rule("GET", "/datastore/", "user", STOCK),
    Rule("PUT", "/datastore/", "annotator", "images:put_image", _LARGE),
    Rule("DELETE", "/datastore/", "admin", STOCK),
    Rule("PUT", "/session/", "user", "sessions:put_session", _LARGE),
    Rule("GET", "/session/{session}", "user", "sessions:get_session"),
    Rule("DELETE", "/session/{session}", "user", "sessions:delete_session"),
    Rule("GET", "/model/info/{model}", "admin", STOCK),
    Rule("GET", "/model/{model}", "admin", STOCK),
    Rule("PUT DELETE", "/model/{model}", "admin", "system:no_weights"),
    Rule("GET", "/logs/", "admin", "system:logs"),
    Rule("GET", "/logs/gpu", "admin", "system:gpu"),
    Rule("GET POST", "/proxy/dicom/{path:path}", "user", "system:no_archive"),
    Rule("GET", "/", "user", STOCK),
    Rule("GET", "/docs", "user", STOCK),
    Rule("GET", "/openapi.json", "user", STOCK),
    Rule("GET", "/favicon.ico", None, STOCK),
    Rule("GET", "/static/{path:path}", "user", STOCK),
    Rule("GET", "/ohif/{path:path}", "user", STOCK),
)

PUBLIC = frozenset(rule.path for rule in RULES if rule.role is None)


def is_public(path: str) -> bool:
    """Whether a path needs no identity."""
    return path in PUBLIC


def body_limit(method: str, path: str) -> int:
    """Return how many bytes a request may have."""
    for rule in RULES:
        if method in rule.methods.split() and path in {rule.path, rule.path.rstrip("/")}:
            return rule.limit
    return _LARGE if method == "POST" and path.startswith("/infer/") else _SMALL


def routes() -> list[BaseRoute]:
    """Return the routes of the door, in the order of the table."""
    return [_route(rule) for rule in RULES]


def _route(rule: Rule) -> Route:
    if rule.handler == STOCK:
        route = Route(rule.path, Forward(rule.role), methods=rule.methods.split())
    else:
        handler = guarded(rule.role, _named(rule.handler), unchecked=rule.unchecked)
        route = Route(rule.path, handler, methods=rule.methods.split())
    if "HEAD" not in rule.methods and route.methods is not None:
        # Starlette adds HEAD to GET; here HEAD has rules of its own.
        route.methods.discard("HEAD")
    return route


def _named(name: str) -> Handler:
    async def serve(request: Request) -> Response:
        handler = await in_thread(_find, name)
        return await handler(request)

    return serve


@cache
def _find(name: str) -> Handler:
    module, function = name.split(":")
    handler: Handler = getattr(import_module(f"medheart_labeling.routes.{module}"), function)
    return handler
