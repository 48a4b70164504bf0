"""The NRRD files that go to and come from the label server.

Slicer's own readers and writers belong to the main thread, and the packages for it are not part of
Slicer. What is needed is small: one attached file, three dimensions, gzip or raw, in any of the
anatomical spaces. A damaged file is refused before anything is made of it.

Format: https://teem.sourceforge.net/nrrd/format.html
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart.errors import ImageRejected
from medheart.geometry import Geometry

__all__ = ["readNrrd", "writeNrrd"]

_TYPES = {"u1": "uint8", "i1": "int8", "u2": "uint16", "i2": "int16", "u4": "uint32", "i4": "int32"}
_TYPES |= {"u8": "uint64", "i8": "int64", "f4": "float", "f8": "double"}
_NAMES = {name: code for code, name in _TYPES.items()}
_NAMES |= {"unsigned char": "u1", "uchar": "u1", "signed char": "i1", "short": "i2", "unsigned short": "u2"}
_NAMES |= {"ushort": "u2", "int": "i4", "unsigned int": "u4", "uint": "u4", "float32": "f4", "float64": "f8"}
_NAMES |= {"uint8_t": "u1", "int16_t": "i2", "uint16_t": "u2", "int32_t": "i4", "uint32_t": "u4"}
_LPS = {"left-posterior-superior", "lps"}
_RAS = {"right-anterior-superior", "ras"}


def writeNrrd(path: Path, array: NDArray[Any], geometry: Geometry) -> None:
    """Write an array (K, J, I) with its grid, gzip-compressed."""
    kind = array.dtype.newbyteorder("<")
    vectors = " ".join(_vector(geometry.affine[:3, axis]) for axis in range(3))
    header = [
        "NRRD0004",
        f"type: {_TYPES[kind.str[1:]]}",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, geometry.size_ijk))}",
        f"space directions: {vectors}",
        "kinds: domain domain domain",
        "endian: little",
        "encoding: gzip",
        f"space origin: {_vector(geometry.origin)}",
    ]
    body = gzip.compress(np.ascontiguousarray(array, dtype=kind).tobytes(), compresslevel=1)
    path.write_bytes("\n".join([*header, "", ""]).encode("ascii") + body)


def readNrrd(data: bytes, name: str) -> tuple[NDArray[Any], Geometry]:
    """Read an image.

    Parameters
    ----------
    data : bytes
        The whole file.
    name : str
        What to call it in an error.

    Returns
    -------
    numpy.ndarray
        (K, J, I).
    Geometry
        Its grid.

    Raises
    ------
    ImageRejected
        If it is not such a file, is cut short or damaged, or lacks its grid.
    """
    head, separator, body = data.partition(b"\n\n")
    if not head.startswith(b"NRRD") or not separator:
        raise ImageRejected(f"{name}: not an NRRD file", path=name)
    try:
        fields = _fields(head.decode("utf-8"))
        sizes = [int(n) for n in fields["sizes"].split()]
        code = np.dtype(("<" if fields.get("endian", "little") == "little" else ">") + _NAMES[fields["type"]])
        if len(sizes) != 3 or min(sizes) < 1:
            raise ImageRejected(f"{name}: has sizes {sizes}, expected three", path=name)
        geometry = _geometry(fields, sizes)
    except (KeyError, ValueError, UnicodeDecodeError) as error:
        raise ImageRejected(f"{name}: its NRRD header lacks or garbles a field: {error!r}", path=name) from error
    raw = _inflate(body, fields.get("encoding", ""), int(np.prod(sizes)) * code.itemsize, name)
    return np.frombuffer(raw, code).reshape(geometry.shape).astype(code.newbyteorder("=")), geometry


def _fields(head: str) -> dict[str, str]:
    lines = [line for line in head.replace("\r", "").split("\n")[1:] if not line.startswith("#")]
    pairs = [line.split(":", 1) for line in lines if ":" in line and ":=" not in line]
    return {key.strip().lower(): value.strip() for key, value in pairs}


def _geometry(fields: dict[str, str], sizes: list[int]) -> Geometry:
    affine = np.eye(4)
    affine[:3, :3] = np.array([_numbers(part) for part in fields["space directions"].split(") ")]).T
    affine[:3, 3] = _numbers(fields["space origin"])
    shape = (sizes[2], sizes[1], sizes[0])
    space = fields["space"].lower()
    if space in _LPS:
        return Geometry(shape, affine)
    if space in _RAS:
        return Geometry.from_ras(shape, affine)
    raise ValueError(f"space {space!r}")


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.strip().strip("()").split(",")]


def _vector(numbers: NDArray[np.float64]) -> str:
    return "(" + ",".join(repr(float(number)) for number in numbers) + ")"


def _inflate(body: bytes, encoding: str, size: int, name: str) -> bytes:
    """Return the voxels; never more bytes than the header promises."""
    if encoding == "raw":
        raw = body
    elif encoding in {"gzip", "gz"}:
        stream = zlib.decompressobj(wbits=31)
        try:
            raw = stream.decompress(body, size + 1)
        except zlib.error as error:
            raise ImageRejected(f"{name}: its compressed voxels are damaged: {error}", path=name) from error
        if len(raw) == size and not stream.eof:
            # The check sum comes after the last voxel; reading on makes zlib compare it.
            raw += _checkSum(stream, name)
    else:
        raise ImageRejected(f"{name}: encoding {encoding!r}, expected gzip or raw", path=name)
    if len(raw) != size:
        raise ImageRejected(f"{name}: holds {len(raw)} bytes of voxels, its header promises {size}", path=name)
    return raw


def _checkSum(stream: Any, name: str) -> bytes:
    try:
        more: bytes = stream.decompress(stream.unconsumed_tail, 1)
    except zlib.error as error:
        raise ImageRejected(f"{name}: its compressed voxels are damaged: {error}", path=name) from error
    if not more and not stream.eof:
        raise ImageRejected(f"{name}: is cut short", path=name)
    return more
