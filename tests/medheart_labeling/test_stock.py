"""What MONAI Label's own endpoints answer, over our datastore, through the bridge."""

from __future__ import annotations

import concurrent.futures
import io
import json
import subprocess
import sys
import textwrap
import zipfile

import pytest

ANTERIOR = "hippocampus_anterior"


@pytest.fixture
def labelled(stock_server, bright_cube, slabs):
    """Return an image with a final label."""
    volume = bright_cube()
    image = stock_server.put_image(volume)
    reply = stock_server.put_label(
        slabs(volume, **{ANTERIOR: (1, 3)}), image, model="hippocampus", client_id="stock", note="by a test"
    )
    assert reply.status_code == 200, reply.text
    return image


def test_the_datastore_tells_images_and_labels(stock_server, labelled):
    stats = stock_server.call("GET", "/datastore/").json()
    assert stats["total"] >= 1
    assert stats["completed"] >= 1
    everything = stock_server.call("GET", "/datastore/", params={"output": "all"}).json()
    assert everything["objects"][labelled]["labels"]["final"]["info"]["author"] == "stock"
    pairs = stock_server.call("GET", "/datastore/", params={"output": "train"}).json()
    assert all(set(pair) == {"image", "label"} for pair in pairs)


def test_info_of_images_and_labels_is_kept(stock_server, labelled):
    for path, query in (
        ("/datastore/image/info", {"image": labelled}),
        ("/datastore/label/info", {"label": labelled, "tag": "final"}),
    ):
        put = stock_server.call("PUT", path, params=query, data={"info": json.dumps({"level": "easy"})})
        assert put.status_code == 200, put.text
        assert stock_server.call("GET", path, params=query).json()["level"] == "easy"


def test_the_dataset_comes_as_a_zip(stock_server, labelled):
    reply = stock_server.call("GET", "/datastore/dataset")
    with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
        names = archive.namelist()
        assert labelled in json.loads(archive.read("metadata.json"))["objects"]
    assert any(name.startswith("image/") for name in names)
    assert any(name.startswith("label/") for name in names)


def test_removing_hides_and_destroys_nothing(stock_server, labelled):
    query = {"id": labelled, "tag": "final"}
    version = stock_server.call("GET", "/datastore/label/info", params={"label": labelled, "tag": "final"}).json()
    assert stock_server.call("DELETE", "/datastore/label", params=query).status_code == 200
    gone = stock_server.call("GET", "/datastore/label", params={"label": labelled, "tag": "final"})
    assert gone.status_code == 404
    kept = stock_server.call("GET", "/datastore/label", params={"label": version["version"], "tag": "final"})
    assert kept.status_code == 200
    assert stock_server.call("DELETE", "/datastore/image", params={"id": labelled}).status_code == 200
    assert stock_server.call("GET", "/datastore/image", params={"image": labelled}).status_code == 404


def test_errors_of_monai_label_are_json(stock_server):
    for method, path, status in (
        ("GET", "/datastore/image/info?image=nothing", 404),
        ("GET", "/datastore/image/info", 422),
        ("GET", "/datastore/?output=nonsense", 422),
        ("DELETE", "/datastore/label?id=nothing&tag=final", 404),
        ("POST", "/infer/wsi_v2/nothing?image=nothing", 400),
        ("GET", "/model/nothing", 404),
    ):
        reply = stock_server.call(method, path)
        assert reply.status_code == status, (path, reply.text)
        assert {"detail", "code", "message"} <= set(reply.json())


def test_weights_are_never_overwritten_in_place(stock_server):
    reply = stock_server.call("PUT", "/model/hippocampus", files={"file": ("model.pt", b"x")})
    assert (reply.status_code, reply.json()["code"]) == (403, "not_allowed")


def test_many_requests_at_a_time(stock_server, labelled):
    def ask(n):
        return stock_server.call("GET", "/datastore/image/info", params={"image": labelled}).status_code

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        assert set(pool.map(ask, range(36))) == {200}


def test_pages_of_monai_label_are_there(stock_server):
    for path in ("/", "/docs", "/openapi.json"):
        assert stock_server.call("GET", path).status_code == 200


@pytest.mark.slow
def test_monai_labels_own_role_checks_take_our_identity(tmp_path):
    """Without the door before it: 401 without identity, 200 with, 403 with the wrong role."""
    code = """
        from pathlib import Path
        from starlette.testclient import TestClient
        from medheart.settings import Settings
        from medheart_access import Identity
        from medheart_labeling.backend import Backend
        from medheart_labeling.stock import load_stock

        raw = load_stock(Backend.open(Settings(home=Path(HOME)))).app

        def ask(identity, path):
            async def app(scope, receive, send):
                if scope["type"] == "http" and identity is not None:
                    scope["medheart.identity"] = identity
                await raw(scope, receive, send)
            return TestClient(app, raise_server_exceptions=False).get(path)

        assert ask(None, "/datastore/").status_code == 401
        assert ask(Identity("u", "user"), "/datastore/").status_code == 200
        wrong = ask(Identity("u", "user"), "/model/hippocampus")
        assert wrong.status_code == 403 and wrong.json()["code"] == "not_allowed", wrong.text
        assert ask(Identity("a", "admin"), "/model/hippocampus").status_code in (200, 404)
        print("all as it should be")
    """
    source = f"HOME = {str(tmp_path)!r}\n{textwrap.dedent(code)}"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=250, check=False)
    assert "all as it should be" in done.stdout, done.stderr
