"""Chunks and packs of the label format `mhlab/1`.

A label array (K, J, I) is cut into chunks of 32x32x32 voxels (smaller at the far edges), C order. A
chunk of zeros is not stored. A chunk's id is the BLAKE3-128 of its little-endian bytes, salted with
dtype and shape. The new chunks of one commit form one pack::

    zstd frame, zstd frame, …            one per chunk
    id (16 bytes) offset (u64) length (u32)   one entry per chunk, little endian
    number of entries (u32)  b"mhpack/1"

Linear chunk positions count in C order over the grid of chunks.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import zstandard
from blake3 import blake3
from numpy.typing import NDArray

from medheart.errors import Corrupt

__all__ = ["Box", "Chunk", "build_pack", "chunk_boxes", "chunk_id", "decode", "encode", "pack_entries"]

SIDE = 32
Box = tuple[slice, slice, slice]
_MAGIC = b"mhpack/1"
_ENTRY = struct.Struct("<16sQI")
_LEVEL = 9


@dataclass(frozen=True)
class Chunk:
    """Where the chunk `id` lies: `length` bytes at `offset` of the pack with this SHA-256."""

    id: str
    pack: str
    offset: int
    length: int


def chunk_boxes(shape: tuple[int, ...]) -> list[Box]:
    """Return the part of an array (K, J, I) that each chunk covers, by linear position."""
    axes = [[slice(at, min(at + SIDE, size)) for at in range(0, size, SIDE)] for size in shape]
    return [(k, j, i) for k, j, i in product(*axes)]


def chunk_id(block: NDArray[Any]) -> str:
    """Return the id of a chunk: 32 hex digits."""
    salt = f"mhlab/1|{block.dtype.str}|{block.shape}|".encode()
    return blake3(salt + block.tobytes()).hexdigest(length=16)


def encode(block: NDArray[Any]) -> bytes:
    """Compress a chunk to one zstd frame."""
    return zstandard.ZstdCompressor(level=_LEVEL).compress(block.tobytes())


def decode(frame: bytes, *, expected: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Decompress a chunk and check its id.

    Raises
    ------
    Corrupt
        If the frame is damaged, or holds another chunk than `expected`.
    """
    size = int(np.prod(shape)) * dtype.itemsize
    try:
        if zstandard.get_frame_parameters(frame).content_size != size:
            raise Corrupt(f"chunk {expected} does not hold {size} bytes", chunk=expected)
        raw = zstandard.ZstdDecompressor().decompress(frame)
    except zstandard.ZstdError as error:
        raise Corrupt(f"chunk {expected} cannot be decompressed: {error}", chunk=expected) from error
    block = np.frombuffer(raw, dtype=dtype).reshape(shape)
    if chunk_id(block) != expected:
        raise Corrupt(f"chunk {expected} does not match its digest", chunk=expected)
    return block


def build_pack(frames: dict[str, bytes]) -> tuple[bytes, dict[str, tuple[int, int]]]:
    """Return the bytes of a pack and, by chunk id, (offset, length) in it."""
    places: dict[str, tuple[int, int]] = {}
    offset = 0
    for key, frame in frames.items():
        places[key] = (offset, len(frame))
        offset += len(frame)
    index = b"".join(_ENTRY.pack(bytes.fromhex(key), *place) for key, place in places.items())
    tail = struct.pack("<I", len(frames)) + _MAGIC
    return b"".join(frames.values()) + index + tail, places


def pack_entries(pack: bytes) -> Iterator[tuple[str, int, int]]:
    """Yield (chunk id, offset, length) from a pack's own index; raises Corrupt if there is none."""
    end = len(pack) - len(_MAGIC) - 4
    if end < 0 or not pack.endswith(_MAGIC):
        raise Corrupt("not a pack of mhlab/1")
    start = end - struct.unpack_from("<I", pack, end)[0] * _ENTRY.size
    if start < 0:
        raise Corrupt("the index of the pack is longer than the pack")
    for key, offset, length in _ENTRY.iter_unpack(pack[start:end]):
        yield key.hex(), offset, length
