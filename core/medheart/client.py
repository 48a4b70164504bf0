"""Client of the label server: stock MONAI Label REST, plus MedHeart's progress and cancel.

Works against any MONAI Label server; what only ours offers (progress, cancel, versions) is used
where the server says that it has it. Needs `requests`, which 3D Slicer bundles.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from medheart.errors import Busy, Cancelled, Conflict, MedHeartError, NotFound, Unavailable

__all__ = ["InferResult", "LabelServer", "Progress"]

_ERRORS: dict[int, type[MedHeartError]] = {404: NotFound, 409: Conflict, 429: Busy, 503: Unavailable}
_POLL_S = 0.25


@dataclass(frozen=True)
class Progress:
    """State of an inference: `state` word, `position` in the queue, `done` of `total` tiles, `seconds_left`."""

    state: str
    position: int = 0
    done: int = 0
    total: int = 0
    seconds_left: float | None = None


@dataclass(frozen=True)
class InferResult:
    """Reply of an inference: `params` of the server and the bytes of the label file."""

    params: dict[str, Any]
    label: bytes | None


class LabelServer:
    """A MONAI Label server.

    Parameters
    ----------
    url : str
        Address, e.g. `http://127.0.0.1:8000`.
    client_id : str
        Name under which this client submits labels and takes cases.
    token : str, optional
        Bearer token or key, where the server asks for one.
    timeout_s : float
        Seconds without an answer after which a call fails; inference waits ten times as long.
    """

    def __init__(
        self, url: str, *, client_id: str = "medheart", token: str | None = None, timeout_s: float = 60
    ) -> None:
        self.url = url.rstrip("/")
        self.client_id = client_id
        self.timeout_s = timeout_s
        self._session = requests.Session()
        self._session.trust_env = False
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def info(self) -> dict[str, Any]:
        """Return `/info/`: name, labels, models, trainers, strategies, datastore."""
        return self._json("GET", "/info/")

    def has_image(self, image: str) -> bool:
        """Return whether the server has an image of this id."""
        try:
            self._call("HEAD", "/datastore/image", params={"image": image})
        except NotFound:
            return False
        return True

    def upload_image(self, path: Path, *, image_id: str | None = None, params: dict[str, Any] | None = None) -> str:
        """Upload an image file or zipped DICOM folder; return its id on the server.

        `params` are facts of the image that its file does not hold, e.g. `{"modality": "MR"}`.
        """
        query = {"image": image_id} if image_id else {}
        with path.open("rb") as stream:
            files = {"file": (path.name, stream, "application/octet-stream")}
            data = {"params": json.dumps({"client_id": self.client_id, **(params or {})})}
            reply = self._json("PUT", "/datastore/image", params=query, files=files, data=data)
        return str(reply["image"])

    def infer(
        self,
        model: str,
        image: str,
        *,
        params: dict[str, Any] | None = None,
        progress: Callable[[Progress], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> InferResult:
        """Segment one image of the server.

        Parameters
        ----------
        model : str
            Model (task) id.
        image : str
            Image id.
        params : dict, optional
            Extra inference parameters, e.g. `{"save_label": True}`.
        progress : callable, optional
            Called with a `Progress` about four times a second, from this thread.
        cancelled : callable, optional
            Asked as often; true cancels on the server and raises `Cancelled`.

        Returns
        -------
        InferResult
            `label` is the file in the format asked for by `result_extension` (.nii.gz by default).
        """
        request = uuid.uuid4().hex
        body = {"result_extension": ".nii.gz", "client_id": self.client_id, "request_id": request, **(params or {})}
        form = {"params": json.dumps(body)}
        answer: list[InferResult | Exception] = []

        def call() -> None:
            """Ask for the segmentation; the reply or its error, of whatever kind, lands in `answer`."""
            try:
                query = {"image": image, "output": "all"}
                where = f"/infer/{quote(model, safe='')}"
                reply = self._call("POST", where, params=query, data=form, timeout=self.timeout_s * 10)
                answer.append(_parse_infer(reply))
            except Exception as error:
                answer.append(error)

        thread = threading.Thread(target=call, name=f"infer-{request[:8]}", daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(_POLL_S)
            if thread.is_alive():
                self._watch(request, progress, cancelled)
        if isinstance(answer[0], Exception):
            raise answer[0]
        return answer[0]

    def submit_label(
        self,
        image: str,
        path: Path,
        *,
        tag: str = "final",
        label_info: list[dict[str, Any]] | None = None,
        params: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Submit a label file for an image; `label_info` lists `{"name", "idx"}` per segment."""
        body = {"label_info": label_info or [], "client_id": self.client_id, **(params or {})}
        with path.open("rb") as stream:
            files = {"label": (path.name, stream, "application/octet-stream")}
            query = {"image": image, "tag": tag}
            return self._json("PUT", "/datastore/label", params=query, files=files, data={"params": json.dumps(body)})

    def next_sample(self, strategy: str = "first", *, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask for the next case; an empty dict means that there is none."""
        body = {"client_id": self.client_id, **(params or {})}
        return self._json("POST", f"/activelearning/{quote(strategy, safe='')}", json=body)

    def request_state(self, request: str) -> Progress | None:
        """Return the progress of a running inference, or None where the server does not tell."""
        try:
            data = self._json("GET", f"/medheart/requests/{request}")
        except (NotFound, Unavailable):
            return None
        return Progress(**{key: data[key] for key in Progress.__dataclass_fields__ if data.get(key) is not None})

    def _watch(
        self, request: str, progress: Callable[[Progress], None] | None, cancelled: Callable[[], bool] | None
    ) -> None:
        if cancelled is not None and cancelled():
            # A stock server cannot cancel: there the reply is merely not waited for.
            with suppress(NotFound):
                self._call("DELETE", f"/medheart/requests/{request}")
            raise Cancelled("the inference was cancelled")
        if progress is not None and (state := self.request_state(request)) is not None:
            progress(state)

    def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        return _object(self._call(method, path, **options).content, f"{method} {path}")

    def _call(self, method: str, path: str, **options: Any) -> requests.Response:
        try:
            reply = self._session.request(
                method, self.url + path, timeout=options.pop("timeout", self.timeout_s), **options
            )
        except requests.RequestException as error:
            raise Unavailable(f"the label server at {self.url} does not answer: {error}") from error
        if reply.status_code >= 400:
            raise _error(reply)
        return reply


def _error(reply: requests.Response) -> MedHeartError:
    try:
        data = _object(reply.content, "an error")
    except MedHeartError:
        data = {}
    message = data.get("message") or data.get("detail") or reply.reason or "error"
    kind = _ERRORS.get(reply.status_code, MedHeartError)
    return kind(f"{message} (HTTP {reply.status_code})", code=data.get("code"), status=reply.status_code)


def _object(content: bytes, what: str) -> dict[str, Any]:
    """Return a reply's JSON object; `bad_reply` where it is anything else, such as a proxy's page."""
    try:
        data = json.loads(content)
    except ValueError as error:
        raise MedHeartError(f"the label server's reply to {what} is not JSON: {error}", code="bad_reply") from error
    if not isinstance(data, dict):
        found = type(data).__name__
        raise MedHeartError(f"the label server's reply to {what} is a {found}, expected an object", code="bad_reply")
    return data


def _parse_infer(reply: requests.Response) -> InferResult:
    kind = reply.headers.get("Content-Type", "")
    if kind.startswith("application/json"):
        return InferResult(_object(reply.content, "an inference"), None)
    message = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + reply.content)
    parts = {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
        for part in message.walk()
        if not part.is_multipart()
    }
    if "params" not in parts:
        raise MedHeartError(f"the label server's reply is not an inference result: {kind!r}", code="bad_reply")
    params, label = parts["params"], parts.get("image")
    return InferResult(_object(bytes(params), "an inference"), bytes(label) if label is not None else None)
