"""NIfTI-1 and NIfTI-2 single files, plain or gzip.

nibabel reads the header's numbers; the voxels are read here, because nibabel inflates without a limit.
"""

from __future__ import annotations

import gzip
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart.errors import NeedsChoice
from medheart.geometry import Geometry, flip_ras_lps
from medheart_io.boundary import reject, rejecting
from medheart_io.checks import check_shape, check_spacing, grid
from medheart_io.streams import ALLOWANCE, check_size, open_inflated, read_voxels, replacing, skip
from medheart_io.voxels import FilePlan, ask_complex, grid_or_choice, pick_frame, real, rescale

__all__ = ["plan_nifti", "write_nifti"]

_UNIT_MM = {"mm": 1.0, "unknown": 1.0, "meter": 1000.0, "micron": 0.001}
_MAX_OFFSET = 16 * 2**20
_DIFFER_MM = 0.01
_COLOURS = {128, 2304}
_ASSUME = {"assume-ras": (1.0, 1.0, 1.0), "assume-las": (-1.0, 1.0, 1.0)}


def plan_nifti(path: Path, *, choices: frozenset[str] = frozenset(), allowance: int = ALLOWANCE) -> FilePlan:
    """Check the header of one NIfTI file.

    The sform is used where it is set, else the qform; if both are set and put a corner more than 0.01 mm
    apart, the sform is used with a warning. Voxel values are scaled by the header's slope and intercept.

    Parameters
    ----------
    path : pathlib.Path
        `.nii` or `.nii.gz`; recognised by content.
    choices : frozenset of str
        Answers to `NeedsChoice`: `assume-ras`, `assume-las`, `use-qform`, `magnitude`, `frame-<n>`,
        `zero-not-finite`.
    allowance : int
        Bytes that a compressed file may always inflate to.

    Raises
    ------
    ImageRejected
        With the code of what is wrong.
    NeedsChoice
        `no_orientation`, `several_volumes`, `complex_voxels`, `sheared`.
    """
    with rejecting(path):
        with path.open("rb") as raw:
            encoding = "gzip" if raw.read(2) == b"\x1f\x8b" else "raw"
        with open_inflated(path, encoding=encoding) as stream:
            header, size = _read_header(stream, path)
        shape, dtype, offset = _shape(header, path), _dtype(header, path), _offset(header, size, path)
        scaling = _scaling(header, path)
        geometry, warnings = _geometry(header, shape[-3:], choices, path)
        check_size(shape, dtype, path, compressed=encoding != "raw", allowance=allowance)
        ask_complex(dtype, choices, path)
        frames = shape[0] if len(shape) == 4 else 1
        frame = pick_frame(frames, choices, path)

    def read() -> NDArray[Any]:
        """Read the voxels."""
        with open_inflated(path, encoding=encoding) as stream:
            skip(stream, offset, path)
            array = read_voxels(stream, shape, dtype, path)
        return real(rescale(array[frame] if len(shape) == 4 else array, *scaling), choices, path)

    facts = {"format": f"nifti{1 if size == 348 else 2}", "files": 1, "frames": frames}
    return FilePlan(path, geometry, read, tuple(warnings), facts)


def _read_header(stream: Any, path: Path) -> tuple[Any, int]:
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    head = stream.read(348)
    size = 348 if head[344:348].startswith((b"n+1", b"ni1")) else 540
    head += stream.read(size - 348)
    if len(head) < size:
        raise reject(path, f"ends inside its header of {size} bytes", "truncated")
    header = (Nifti1Header if size == 348 else Nifti2Header).from_fileobj(io.BytesIO(head), check=False)
    if bytes(header["magic"].item())[:2] != b"n+":
        raise reject(path, "is one half of a .hdr/.img pair; convert it to one .nii file", "detached_pair")
    return header, size


def _shape(header: Any, path: Path) -> tuple[int, ...]:
    dim = [int(n) for n in header["dim"]]
    if not 2 <= dim[0] <= 7:
        raise reject(path, f"the number of dimensions must be 2 to 4, the header says {dim[0]}", "bad_header")
    sizes = [*dim[1 : dim[0] + 1], 1, 1][: max(dim[0], 3)]
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes.pop()
    if len(sizes) > 4:
        raise reject(path, f"has {len(sizes)} dimensions {sizes}, an image has 3", "several_volumes")
    return check_shape(sizes[::-1], path)


def _dtype(header: Any, path: Path) -> np.dtype[Any]:
    dtype: np.dtype[Any] = header.get_data_dtype()
    if int(header["datatype"]) in _COLOURS:
        raise reject(path, "holds colours, an image needs one number per voxel", "color")
    if dtype.kind not in "iufc" or (dtype.itemsize > 8 and dtype.kind != "c"):
        raise reject(path, f"holds voxels of type {dtype}, which is not supported", "unsupported_type")
    return dtype


def _scaling(header: Any, path: Path) -> tuple[float, float]:
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if not math.isfinite(slope) or slope == 0:
        return 1.0, 0.0
    if not math.isfinite(intercept):
        raise reject(path, f"the intercept of its values is {intercept}", "not_finite")
    return slope, intercept


def _offset(header: Any, size: int, path: Path) -> int:
    offset = float(header["vox_offset"])
    if not (math.isfinite(offset) and size <= offset <= _MAX_OFFSET):
        raise reject(path, f"its voxels start at byte {offset}, expected {size} to {_MAX_OFFSET}", "bad_header")
    return int(offset)


def _geometry(header: Any, shape: tuple[int, ...], choices: frozenset[str], path: Path) -> tuple[Geometry, list[str]]:
    unit = _UNIT_MM.get(header.get_xyzt_units()[0], 1.0)
    scale = np.diag([unit, unit, unit, 1.0])
    sform, qform = _sform(header, path), _qform(header, path)
    if sform is None and qform is None:
        return grid(shape, flip_ras_lps(scale @ _assumed(header, choices, path)), path), ["orientation-assumed"]
    if sform is None:
        return grid(shape, flip_ras_lps(scale @ qform), path), []
    affine = flip_ras_lps(scale @ sform)
    if qform is None:
        return grid(shape, affine, path), []
    other = flip_ras_lps(scale @ qform)
    try:
        offered = {"use-qform": "use the orientation without shear (qform)"}
        geometry = grid_or_choice(shape, affine, path, code="sheared", choices=offered)
    except NeedsChoice:
        if "use-qform" not in choices:
            raise
        return grid(shape, other, path), ["qform-chosen"]
    differ = geometry.max_corner_distance(grid(shape, other, path)) > _DIFFER_MM
    return geometry, ["sform-and-qform-differ"] if differ else []


def _sform(header: Any, path: Path) -> NDArray[np.float64] | None:
    affine, _ = header.get_sform(coded=True)
    if affine is not None and not np.isfinite(affine).all():
        raise reject(path, "a number of its sform is not finite", "not_finite")
    return None if affine is None else np.asarray(affine, dtype=np.float64)


def _qform(header: Any, path: Path) -> NDArray[np.float64] | None:
    if int(header["qform_code"]) <= 0:
        return None
    check_spacing(np.abs(header["pixdim"][1:4]) * _UNIT_MM.get(header.get_xyzt_units()[0], 1.0), path)
    return np.asarray(header.get_qform(coded=False), dtype=np.float64)


def _assumed(header: Any, choices: frozenset[str], path: Path) -> NDArray[np.float64]:
    for choice, signs in _ASSUME.items():
        if choice in choices:
            return np.diag([*(np.abs(header["pixdim"][1:4]).astype(np.float64) * signs), 1.0])
    raise NeedsChoice(
        f"{path.name}: has neither sform nor qform, so nobody knows which side is left",
        code="no_orientation",
        path=str(path),
        choices={
            "assume-ras": "first axis to the patient's right, second to anterior, third to the head",
            "assume-las": "first axis to the patient's left, second to anterior, third to the head",
        },
    )


def write_nifti(path: Path, array: NDArray[Any], geometry: Geometry, *, title: str = "") -> None:
    """Write `.nii` or `.nii.gz` (by the ending of `path`) with equal sform and qform, whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
        Target.
    array : numpy.ndarray
        (K, J, I); bool, 8-, 16- or 32-bit integer, or float.
    geometry : Geometry
        Its grid.
    title : str
        For `descrip`; ASCII, cut to 80 characters.
    """
    from nibabel.nifti1 import Nifti1Image

    stored = array.astype(np.uint8) if array.dtype == np.bool_ else array
    image = Nifti1Image(stored.T, geometry.to_ras(), dtype=stored.dtype)
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = title.encode("ascii")[:80]
    image.set_sform(geometry.to_ras(), code=1)
    image.set_qform(geometry.to_ras(), code=1)
    with replacing(path) as temporary, temporary.open("wb") as raw:
        if path.name.endswith(".gz"):
            with gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=4, mtime=0) as stream:
                image.to_stream(stream)
        else:
            image.to_stream(raw)
