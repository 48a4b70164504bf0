"""No reply tells where something lies on the server; its log does."""

from __future__ import annotations

from pathlib import Path

import pytest

import medheart_models
from medheart.settings import Settings
from medheart_models.exports import export_folder
from medheart_models.tasks import load_task

PACKAGE = Path(medheart_models.__file__).resolve().parent.parent


def assert_tells_no_folder(text: str, server) -> None:
    """No reply holds a folder of the installation, of the package or of temporary files."""
    for folder in (server.home, server.home.resolve(), PACKAGE, Path.home() / ".medheart", Path("/tmp")):
        assert str(folder) not in text


@pytest.fixture
def own_server(launch_server):
    """Return a server with a model host of its own, without any exported network."""
    server = launch_server("--monai-label", "demand")
    server.wait_for("store", seconds=60)
    server.wait_for("model_host", seconds=60)
    return server


def test_what_is_missing_or_broken_on_the_server(own_server, bright_cube):
    image = own_server.put_image(bright_cube(size=40))
    missing = own_server.infer("hippocampus", image)
    assert missing.status_code >= 400
    assert missing.json()["code"] == "export_missing"
    assert "is not exported yet" in missing.json()["message"]
    assert_tells_no_folder(missing.text, own_server)

    folder = export_folder(load_task("hippocampus"), Settings(home=own_server.home))
    folder.mkdir(parents=True)
    (folder / "model.xml").write_text("<net this is no network")
    (folder / "model.bin").write_bytes(b"\0" * 16)
    broken = own_server.infer("hippocampus", image)
    assert broken.status_code >= 400
    assert broken.json()["code"] == "model_unusable"
    assert_tells_no_folder(broken.text, own_server)

    log = (own_server.home / "logs" / "host.log").read_text()
    assert str(folder / "model.xml") in log, "who runs the server finds the place in its log"

    keys = own_server.home / "access" / "keys.json"
    keys.parent.mkdir()
    keys.write_text("no keys")
    refused = own_server.call("GET", "/info/")
    assert refused.json()["code"] == "bad_key_file"
    assert "keys.json: not a file of keys" in refused.json()["message"]
    assert_tells_no_folder(refused.text, own_server)


def test_uploads_that_cannot_be_read(server):
    for name, data in (("a.nii.gz", b"no image"), ("b.zip", b"PK\x03\x04 no archive"), ("c.nrrd", b"NRRD0004\n")):
        reply = server.call("PUT", "/datastore/image", files={"file": (name, data)})
        assert reply.status_code >= 400, name
        assert_tells_no_folder(reply.text, server)
