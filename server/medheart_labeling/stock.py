"""MONAI Label's own application, made fit to stand behind the door.

Importing MONAI Label costs about 15 s of CPU; nothing else in this package imports it, but `app`,
`datastore` and `stock_tasks`, which are imported from here.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

from medheart.errors import MedHeartError
from medheart_access import identity_of
from medheart_labeling.bridge import ThreadedASGI
from medheart_labeling.replies import handlers, on_error
from medheart_labeling.routes.auth import stock_roles

if TYPE_CHECKING:
    from medheart_labeling.backend import Backend

__all__ = ["allow_pydicom_3", "load_stock"]

_APP_DIR = Path(__file__).parent / "monailabel_app"


def allow_pydicom_3() -> None:
    """Let MONAI Label 0.8.5 be imported beside pydicom 3.

    Its dependency pydicom-seg 0.4.1 imports a private module that pydicom 3 no longer has; all that it
    wants of it are UIDs, which `pydicom.uid` has. To be called before the first import of `monailabel`.
    """
    import pydicom.uid

    sys.modules.setdefault("pydicom._storage_sopclass_uids", pydicom.uid)


def load_stock(backend: Backend) -> ASGIApp:
    """Import MONAI Label with our application in it and return its ASGI application.

    Its login is switched on and takes the identity that the door found, so that its own role checks
    apply, too; its CORS middleware, which lets every origin in, is taken out; its errors become JSON.
    """
    allow_pydicom_3()
    from monailabel.config import settings

    settings.MONAI_LABEL_APP_DIR = str(_APP_DIR)
    settings.MONAI_LABEL_STUDIES = str(backend.settings.store_dir)
    settings.MONAI_LABEL_AUTH_ENABLE = True
    settings.MONAI_LABEL_AUTO_UPDATE_SCORING = False
    settings.MONAI_LABEL_SESSIONS = False
    settings.MONAI_LABEL_TRACKING_ENABLED = False

    from monailabel.interfaces.utils.app import app_instance

    app_instance(conf={"backend": backend}).server_mode(True)
    from monailabel.app import app

    return ThreadedASGI(_harden(app))


def _harden(app: Any) -> Any:
    from fastapi.exceptions import RequestValidationError
    from monailabel.endpoints.user.auth import get_current_user
    from monailabel.interfaces.exception import MONAILabelException

    app.user_middleware.clear()
    app.dependency_overrides[get_current_user] = _current_user
    for kind, handler in handlers().items():
        app.add_exception_handler(kind, handler)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(MONAILabelException, _on_monai_label)
    return app


def _current_user(request: Request) -> Any:
    from monailabel.endpoints.user.auth import User

    who = identity_of(request.scope)
    return User(username=who.name, name=who.name, roles=stock_roles(who.roles))


async def _on_invalid(_: Request, error: Any) -> JSONResponse:
    """Answer a request that does not have the form of its endpoint: FastAPI's detail, and our words."""
    problems = [{"loc": list(item["loc"]), "msg": item["msg"], "type": item["type"]} for item in error.errors()]
    text = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in problems)
    return JSONResponse({"detail": problems, "code": "bad_request", "message": text}, status_code=422)


async def _on_monai_label(request: Request, error: Any) -> JSONResponse:
    """Answer MONAI Label's own exceptions: unknown names and bad input."""
    return await on_error(request, MedHeartError(str(error.msg), code="bad_request"))
