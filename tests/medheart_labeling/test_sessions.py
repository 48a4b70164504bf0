"""Sessions: safe uploads, expiry, survival of a restart."""

from __future__ import annotations

import json
import os
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from medheart.errors import Busy, ImageRejected, MedHeartError, NotFound
from medheart.geometry import Geometry
from medheart.volume import Volume
from medheart_io import write_volume
from medheart_labeling.sessions import MAX_EXPIRY_S, Sessions

GRID = Geometry.from_parts(shape=(3, 4, 5), spacing=(1, 2, 3))


@pytest.fixture
def upload(tmp_path):
    """Return a function that makes an image file to upload."""

    def make(name="upload-0.nii.gz"):
        folder = tmp_path / "uploads"
        folder.mkdir(exist_ok=True)
        return write_volume(folder / name, Volume(np.arange(60, dtype=np.int16).reshape(GRID.shape), GRID))

    return make


def test_a_session_lives_on_after_a_restart_and_ends(tmp_path, upload):
    info = Sessions(tmp_path / "sessions").add([upload()])
    again = Sessions(tmp_path / "sessions")
    assert again.volume(info["name"]).geometry.matches(GRID)
    assert again.remove(info["name"])["name"] == info["name"]
    assert list((tmp_path / "sessions").iterdir()) == []
    with pytest.raises(NotFound):
        again.get(info["name"])


def test_what_has_expired_is_not_found_and_then_removed(tmp_path, upload):
    sessions = Sessions(tmp_path / "sessions")
    info = sessions.add([upload()], expiry=60)
    path = tmp_path / "sessions" / info["name"] / "session.json"
    path.write_text(json.dumps({**info, "last_access_ts": time.time() - 61}))
    with pytest.raises(NotFound):
        sessions.get(info["name"])
    assert sessions.remove_expired() == 1
    assert not path.exists()


def test_what_is_over_goes_by_itself_and_what_is_being_made_stays(tmp_path, upload):
    sessions = Sessions(tmp_path / "sessions")
    info = sessions.add([upload()])
    expired, left, fresh = (tmp_path / "sessions" / name for name in (info["name"], "left", "fresh"))
    (expired / "session.json").write_text(json.dumps({**info, "last_access_ts": 0}))
    for folder in (left, fresh):
        (folder / "files").mkdir(parents=True)
    os.utime(left, (0, 0))
    sessions.keep_swept()
    until = time.monotonic() + 20
    while (expired.exists() or left.exists()) and time.monotonic() < until:
        time.sleep(0.01)
    sessions.close()
    assert list((tmp_path / "sessions").iterdir()) == [fresh]


def test_many_at_once_may_remove_the_same(tmp_path, upload):
    sessions = Sessions(tmp_path / "sessions")
    for _ in range(4):
        info = sessions.add([upload()])
        path = tmp_path / "sessions" / info["name"] / "session.json"
        path.write_text(json.dumps({**info, "last_access_ts": 0}))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: sessions.remove_expired(), range(16)))
    assert list((tmp_path / "sessions").iterdir()) == []


def test_a_disk_without_room_takes_no_session(tmp_path):
    sessions = Sessions(tmp_path / "sessions")
    sessions.check_room(1)
    with pytest.raises(Busy) as caught:
        sessions.check_room(1 << 60)
    assert caught.value.code == "disk_full"


def test_nobody_keeps_a_session_for_ever(tmp_path, upload):
    assert Sessions(tmp_path / "sessions").add([upload()], expiry=10**9)["expiry"] == MAX_EXPIRY_S


def test_what_is_no_image_leaves_nothing_behind(tmp_path):
    sessions, path = Sessions(tmp_path / "sessions"), tmp_path / "upload-0"
    path.write_bytes(b"nothing")
    with pytest.raises(ImageRejected):
        sessions.add([path])
    assert list((tmp_path / "sessions").iterdir()) == []


def test_an_archive_that_leads_outside_is_refused(tmp_path, upload):
    archive = tmp_path / "upload-0.zip"
    with zipfile.ZipFile(archive, "w") as stream:
        stream.write(upload(), "../../outside.nii.gz")
    with pytest.raises(ImageRejected):
        Sessions(tmp_path / "sessions").add([archive])
    assert not (tmp_path / "outside.nii.gz").exists()


@pytest.mark.parametrize("name", ["..", "a/b", "", "x" * 65])
def test_only_ids_are_looked_up(tmp_path, name):
    with pytest.raises(MedHeartError):
        Sessions(tmp_path / "sessions").get(name)


def test_no_file_is_no_session(tmp_path):
    with pytest.raises(MedHeartError, match="at least one"):
        Sessions(tmp_path / "sessions").add([])
