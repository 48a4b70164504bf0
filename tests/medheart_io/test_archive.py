"""Zip archives: nothing leaves the folder, nothing inflates without end."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from medheart.errors import ImageRejected
from medheart_io import archive, unpack_zip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inner = tmp_path / "out" / "inner"
    inner.mkdir(parents=True)
    return inner


def pack(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in members:
            target.writestr(name, data)
    return path


def test_folders_are_kept(tmp_path: Path, folder: Path) -> None:
    written = unpack_zip(pack(tmp_path / "a.zip", ("a/b.dcm", b"1"), ("c.dcm", b"2")), folder)
    assert [(path.relative_to(folder).as_posix(), path.read_bytes()) for path in written] == [
        ("a/b.dcm", b"1"),
        ("c.dcm", b"2"),
    ]


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "\\evil", "..\\evil", "C:evil"])
def test_names_that_lead_outside(name: str, tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ImageRejected, match="outside") as caught:
        unpack_zip(pack(tmp_path / "a.zip", (name, b"1")), folder)
    assert caught.value.code == "outside_path"
    assert not list(tmp_path.rglob("*evil*"))


def test_links(tmp_path: Path, folder: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(ImageRejected, match="link") as caught:
        unpack_zip(pack(tmp_path / "a.zip", (link, b"/etc/passwd")), folder)
    assert caught.value.code == "outside_path"


def test_a_zip_in_a_zip(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ImageRejected, match="another zip"):
        unpack_zip(pack(tmp_path / "a.zip", ("b.zip", b"1")), folder)


def test_a_bomb(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_ALLOWANCE", 4 * 2**20)
    path = pack(tmp_path / "a.zip", ("zeros", bytes(12 * 2**20)))
    assert path.stat().st_size < 2**15
    with pytest.raises(ImageRejected) as caught:
        unpack_zip(path, folder)
    assert caught.value.code == "bomb"
    assert (folder / "zeros").stat().st_size <= 4 * 2**20


def test_two_members_of_one_name(tmp_path: Path, folder: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        path = pack(tmp_path / "a.zip", ("a", b"1"), ("a", b"2"))
    with pytest.raises(ImageRejected):
        unpack_zip(path, folder)


def test_damaged(tmp_path: Path, folder: Path) -> None:
    path = pack(tmp_path / "a.zip", ("a", b"1" * 1000))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ImageRejected) as caught:
        unpack_zip(path, folder)
    assert caught.value.code == "unreadable"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_inflate_a_member_at_once_are_refused(method: int, tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as target:
        target.writestr("a.dcm", bytes(2**16))
    with pytest.raises(ImageRejected, match=f"method {method}") as caught:
        unpack_zip(path, folder)
    assert caught.value.code == "bad_archive"
    assert not list(folder.iterdir())
