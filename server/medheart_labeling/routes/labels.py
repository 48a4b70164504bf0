"""`/datastore/label`: submit, download, look."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from medheart.errors import MedHeartError
from medheart_labeling.backend import Backend
from medheart_labeling.catalogue import FINAL
from medheart_labeling.labels import SEGMENTS
from medheart_labeling.results import ENDINGS
from medheart_labeling.routes.common import (
    annotator,
    backend_of,
    identity,
    in_thread,
    in_worker,
    json_object,
    query,
    read_form,
    saved,
    upload,
)

FORMATS = (*ENDINGS, SEGMENTS)

__all__ = ["get_label", "head_label", "put_label"]


async def put_label(request: Request) -> Response:
    """Keep a label file as a new version; the answer says whether it became the head or a branch."""
    backend, image = await backend_of(request), query(request, "image")
    tag = request.query_params.get("tag") or FINAL
    async with read_form(request) as form:
        params = json_object(form.get("params"), "params")
        who = annotator(request, params.get("client_id"))
        async with saved(upload(form, "label")) as paths:
            version = await in_worker(
                backend.submissions.submit,
                paths[0],
                image,
                tag=tag,
                annotator=who,
                params=params,
                aliases=[identity(request).name],
            )
    if tag == FINAL:
        await in_thread(backend.worklist.release, image, who)
    head = await in_thread(backend.store.head, image, schema_id=version.schema_id)
    branch = head is None or head.id != version.id
    answer = {"image": image, "label": image, "version": version.id, "number": version.number, "branch": branch}
    return JSONResponse(answer)


async def get_label(request: Request) -> Response:
    """Send the label of a tag, and remember which version it was; our clients may name a `format`."""
    backend = await backend_of(request)
    label, tag = query(request, "label"), request.query_params.get("tag") or FINAL
    ending = request.query_params.get("format") or FORMATS[0]
    if ending not in FORMATS:
        raise MedHeartError(f"format must be one of {list(FORMATS)}, got {ending!r}", code="bad_request")
    path, image = await in_worker(_file_of, backend, label, tag, annotator(request), ending)
    return FileResponse(path, media_type="application/octet-stream", filename=f"{image}{ending}")


async def head_label(request: Request) -> Response:
    """Say whether an image has a label of this tag."""
    backend = await backend_of(request)
    name = request.query_params.get("image") or query(request, "label")
    await in_thread(backend.labels.find, name, query(request, "tag"))
    return JSONResponse({})


def _file_of(backend: Backend, label: str, tag: str, who: str, ending: str) -> tuple[str, str]:
    version = backend.labels.find(label, tag)
    backend.labels.shown(who, version.image, version)
    backend.worklist.touch(version.image, who)
    return str(backend.labels.file(version, ending=ending)), version.image
