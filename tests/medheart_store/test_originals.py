"""The files an image came in."""

from __future__ import annotations

from pathlib import Path

import pytest

from medheart.errors import Conflict, Corrupt, NotFound, StoreError
from medheart_store import Store


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "in"
    paths = []
    for n, name in enumerate(["a/IM0001", "b/IM0001", "scan.mhd", "scan.raw", "切片 1.dcm", "..dcm", "-rf.dcm"]):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([n]) * (1000 + n))
        paths.append(path)
    return paths


def test_files_come_back_byte_for_byte_under_safe_names(store: Store, files: list[Path], tmp_path: Path) -> None:
    assert store.add_originals("image-1", files) == 7
    out = store.originals("image-1", tmp_path / "out")
    assert [path.read_bytes() for path in out] == [path.read_bytes() for path in files]
    assert {path.parent for path in out} == {tmp_path / "out"}
    assert [path.name for path in out] == [
        "original-000000", "original-000001", "scan.mhd", "scan.raw", "切片 1.dcm",
        "original-000005.dcm", "original-000006.dcm",
    ]  # fmt: skip


def test_same_files_again_change_nothing_and_others_are_refused(
    store: Store, files: list[Path], tmp_path: Path
) -> None:
    store.add_originals("image-1", files)
    store.add_originals("image-1", list(reversed(files)))
    assert len(store.originals("image-1", tmp_path / "out")) == 7
    with pytest.raises(Conflict, match="other original files"):
        store.add_originals("image-1", files[:2])


def test_bad_calls_are_refused(store: Store, files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no original files"):
        store.add_originals("image-1", [])
    with pytest.raises(StoreError, match="gone"):
        store.add_originals("image-1", [tmp_path / "gone.dcm"])
    with pytest.raises(NotFound):
        store.add_originals("none", files)
    assert store.originals("image-1", tmp_path / "out") == []


def test_a_damaged_original_is_not_handed_out(store: Store, files: list[Path], tmp_path: Path) -> None:
    store.add_originals("image-1", files[2:3])
    (kept,) = (tmp_path / "store").rglob("originals/*")
    kept.write_bytes(b"x" + kept.read_bytes()[1:])
    with pytest.raises(Corrupt, match=r"scan\.mhd"):
        store.originals("image-1", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
