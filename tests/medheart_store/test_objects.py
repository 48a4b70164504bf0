"""Objects in a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from medheart.errors import Corrupt, StoreError
from medheart_store import FolderObjects


@pytest.fixture
def objects(tmp_path: Path, clock: Any) -> FolderObjects:
    return FolderObjects(tmp_path / "objects", clock=clock)


def test_put_get_and_parts(objects: FolderObjects) -> None:
    objects.put("t/p/x", b"0123456789")
    assert objects.get("t/p/x") == b"0123456789"
    assert objects.get_ranges("t/p/x", [(7, 3), (0, 2)]) == [b"789", b"01"]
    assert objects.refresh("t/p/x")
    assert not objects.refresh("t/p/y")
    objects.put("t/a", b"")
    assert list(objects.keys("t")) == ["t/a", "t/p/x"]
    objects.delete("t/a")
    objects.delete("t/a")
    assert list(objects.keys("t")) == ["t/p/x"]


def test_missing_and_short_objects_are_damage(objects: FolderObjects) -> None:
    objects.put("t/x", b"123")
    for call in (
        lambda: objects.get("t/y"),
        lambda: objects.get_ranges("t/y", [(0, 1)]),
        lambda: objects.get_ranges("t/x", [(1, 3)]),
    ):
        with pytest.raises(Corrupt, match="t/"):
            call()


def test_nothing_half_written_stays(objects: FolderObjects, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"abc")
    with pytest.raises(StoreError, match="changed while"):
        objects.put_file("t/x", source, sha256=hashlib.sha256(b"abd").hexdigest())
    assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []
    objects.put_file("t/x", source, sha256=hashlib.sha256(b"abc").hexdigest())
    assert objects.get("t/x") == b"abc"


def test_a_truncated_object_is_mended_by_the_next_put(objects: FolderObjects, tmp_path: Path) -> None:
    objects.put("t/x", b"abc")
    (tmp_path / "objects/t/x").write_bytes(b"a")
    objects.put("t/x", b"abc")
    assert objects.get("t/x") == b"abc"


def test_second_put_makes_it_young_again(objects: FolderObjects, clock: Any) -> None:
    objects.put("t/x", b"abc")
    clock.now += 100
    assert objects.age_s("t/x") == pytest.approx(100)
    objects.put("t/x", b"abc")
    assert objects.age_s("t/x") == pytest.approx(0)


@pytest.mark.parametrize("key", ["x", "../x/y", "/etc/passwd", "a/../b", "a//b", "a/.b", ".a/b", "a/b\n", ""])
def test_keys_that_are_paths_are_refused(objects: FolderObjects, key: str) -> None:
    for call in (lambda: objects.put(key, b""), lambda: objects.get(key), lambda: objects.refresh(key)):
        with pytest.raises(StoreError, match="object key"):
            call()


def test_a_folder_that_cannot_be_written_is_one_clear_error(objects: FolderObjects, tmp_path: Path) -> None:
    (tmp_path / "objects/t").write_bytes(b"a file where a folder must be")
    with pytest.raises(StoreError, match="cannot write") as caught:
        objects.put("t/x", b"abc")
    assert caught.value.code == "not_written"
    (tmp_path / "objects/u/x").mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot read") as caught:
        objects.get("u/x")
    assert caught.value.code == "not_read"
