"""NRRD images, attached or detached (`.nrrd`, `.nhdr`).

pynrrd reads the header's fields; the voxels are read here, because pynrrd inflates without a limit and
follows any path that a header names.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart.errors import NeedsChoice
from medheart.geometry import Geometry, flip_ras_lps
from medheart_io.boundary import reject, rejecting
from medheart_io.checks import check_shape, grid
from medheart_io.sidecar import data_file
from medheart_io.streams import ALLOWANCE, check_size, open_inflated, read_voxels, replacing, skip
from medheart_io.voxels import FilePlan, pick_frame, real

__all__ = ["NrrdFile", "open_nrrd", "plan_nrrd", "write_nrrd"]

_MAX_HEADER = 4 * 2**20
_MAX_SKIP = 16 * 2**20
"""Inflated bytes that may lie before the voxels; of plain ones a file has no more than it has."""
_ENCODINGS = {"raw": "raw", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2"}
_FRAMES = {"left-posterior-superior": "LPS", "lps": "LPS", "right-anterior-superior": "RAS", "ras": "RAS"}
_FRAMES |= {"left-anterior-superior": "LAS", "las": "LAS"}
_INTEGERS = {"char": "i1", "short": "i2", "int": "i4", "long long": "i8", "longlong": "i8"}
_TYPES = {f"signed {name}": code for name, code in _INTEGERS.items()} | _INTEGERS
_TYPES |= {f"unsigned {name}": code.replace("i", "u") for name, code in _INTEGERS.items()}
_TYPES |= {"short int": "i2", "signed short int": "i2", "unsigned short int": "u2", "unsigned int": "u4"}
_TYPES |= {"uchar": "u1", "ushort": "u2", "uint": "u4", "ulonglong": "u8", "float": "f4", "double": "f8"}
_TYPES |= {f"int{n}": f"i{n // 8}" for n in (8, 16, 32, 64)} | {f"uint{n}": f"u{n // 8}" for n in (8, 16, 32, 64)}
_TYPES |= {f"int{n}_t": f"i{n // 8}" for n in (8, 16, 32, 64)} | {f"uint{n}_t": f"u{n // 8}" for n in (8, 16, 32, 64)}


@dataclass(frozen=True)
class NrrdFile:
    """A NRRD header that was checked: `header` fields as text, `shape` as `read` returns it ([N,] K, J, I)."""

    header: dict[str, Any]
    geometry: Geometry
    shape: tuple[int, ...]
    read: Callable[[], NDArray[Any]]
    warnings: tuple[str, ...]


def plan_nrrd(path: Path, *, choices: frozenset[str] = frozenset(), allowance: int = ALLOWANCE) -> FilePlan:
    """Check the header of one scalar NRRD volume.

    Parameters
    ----------
    path : pathlib.Path
        `.nrrd` or `.nhdr`; a detached data file must lie in the same folder.
    choices : frozenset of str
        Answers to `NeedsChoice`: `assume-lps`, `assume-ras`, `frame-<n>`, `zero-not-finite`.
    allowance : int
        Bytes that compressed voxels may always inflate to.
    """
    with rejecting(path):
        file = open_nrrd(path, choices=choices, allowance=allowance)
        frames = file.shape[0] if len(file.shape) == 4 else 1
        frame = pick_frame(frames, choices, path)

    def read() -> NDArray[Any]:
        """Read the voxels."""
        array = file.read()
        return real(array[frame] if array.ndim == 4 else array, choices, path)

    facts = {"format": "nrrd", "files": 2 if _data_name(file.header) else 1, "frames": frames}
    return FilePlan(path, file.geometry, read, file.warnings, facts)


def open_nrrd(path: Path, *, choices: frozenset[str] = frozenset(), allowance: int = ALLOWANCE) -> NrrdFile:
    """Check header and grid; a list axis (frames, label layers) comes first in what `read` returns."""
    with rejecting(path):
        header, end = _read_header(path)
        sizes = _sizes(header, path)
        axes = _domain_axes(header, len(sizes), path)
        affine, warnings = _affine(header, axes, choices, path)
        geometry = grid(tuple(sizes[a] for a in reversed(axes)), affine, path)
        stored = tuple(reversed(sizes))
        read_stored = _plan_voxels(path, header, end, stored, allowance)
    if len(sizes) == 3:
        return NrrdFile(header, geometry, stored, read_stored, tuple(warnings))
    layer = 3 - ({0, 1, 2, 3} - set(axes)).pop()

    def read() -> NDArray[Any]:
        """Read the voxels."""
        return np.ascontiguousarray(np.moveaxis(read_stored(), layer, 0))

    return NrrdFile(header, geometry, (stored[layer], *geometry.shape), read, tuple(warnings))


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    import nrrd

    with path.open("rb") as raw:
        head = io.BytesIO(raw.read(_MAX_HEADER))
    header = dict(nrrd.read_header(head))
    return header, head.tell()


def _sizes(header: dict[str, Any], path: Path) -> tuple[int, ...]:
    missing = [name for name in ("dimension", "sizes") if name not in header]
    if missing:
        raise reject(path, f"its header has no field {' and no '.join(map(repr, missing))}", "bad_header")
    sizes = tuple(int(n) for n in header["sizes"])
    if int(header["dimension"]) != len(sizes):
        raise reject(path, f"has {header['dimension']} dimensions and {len(sizes)} sizes", "bad_header")
    if len(sizes) not in {3, 4}:
        raise reject(path, f"has {len(sizes)} dimensions {list(sizes)}, an image has 3", "bad_shape")
    return check_shape(sizes, path)


def _domain_axes(header: dict[str, Any], count: int, path: Path) -> list[int]:
    kinds = [str(kind).lower() for kind in header.get("kinds", ["domain"] * count)]
    directions = header.get("space directions")
    rows = [True] * count if directions is None else [np.isfinite(row).all() for row in _rows(directions)]
    colours = [kind for kind in kinds if "color" in kind or "vector" in kind or "matrix" in kind]
    if colours:
        raise reject(path, f"holds several numbers per voxel ({colours[0]}), an image needs one", "color")
    axes = [
        n for n, kind in enumerate(kinds) if kind in {"domain", "space", "???", "none"} and n < len(rows) and rows[n]
    ]
    if len(axes) != 3 or len(kinds) != count:
        raise reject(path, f"has {len(axes)} axes in space (kinds {kinds}), an image has 3", "bad_header")
    return axes


def _rows(directions: Any) -> list[NDArray[np.float64]]:
    return [np.full(3, np.nan) if row is None else np.asarray(row, dtype=np.float64) for row in directions]


def _affine(
    header: dict[str, Any], axes: list[int], choices: frozenset[str], path: Path
) -> tuple[NDArray[np.float64], list[str]]:
    affine = np.eye(4)
    if (units := header.get("space units")) is not None and set(units) - {"mm", "millimeter", ""}:
        raise reject(path, f"its positions are in {list(units)}, expected mm", "bad_header")
    if "space directions" in header:
        rows = _rows(header["space directions"])
        affine[:3, :3] = np.array([rows[a] for a in axes]).T
    elif "spacings" in header:
        affine[:3, :3] = np.diag([float(header["spacings"][a]) for a in axes])
    else:
        raise reject(path, "says nothing of the size of a voxel", "bad_spacing")
    if "space origin" in header:
        affine[:3, 3] = np.asarray(header["space origin"], dtype=np.float64)
    frame = _FRAMES.get(str(header.get("space", "")).lower()) if "space directions" in header else None
    return _to_lps(affine, frame, choices, path)


def _to_lps(
    affine: NDArray[np.float64], frame: str | None, choices: frozenset[str], path: Path
) -> tuple[NDArray[np.float64], list[str]]:
    warnings = []
    if frame is None:
        frame = "LPS" if "assume-lps" in choices else "RAS" if "assume-ras" in choices else None
        warnings = ["orientation-assumed"]
    if frame is None:
        raise NeedsChoice(
            f"{path.name}: does not say in which anatomical frame it lies, so nobody knows which side is left",
            code="no_orientation",
            path=str(path),
            choices={
                "assume-lps": "its first axis runs to the patient's left, second to posterior, third to the head",
                "assume-ras": "its first axis runs to the patient's right, second to anterior, third to the head",
            },
        )
    if frame == "LAS":
        affine = np.diag([1.0, -1.0, 1.0, 1.0]) @ affine
    return (flip_ras_lps(affine) if frame == "RAS" else affine), warnings


def _data_name(header: dict[str, Any]) -> str | None:
    name = header.get("data file", header.get("datafile"))
    return None if name is None else str(name)


def _dtype(header: dict[str, Any], path: Path) -> np.dtype[Any]:
    name = re.sub(r"\s+", " ", str(header["type"]).strip().lower())
    if name not in _TYPES:
        raise reject(path, f"holds voxels of type {name!r}, which is not supported", "unsupported_type")
    dtype = np.dtype(_TYPES[name])
    endian = str(header.get("endian", "")).lower()
    if dtype.itemsize > 1 and endian not in {"little", "big"}:
        raise reject(path, "does not say in which byte order its voxels are", "bad_header")
    return dtype.newbyteorder(">" if endian == "big" else "<")


def _plan_voxels(
    path: Path, header: dict[str, Any], end: int, shape: tuple[int, ...], allowance: int
) -> Callable[[], NDArray[Any]]:
    dtype = _dtype(header, path)
    encoding = _ENCODINGS.get(str(header["encoding"]).lower())
    if encoding is None:
        raise reject(path, f"is encoded as {header['encoding']!r}, expected raw, gzip or bzip2", "unsupported_type")
    if any(int(header.get(key, 0)) for key in ("line skip", "lineskip")):
        raise reject(path, "skips lines before its voxels, which is not supported", "bad_header")
    name, plain = _data_name(header), encoding == "raw"
    source = path if name is None else data_file(path, name)
    size = check_size(shape, dtype, source, compressed=not plain, allowance=allowance)
    ahead = int(header.get("byte skip", header.get("byteskip", 0)))
    start = end if name is None else 0
    if ahead == -1 and plain:
        start, ahead = source.stat().st_size - size, 0
    if ahead < 0 or start < 0 or (ahead > _MAX_SKIP and not plain):
        raise reject(path, f"its byte skip of {ahead} does not fit its data file", "bad_header")

    def read() -> NDArray[Any]:
        """Read the voxels."""
        with open_inflated(source, offset=start, encoding=encoding) as stream:
            skip(stream, ahead, source)
            return read_voxels(stream, shape, dtype, source, exact=plain)

    return read


def write_nrrd(path: Path, array: NDArray[Any], geometry: Geometry, *, fields: dict[str, Any] | None = None) -> None:
    """Write an attached gzip NRRD in LPS, whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
        Target.
    array : numpy.ndarray
        (K, J, I); bool, integer or float.
    geometry : Geometry
        Its grid; space directions are the affine's columns.
    fields : dict, optional
        More header fields; ASCII only.
    """
    import nrrd

    stored = array.astype(np.uint8) if array.dtype == np.bool_ else array
    header: dict[str, Any] = {
        "space": "left-posterior-superior",
        "space directions": geometry.affine[:3, :3].T,
        "space origin": geometry.affine[:3, 3],
        "kinds": ["domain"] * 3,
        "encoding": "gzip",
        **(fields or {}),
    }
    text = " ".join(f"{key} {value}" for key, value in (fields or {}).items())
    if not text.isascii():
        raise reject(path, "names and codes in a NRRD header must be ASCII", "not_ascii")
    with replacing(path) as temporary:
        nrrd.write(str(temporary), stored, header, index_order="C", compression_level=4)
