"""Limited inflating, and writing whole files or none."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from pathlib import Path

import numpy as np
import pytest

from medheart.errors import ImageRejected
from medheart_io import streams
from medheart_io.streams import check_size, inflate, read_voxels, replacing

PATH = Path("packed.dcm")


def code_of(error: pytest.ExceptionInfo[ImageRejected]) -> str:
    return error.value.code


@pytest.mark.parametrize(
    ("wbits", "pack"), [(15, zlib.compress), (31, gzip.compress), (47, gzip.compress), (47, zlib.compress)]
)
def test_inflates_what_was_packed(wbits: int, pack: object) -> None:
    data = os.urandom(3 * 2**20)
    assert inflate(pack(data), PATH, wbits=wbits) == data  # type: ignore[operator]


def test_stops_at_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "ALLOWANCE", 2**20)
    packed = zlib.compress(bytes(50 * 2**20))
    with pytest.raises(ImageRejected, match=r"packed\.dcm") as caught:
        inflate(packed, PATH, wbits=15)
    assert code_of(caught) == "bomb"


def test_the_budget_grows_with_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "ALLOWANCE", 2**10)
    data = bytes(100 * 2**10) + os.urandom(2**10)
    assert inflate(zlib.compress(data), PATH, wbits=15) == data


def test_cut_and_too_long() -> None:
    packed = zlib.compress(os.urandom(1000))
    with pytest.raises(ImageRejected) as caught:
        inflate(packed[:-20], PATH, wbits=15)
    assert code_of(caught) == "truncated"
    with pytest.raises(ImageRejected) as caught:
        inflate(packed, PATH, wbits=15, limit=999)
    assert code_of(caught) == "size_mismatch"


def test_a_limit_that_was_checked_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A label map of many empty slices inflates to a thousand times its size, as its header says."""
    monkeypatch.setattr(streams, "ALLOWANCE", 2**10)
    assert inflate(zlib.compress(bytes(2**20)), PATH, wbits=15, limit=2**20) == bytes(2**20)


def test_inflating_copies_no_more_than_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """zlib copies what a call leaves over: of the whole rest, the time grows with the square of the size."""
    given: list[int] = []

    class Engine:
        """Counts what zlib is given."""

        def __init__(self, wbits: int) -> None:
            self._real = decompressobj(wbits)

        def decompress(self, data: bytes, size: int) -> bytes:
            given.append(len(data))
            return self._real.decompress(data, size)

        def __getattr__(self, name: str) -> object:
            return getattr(self._real, name)

    decompressobj = zlib.decompressobj
    monkeypatch.setattr(streams.zlib, "decompressobj", Engine)
    data = os.urandom(5 * 2**20)
    assert inflate(zlib.compress(data), PATH, wbits=15) == data
    assert max(given) <= 2**20


def test_declared_sizes_are_held_against_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(bytes(16))
    assert check_size((2, 2, 2), "<i2", path, compressed=False) == 16
    with pytest.raises(ImageRejected) as caught:
        check_size((2, 2, 3), "<i2", path, compressed=False)
    assert code_of(caught) == "truncated"
    with pytest.raises(ImageRejected) as caught:
        check_size((4096, 4096, 64), "<i2", path, compressed=True)
    assert code_of(caught) == "bomb"
    assert check_size((4096, 4096, 64), "u1", path, compressed=True, allowance=streams.LABEL_ALLOWANCE) == 2**30


def test_voxels_in_either_byte_order() -> None:
    values = np.arange(8, dtype=">i4")
    array = read_voxels(io.BytesIO(values.tobytes()), (2, 2, 2), ">i4", PATH, exact=True)
    assert array.dtype.isnative
    np.testing.assert_array_equal(array, values.reshape(2, 2, 2))


def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.nii.gz"
    with replacing(path) as temporary:
        assert temporary.name.endswith(".nii.gz")
        assert not path.exists()
        temporary.write_text("first")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("second")
        raise RuntimeError
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


def test_files_are_as_readable_as_others(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.touch()
    with replacing(tmp_path / "a") as temporary:
        temporary.touch()
    assert (tmp_path / "a").stat().st_mode == other.stat().st_mode
