"""A real HTTP server that speaks MONAI Label's wire format."""

from __future__ import annotations

import json
import threading
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from MedHeartLib.Nrrd import readNrrd, writeNrrd

from medheart.geometry import Geometry
from medheart.schema import load_schema

LABELS = {label.name: label.value for label in load_schema("brain-tumour").labels}
MODEL = {
    "type": "segmentation",
    "labels": LABELS,
    "description": "Brain tumour",
    "status": "research",
    "modality": "MR",
    "inputs": ["flair", "t1c"],
}


class Server(ThreadingHTTPServer):
    """Keeps images, labels everything above 50 as oedema, and can be told to misbehave."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.images: dict[str, tuple[np.ndarray, Geometry]] = {}
        self.params: dict[str, Any] = {}
        self.uploads: list[dict[str, Any]] = []
        self.labels: list[tuple[np.ndarray, Geometry, dict[str, Any]]] = []
        self.models = {"brain-tumour": MODEL}
        self.head = "v1"
        self.made = {"id": "v1", "state": "draft"}
        self.hold = threading.Event()
        self.hold.set()
        self.shift_mm = 0.0


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args: object) -> None:
        """Keep the test's output quiet."""

    def form(self) -> dict[str, bytes]:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.headers["Content-Type"]
        if "multipart" not in kind:
            return {name: value[0].encode() for name, value in parse_qs(body.decode()).items()}
        message = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
        return {
            str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
            for part in message.walk()
            if not part.is_multipart()
        }

    def reply(self, body: bytes, kind: str = "application/json", status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def json(self, data: Any, status: int = 200) -> None:
        self.reply(json.dumps(data).encode(), status=status)

    def answer(self) -> None:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        image = query.get("image", [""])[0]
        if path == "/info/":
            self.json({"models": self.server.models})
        elif path == "/datastore/image" and self.command == "HEAD":
            self.reply(b"", status=200 if image in self.server.images else 404)
        elif path == "/datastore/image":
            form = self.form()
            self.server.images[image] = readNrrd(form["file"], image)
            self.server.uploads.append(json.loads(form["params"]))
            self.json({"image": image})
        elif path.startswith("/infer/"):
            self.infer(image)
        elif path == "/datastore/label":
            self.keep()
        elif path.startswith("/medheart/requests/"):
            if self.command == "DELETE":
                self.server.hold.set()
            self.json({"state": "running", "done": 1, "total": 4})

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

    def infer(self, image: str) -> None:
        self.server.params = json.loads(self.form()["params"])
        self.server.hold.wait(10)
        array, geometry = self.server.images[image]
        affine = geometry.affine.copy()
        affine[0, 3] += self.server.shift_mm
        path = self.server.folder / "result.nrrd"
        # As stock MONAI Label does: floats, where no other type is asked for.
        dtype = np.dtype(self.server.params.get("result_dtype", "float32"))
        writeNrrd(path, ((array > 50) * 2).astype(dtype), Geometry(geometry.shape, affine))
        params = json.dumps({"label_names": LABELS, "version": self.server.made}).encode()
        self.reply(
            b'--XX\r\nContent-Disposition: form-data; name="params"\r\nContent-Type: application/json\r\n\r\n'
            + params
            + b'\r\n--XX\r\nContent-Disposition: form-data; name="image"; filename="r.nrrd"\r\n'
            + b"Content-Type: application/octet-stream\r\n\r\n"
            + path.read_bytes()
            + b"\r\n--XX--\r\n",
            "multipart/form-data; boundary=XX",
        )

    def keep(self) -> None:
        form = self.form()
        params = json.loads(form["params"])
        if params.get("base", self.server.head) != self.server.head:
            self.json({"detail": "the head has moved", "code": "conflict"}, status=409)
            return
        self.server.labels.append((*readNrrd(form["label"], "label"), params))
        self.server.head = f"v{len(self.server.labels) + 1}"
        self.json({"image": "x", "label": "x", "version": self.server.head})
