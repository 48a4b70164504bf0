"""Checking the store, and clearing away what nothing names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medheart.errors import Corrupt
from medheart.volume import LabelMap
from medheart_store import Store

WEEK_S = 7 * 24 * 3600


@pytest.fixture
def filled(store: Store, label: Callable[..., LabelMap], tmp_path: Path) -> Store:
    """Two versions, a document and an original file."""
    first = store.add_version(label((1, 9, 1, 9, 1, 9, 1)), image="image-1", author="ann", origin="manual")
    store.add_version(label((1, 9, 1, 9, 1, 9, 7)), image="image-1", author="ann", origin="edited", base=first.id)
    store.add_document(first.id, "report", "text/plain", b"all is well")
    (tmp_path / "scan.dcm").write_bytes(b"dicom")
    store.add_originals("image-1", [tmp_path / "scan.dcm"])
    return store


def _files(tmp_path: Path, kind: str = "*") -> list[Path]:
    return sorted(path for path in (tmp_path / "store/objects").rglob(f"{kind}/*") if path.is_file())


def test_whole_store_has_nothing_wrong(filled: Store) -> None:
    assert filled.verify() == []


@pytest.mark.parametrize("kind", ["images", "packs", "manifests", "documents", "originals"])
@pytest.mark.parametrize("missing", [False, True])
def test_every_damage_is_found(filled: Store, tmp_path: Path, kind: str, missing: bool) -> None:
    path = _files(tmp_path, kind)[0]
    if missing:
        path.unlink()
    else:
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert len(filled.verify()) >= 1


def test_only_what_nothing_names_is_cleared_and_only_when_old(filled: Store, tmp_path: Path, clock: Any) -> None:
    named = _files(tmp_path)
    scope = named[0].parent.parent
    filled._objects.put(f"{scope.relative_to(tmp_path / 'store/objects').as_posix()}/packs/{'0' * 64}", b"left behind")
    assert filled.collect_garbage() == []
    clock.now += WEEK_S + 1
    (gone,) = filled.collect_garbage()
    assert gone.endswith("/packs/" + "0" * 64)
    assert _files(tmp_path) == named
    assert filled.verify() == []


def test_half_written_files_are_cleared_when_old(filled: Store, tmp_path: Path, clock: Any) -> None:
    named = _files(tmp_path)
    half = named[0].with_name(".tmp-abc")
    half.write_bytes(b"half")
    os.utime(half, (clock.now, clock.now))
    filled.collect_garbage()
    assert half.exists()
    clock.now += WEEK_S + 1
    filled.collect_garbage()
    assert not half.exists()
    assert _files(tmp_path) == named


def test_what_is_put_again_or_goes_while_the_records_are_read_is_left_alone(
    filled: Store, tmp_path: Path, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = _files(tmp_path)[0].parent.parent.relative_to(tmp_path / "store/objects").as_posix()
    again, gone, orphan = (f"{scope}/packs/{digit * 64}" for digit in "012")
    for key in (again, gone, orphan):
        filled._objects.put(key, b"left behind")
    clock.now += WEEK_S + 1
    read = filled._named

    def meanwhile() -> Any:
        named = read()
        filled._objects.put(again, b"left behind")
        filled._objects.delete(gone)
        return named

    monkeypatch.setattr(filled, "_named", meanwhile)
    assert filled.collect_garbage() == [orphan]
    assert filled._objects.get(again) == b"left behind"


def test_nothing_of_another_tenant_is_cleared(filled: Store, tmp_path: Path, clock: Any) -> None:
    clock.now += 2 * WEEK_S
    with Store.open(tmp_path / "store", tenant="elsewhere", clock=clock) as other:
        assert other.collect_garbage() == []
    assert filled.verify() == []


def test_nothing_is_cleared_where_a_manifest_is_damaged(filled: Store, tmp_path: Path, clock: Any) -> None:
    clock.now += 2 * WEEK_S
    _files(tmp_path, "manifests")[0].write_bytes(b"damaged")
    before = _files(tmp_path)
    with pytest.raises(Corrupt):
        filled.collect_garbage()
    assert _files(tmp_path) == before
