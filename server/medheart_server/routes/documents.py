"""Documents of versions: reports, measurements, pictures."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from medheart.records import Document
from medheart_server.context import Context, InContext

__all__ = ["SANDBOX", "deliver", "router"]

router = APIRouter(tags=["documents"])

SANDBOX = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; sandbox"


@router.get("/documents/{document_id}")
def show_document(document_id: str, context: InContext) -> Response:
    """Return a document's content."""
    return deliver(context, context.store.document(document_id))


def deliver(context: Context, document: Document) -> Response:
    """Return a document; whatever it holds, it runs no script and reaches no other host."""
    headers = {"Content-Security-Policy": SANDBOX, "ETag": f'"{document.sha256}"'}
    media_type = f"{document.media_type}; charset=utf-8" if document.media_type == "text/html" else document.media_type
    return Response(context.store.document_data(document.id), media_type=media_type, headers=headers)
