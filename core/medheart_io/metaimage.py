"""MetaImage files: `.mha`, or `.mhd` with its `.raw` or `.zraw`.

Read here and not by SimpleITK, which follows any path that a header names and accepts a data file of the
wrong size.
"""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart.errors import NeedsChoice
from medheart.geometry import Geometry
from medheart_io.boundary import readable, reject, rejecting
from medheart_io.checks import check_shape, grid
from medheart_io.sidecar import data_file
from medheart_io.streams import ALLOWANCE, check_size, inflate, read_voxels, replacing, skip
from medheart_io.voxels import FilePlan, pick_frame, real

__all__ = ["plan_metaimage", "write_metaimage"]

_MAX_HEADER = 64 * 1024
_TYPES = {"CHAR": "i1", "UCHAR": "u1", "SHORT": "i2", "USHORT": "u2", "INT": "i4", "UINT": "u4"}
_TYPES |= {"LONG": "i4", "ULONG": "u4", "LONG_LONG": "i8", "ULONG_LONG": "u8", "FLOAT": "f4", "DOUBLE": "f8"}


def plan_metaimage(path: Path, *, choices: frozenset[str] = frozenset(), allowance: int = ALLOWANCE) -> FilePlan:
    """Check the header of one scalar MetaImage.

    Parameters
    ----------
    path : pathlib.Path
        `.mha` or `.mhd`; a detached data file must lie in the same folder and have the exact size.
    choices : frozenset of str
        Answers to `NeedsChoice`: `assume-lps`, `frame-<n>`, `zero-not-finite`.
    allowance : int
        Bytes that compressed voxels may always inflate to.
    """
    with rejecting(path):
        fields, end = _read_header(path)
        shape, dtype = _shape(fields, path), _dtype(fields, path)
        geometry, warnings = _geometry(fields, shape, choices, path)
        local = fields["ElementDataFile"].upper() == "LOCAL"
        source = path if local else data_file(path, fields["ElementDataFile"])
        zipped = fields.get("CompressedData", "False").lower() == "true"
        expected = check_size(shape, dtype, source, compressed=zipped, allowance=allowance)
        frame = pick_frame(shape[0] if len(shape) == 4 else 1, choices, path)
        start = (end if local else 0) + _header_size(fields, path)

    def read() -> NDArray[Any]:
        """Read the voxels."""
        with source.open("rb") as stream:
            skip(stream, start, source)
            data = inflate(stream.read(), source, wbits=zlib.MAX_WBITS | 32, limit=expected) if zipped else None
            array = read_voxels(io.BytesIO(data) if data is not None else stream, shape, dtype, source, exact=True)
        return real(array[frame] if len(shape) == 4 else array, choices, path)

    return FilePlan(path, geometry, read, tuple(warnings), {"format": "metaimage", "files": 1 if local else 2})


def _header_size(fields: dict[str, str], path: Path) -> int:
    size = int(fields.get("HeaderSize", "0"))
    if size < 0:
        raise reject(path, f"its HeaderSize is {size}, expected 0 or more", "bad_header")
    return size


def _read_header(path: Path) -> tuple[dict[str, str], int]:
    fields: dict[str, str] = {}
    with path.open("rb") as stream:
        while stream.tell() < _MAX_HEADER:
            line = stream.readline(_MAX_HEADER)
            key, sign, value = line.decode("latin-1").partition("=")
            if not sign:
                break
            fields[key.strip()] = value.strip()
            if key.strip() == "ElementDataFile":
                fields["ElementDataFile"] = _file_name(value.strip().encode("latin-1"), path)
                return fields, stream.tell()
    raise reject(path, "its header has no ElementDataFile", "bad_header")


def _file_name(name: bytes, header: Path) -> str:
    """Return a name in UTF-8 or GB18030: that of a file in the folder, as some bytes are text in both."""
    found = (os.fsdecode(name), name.decode("gb18030", errors="replace"))
    return next((text for text in found if (header.parent / text).is_file()), readable(found[0]))


def _numbers(fields: dict[str, str], *keys: str) -> list[float] | None:
    text = next((fields[key] for key in keys if key in fields), None)
    return None if text is None else [float(word) for word in text.split()]


def _shape(fields: dict[str, str], path: Path) -> tuple[int, ...]:
    sizes = [int(word) for word in fields.get("DimSize", "").split()]
    if len(sizes) != int(fields.get("NDims", "0")) or len(sizes) not in {3, 4}:
        raise reject(path, f"has NDims {fields.get('NDims')} and sizes {sizes}, an image has 3", "bad_shape")
    if int(fields.get("ElementNumberOfChannels", "1")) != 1:
        raise reject(path, "holds several numbers per voxel, an image needs one", "color")
    return check_shape(sizes[::-1], path)


def _geometry(
    fields: dict[str, str], shape: tuple[int, ...], choices: frozenset[str], path: Path
) -> tuple[Geometry, list[str]]:
    count = len(shape)
    spacing = _numbers(fields, "ElementSpacing", "ElementSize")
    matrix = _numbers(fields, "TransformMatrix", "Rotation", "Orientation")
    origin = _numbers(fields, "Offset", "Position", "Origin") or [0.0] * count
    if spacing is None or len(spacing) != count or len(origin) != count or (matrix and len(matrix) != count**2):
        raise reject(path, "its spacing, origin and orientation do not fit its dimensions", "bad_header")
    if matrix is None and "assume-lps" not in choices:
        raise NeedsChoice(
            f"{path.name}: has no orientation, so nobody knows which side is left",
            code="no_orientation",
            path=str(path),
            choices={"assume-lps": "its axes run to the patient's left, to posterior and to the head"},
        )
    affine = np.eye(4)
    # Each row of the file is the direction of one axis.
    columns = np.eye(3) if matrix is None else np.array(matrix).reshape(count, count)[:3, :3].T
    affine[:3, :3] = columns * np.array(spacing[:3])
    affine[:3, 3] = origin[:3]
    return grid(shape[-3:], affine, path), ["orientation-assumed"] if matrix is None else []


def _dtype(fields: dict[str, str], path: Path) -> np.dtype[Any]:
    name = fields.get("ElementType", "").removeprefix("MET_")
    if name not in _TYPES or fields.get("BinaryData", "True").lower() != "true":
        raise reject(path, f"holds voxels of type {name!r}, which is not supported", "unsupported_type")
    big = fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "False")).lower() == "true"
    return np.dtype(_TYPES[name]).newbyteorder(">" if big else "<")


def write_metaimage(path: Path, array: NDArray[Any], geometry: Geometry, *, title: str = "") -> None:
    """Write `.mha`, or `.mhd` with a `.raw` beside it.

    Parameters
    ----------
    path : pathlib.Path
        Target; for `.mhd` the voxels go into the same name with `.raw`, which is there before the header is.
    array : numpy.ndarray
        (K, J, I); bool, integer or float.
    geometry : Geometry
        Its grid.
    title : str
        For `Comment`; ASCII, one line.
    """
    stored = np.ascontiguousarray(array.astype(np.uint8) if array.dtype == np.bool_ else array)
    kind = stored.dtype.newbyteorder("<")
    local = path.suffix != ".mhd"
    raw = path.with_suffix(".raw")
    name = {code: key for key, code in _TYPES.items() if "LONG" not in key or code[1] == "8"}.get(kind.str[1:])
    if name is None:
        raise reject(path, f"voxels of type {array.dtype} cannot be written", "unsupported_type")
    data = stored.astype(kind, copy=False).tobytes()
    head = _header_text(geometry, f"MET_{name}", compressed=len(zipped) if (zipped := _zip(data, local)) else 0)
    comment = f"Comment = {title}\n" if title else ""
    text = (
        (comment + head).encode("ascii")
        + b"ElementDataFile = "
        + (b"LOCAL" if local else os.fsencode(raw.name))
        + b"\n"
    )
    if not local:
        with replacing(raw) as temporary:
            temporary.write_bytes(data)
    with replacing(path) as temporary:
        temporary.write_bytes(text + (zipped if local else b""))


def _zip(data: bytes, local: bool) -> bytes:
    return zlib.compress(data, 4) if local else b""


def _header_text(geometry: Geometry, element_type: str, *, compressed: int) -> str:
    def numbers(values: Any) -> str:
        """Return numbers as the header writes them."""
        return " ".join(repr(float(v)) for v in np.asarray(values).reshape(-1))

    i, j, k = geometry.size_ijk
    lines = ["ObjectType = Image", "NDims = 3", "BinaryData = True", "BinaryDataByteOrderMSB = False"]
    lines += (
        ["CompressedData = True", f"CompressedDataSize = {compressed}"] if compressed else ["CompressedData = False"]
    )
    lines += [
        f"TransformMatrix = {numbers(geometry.direction.T)}",
        f"Offset = {numbers(geometry.origin)}",
        "CenterOfRotation = 0 0 0",
        f"ElementSpacing = {numbers(geometry.spacing)}",
        f"DimSize = {i} {j} {k}",
        f"ElementType = {element_type}",
    ]
    return "\n".join(lines) + "\n"
