"""`/datastore/image`: upload, download, look."""

from __future__ import annotations

import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from medheart.errors import MedHeartError, NotFound
from medheart_labeling.ids import id_from_filename
from medheart_labeling.routes.common import (
    annotator,
    backend_of,
    in_thread,
    in_worker,
    json_object,
    query,
    read_form,
    saved,
    upload,
)

__all__ = ["get_image", "head_image", "put_image"]

_HASHES = ("SHA256", "SHA512", "MD5")


async def put_image(request: Request) -> Response:
    """Import an uploaded image."""
    backend = await backend_of(request)
    async with read_form(request) as form:
        file = upload(form, "file")
        params = json_object(form.get("params"), "params")
        async with saved(file) as paths:
            image = await in_worker(
                backend.cases.add,
                paths[0],
                image=request.query_params.get("image") or None,
                name=id_from_filename(file.filename),
                params={**params, "user": annotator(request, params.get("client_id"))},
            )
    return JSONResponse({"image": image})


async def get_image(request: Request) -> Response:
    """Send the NIfTI file of an image."""
    backend, image = await backend_of(request), query(request, "image")
    path = await in_worker(backend.cases.file, image)
    who = annotator(request)
    await in_thread(backend.labels.shown_image, who, image)
    await in_thread(backend.worklist.touch, image, who)
    return FileResponse(path, media_type="application/octet-stream", filename=f"{image}.nii.gz")


async def head_image(request: Request) -> Response:
    """Say whether an image is there, and with `check_sum` whether its file is the one meant."""
    backend, image = await backend_of(request), query(request, "image")
    wanted = request.query_params.get("check_sum")
    if not wanted:
        await in_thread(backend.cases.series, image)
    elif not await in_thread(_has_sum, await in_thread(backend.cases.file, image), wanted):
        raise NotFound(f"the file of image {image!r} has another check sum")
    return JSONResponse({})


def _has_sum(path: Path, wanted: str) -> bool:
    algorithm, _, digest = wanted.rpartition(":")
    if (algorithm or _HASHES[0]) not in _HASHES:
        raise MedHeartError(f"check_sum must be one of {list(_HASHES)}, got {algorithm!r}", code="bad_request")
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, (algorithm or _HASHES[0]).lower()).hexdigest()
    return found == digest.lower()
