"""A frame: an array on its grid, with a header, as one run of bytes.

::

    offset  0    4 bytes   "MHF1"
    offset  4    4 bytes   n, unsigned, little-endian
    offset  8    n bytes   JSON object, UTF-8: "dtype", "geometry", and what the sender adds
    offset  8+n  rest      voxels, C order (K, J, I), little-endian
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart.errors import MedHeartError
from medheart.geometry import Geometry

__all__ = ["pack_frame", "unpack_frame"]

_MAGIC = b"MHF1"
_HEAD = struct.Struct("<4sI")
_HEADER_LIMIT = 1 << 20
_DTYPES = frozenset({"|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f4", "<f8"})
_PART = 1 << 20


def pack_frame(array: NDArray[Any], geometry: Geometry, header: Mapping[str, Any] | None = None) -> Iterator[bytes]:
    """Yield a frame in parts of at most 1 MiB.

    Parameters
    ----------
    array : numpy.ndarray
        (K, J, I), integer or float.
    geometry : Geometry
        Its grid.
    header : mapping, optional
        What else the header says; JSON-serialisable.

    Raises
    ------
    MedHeartError
        If the array's type has no place in a frame.
    """
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    if little.dtype.str not in _DTYPES:
        raise MedHeartError(f"an array of type {array.dtype} cannot be sent; send one of {sorted(_DTYPES)}")
    told = {**(header or {}), "dtype": little.dtype.str, "geometry": geometry.to_dict()}
    text = json.dumps(told, ensure_ascii=False).encode()
    yield _HEAD.pack(_MAGIC, len(text)) + text
    voxels = little.reshape(-1).view(np.uint8).data
    for start in range(0, len(voxels), _PART):
        yield bytes(voxels[start : start + _PART])


def unpack_frame(data: bytes | bytearray) -> tuple[NDArray[Any], Geometry, dict[str, Any]]:
    """Read a frame.

    Returns
    -------
    numpy.ndarray
        (K, J, I); a view of `data`.
    Geometry
        Its grid.
    dict
        The header.

    Raises
    ------
    MedHeartError
        `bad_frame`, if it is not a whole frame.
    """
    header, offset = _read_header(data)
    try:
        geometry = Geometry.from_dict(header["geometry"])
        name = header["dtype"]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _bad_frame(f"its header lacks or garbles a field: {error!r}") from error
    if not isinstance(name, str) or name not in _DTYPES:
        raise _bad_frame(f"dtype must be one of {sorted(_DTYPES)}, got {name!r}")
    dtype = np.dtype(name)
    k, j, i = geometry.shape
    if len(data) - offset != k * j * i * dtype.itemsize:
        raise _bad_frame(f"{geometry.shape} voxels of {name} do not take {len(data) - offset} bytes")
    return np.frombuffer(data, dtype, offset=offset).reshape(geometry.shape), geometry, header


def _read_header(data: bytes | bytearray) -> tuple[dict[str, Any], int]:
    if len(data) < _HEAD.size:
        raise _bad_frame(f"it has {len(data)} bytes")
    magic, length = _HEAD.unpack_from(data)
    offset = _HEAD.size + length
    if magic != _MAGIC or length > _HEADER_LIMIT or offset > len(data):
        raise _bad_frame("it does not begin as one")
    try:
        header = json.loads(bytes(data[_HEAD.size : offset]))
    except (ValueError, RecursionError) as error:
        raise _bad_frame(f"its header is not JSON: {error}") from error
    if not isinstance(header, dict):
        raise _bad_frame("its header is not a JSON object")
    return header, offset


def _bad_frame(why: str) -> MedHeartError:
    return MedHeartError(f"this is not a frame: {why}", code="bad_frame")
