"""Frames: what goes in comes out, and what is no frame is refused."""

from __future__ import annotations

import json
import struct
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from medheart.errors import MedHeartError
from medheart.geometry import Geometry
from medheart.wire.frame import pack_frame, unpack_frame

TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]


def grid(shape: tuple[int, ...]) -> Geometry:
    k, j, i = shape
    return Geometry.from_parts(shape=(k, j, i), spacing=(0.7, 1.3, 2.9), origin=(1, -2, 3))


@given(
    array=st.sampled_from([order + name for order in "<>" for name in TYPES]).flatmap(
        lambda name: arrays(name, array_shapes(min_dims=3, max_dims=3, max_side=4))
    )
)
def test_round_trip_of_every_type_and_byte_order(array: NDArray[Any]) -> None:
    voxels, geometry, header = unpack_frame(b"".join(pack_frame(array, grid(array.shape), {"名": ["值", 1]})))
    np.testing.assert_array_equal(voxels, array)
    assert voxels.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    assert geometry == grid(array.shape)
    assert header["名"] == ["值", 1]


def test_views_are_sent_in_order() -> None:
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4).transpose(2, 0, 1)[::-1]
    np.testing.assert_array_equal(unpack_frame(b"".join(pack_frame(array, grid(array.shape))))[0], array)


def test_parts_are_small() -> None:
    array = np.zeros((3, 700, 700), np.uint16)
    assert max(map(sys.getsizeof, pack_frame(array, grid(array.shape)))) < 1.1 * 2**20


@given(st.binary(max_size=200), st.booleans())
def test_garbage_is_refused(data: bytes, begins_well: bool) -> None:
    with pytest.raises(MedHeartError) as caught:
        unpack_frame(b"MHF1" + data if begins_well else data)
    assert caught.value.code == "bad_frame"


@given(cut=st.integers(0, 400), flip=st.integers(0, 300))
def test_damaged_frames_are_refused_or_read_as_something_else(cut: int, flip: int) -> None:
    whole = bytearray(b"".join(pack_frame(np.arange(8, dtype=np.int16).reshape(2, 2, 2), grid((2, 2, 2)))))
    whole[flip % len(whole)] ^= 0x41
    for data in (whole, whole[: cut % len(whole)]):
        try:
            array, geometry, _ = unpack_frame(data)
        except MedHeartError as error:
            assert error.code == "bad_frame"
        else:
            assert array.shape == geometry.shape


def test_types_that_have_no_place_are_named() -> None:
    for name in ("bool", "complex64", "float16"):
        with pytest.raises(MedHeartError, match=name):
            next(pack_frame(np.zeros((1, 1, 1), name), grid((1, 1, 1))))


@pytest.mark.parametrize(
    "header",
    [
        {"dtype": ["<i2"], "geometry": grid((1, 1, 1)).to_dict()},
        {"dtype": "|O", "geometry": grid((1, 1, 1)).to_dict()},
        {"dtype": "<i2", "geometry": []},
        {"dtype": "<i2", "geometry": {"shape": [1e400, 1, 1], "affine_lps": []}},
        {"dtype": "<i2", "geometry": {"shape": ["a", 1, 1], "affine_lps": np.eye(4).tolist()}},
        {"dtype": "<i2", "geometry": {"shape": [9**9, 9**9, 9**9], "affine_lps": np.eye(4).tolist()}},
    ],
)
def test_headers_that_lie_are_refused(header: dict[str, Any]) -> None:
    text = json.dumps(header).encode()
    with pytest.raises(MedHeartError, match="not a frame"):
        unpack_frame(struct.pack("<4sI", b"MHF1", len(text)) + text + b"\0\0")


def test_a_deep_header_is_refused() -> None:
    text = b"[" * 100_000
    with pytest.raises(MedHeartError, match="not JSON"):
        unpack_frame(struct.pack("<4sI", b"MHF1", len(text)) + text)
