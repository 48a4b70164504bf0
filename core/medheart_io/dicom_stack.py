"""From the frames of one volume to a grid: order, gaps, duplicates, tilt.

Only positions count: frames are sorted by their distance along the slice normal, never by number or name.
A stack that is not an even, upright grid is refused, or needs a choice that says how to resample it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart.errors import NeedsChoice
from medheart.geometry import Geometry
from medheart_io.boundary import reject
from medheart_io.checks import check_spacing, grid
from medheart_io.dicom_frames import Frame
from medheart_io.dicom_spacing import EVEN, frame_names, uneven_words

__all__ = ["RESAMPLE_EVEN", "RESAMPLE_TILT", "Stack", "build_stack"]

RESAMPLE_TILT = "resample-tilt"
RESAMPLE_EVEN = "resample-even"
_TILT_RADIANS = 1e-3
_ORTHONORMAL = 1e-4
_SAME_MM = 1e-3
_BESIDE_MM = 0.02
_ROUNDING = 0.05
_REQUIRED = {"position": "position", "orientation": "orientation", "spacing": "pixel spacing"}


@dataclass(frozen=True)
class Stack:
    """Frames in order of position along the normal, and their grid.

    Parameters
    ----------
    frames : tuple of Frame
        Sorted.
    geometry : Geometry
        Grid of the loaded volume.
    positions : numpy.ndarray
        (K, 3) LPS mm of the first pixel of each frame, sorted likewise.
    resample : bool
        Whether the pixels must be resampled from `positions` onto `geometry`.
    warnings : tuple of str
        Codes.
    """

    frames: tuple[Frame, ...]
    geometry: Geometry
    positions: NDArray[np.float64]
    resample: bool = False
    warnings: tuple[str, ...] = ()

    def with_warnings(self, warnings: tuple[str, ...]) -> Stack:
        """Return the stack with `warnings` before its own."""
        return replace(self, warnings=warnings + self.warnings)


@dataclass(frozen=True)
class _Slices:
    """Sorted frames with `positions` (K, 3), in-plane step vectors `plane` (3, 2) = (i, j) and unit `normal`."""

    frames: tuple[Frame, ...]
    size: tuple[int, int]
    path: Path
    positions: NDArray[np.float64]
    plane: NDArray[np.float64]
    normal: NDArray[np.float64]

    @property
    def steps(self) -> NDArray[np.float64]:
        """Return the distances of neighbours along the normal, in mm."""
        return np.diff(self.positions @ self.normal)

    @property
    def line(self) -> NDArray[np.float64]:
        """Return the way from the first to the last slice, in mm."""
        return np.asarray(self.positions[-1] - self.positions[0])

    def grid(self, shape: tuple[int, ...], step: Any, origin: Any) -> Geometry:
        """Return the grid whose slices follow each other by `step` from `origin`."""
        affine = np.eye(4)
        affine[:3, :2], affine[:3, 2], affine[:3, 3] = self.plane, step, origin
        return grid(shape, affine, self.path)


def build_stack(
    frames: Sequence[Frame], size: tuple[int, int], path: Path, *, choices: frozenset[str] = frozenset()
) -> Stack:
    """Order `frames` and return their grid.

    Parameters
    ----------
    frames : sequence of Frame
        Of one volume, in any order.
    size : tuple of int
        (rows, columns).
    path : pathlib.Path
        Folder or file that errors name.
    choices : frozenset of str
        `resample-tilt`, `resample-even`.

    Raises
    ------
    ImageRejected
        `missing_position`, `missing_orientation`, `missing_spacing`, `bad_orientation`, `single_slice`,
        `duplicate_slices`.
    NeedsChoice
        `tilted`, `missing_slices`, `uneven_spacing`.
    """
    slices = _sorted(frames, size, path)
    if len(slices.frames) == 1:
        return _single(slices)
    _refuse_duplicates(slices)
    length = float(np.linalg.norm(slices.line))
    tilt = float(np.arccos(min(1.0, float(slices.line @ slices.normal) / length)))
    code, words = uneven_words(slices.steps, slices.frames)
    tilted = tilt > _TILT_RADIANS or _crooked(slices)
    if not tilted and not code:
        step = slices.line / (len(frames) - 1)
        geometry = slices.grid((len(frames), *size), step, slices.positions[0])
        return Stack(slices.frames, geometry, slices.positions)
    choice = RESAMPLE_TILT if tilted else RESAMPLE_EVEN
    if choice in choices:
        warnings = ("resampled-tilt",) * tilted + ("resampled-spacing",) * bool(code)
        return Stack(slices.frames, _upright(slices), slices.positions, True, warnings)
    degrees = float(np.degrees(tilt))
    text = "; ".join([f"the stack of slices is tilted by {degrees:.1f} degrees"] * tilted + [words] * bool(words))
    raise NeedsChoice(
        f"{path.name}: {text}",
        code="tilted" if tilted else code,
        path=str(path),
        choices={choice: "resample (linear interpolation) onto an upright grid with even spacing"},
        tilt_degrees=round(degrees, 2),
    )


def _sorted(frames: Sequence[Frame], size: tuple[int, int], path: Path) -> _Slices:
    for attribute, words in _REQUIRED.items():
        missing = [frame for frame in frames if getattr(frame, attribute) is None]
        if missing:
            text = f"{len(missing)} of {len(frames)} slices have no {words}: {frame_names(missing)}"
            raise reject(path, text, f"missing_{attribute}")
    row, column, normal = _axes(frames[0], path)
    between_rows, between_columns = frames[0].spacing or (0.0, 0.0)
    positions = np.array([frame.position for frame in frames], dtype=np.float64)
    order = np.argsort(positions @ normal, kind="stable")
    plane = np.stack([row * between_columns, column * between_rows], axis=1)
    return _Slices(tuple(frames[n] for n in order), size, path, positions[order], plane, normal)


def _axes(frame: Frame, path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    row, column = np.array(frame.orientation).reshape(2, 3)
    lengths = float(np.linalg.norm(row)), float(np.linalg.norm(column))
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(float(row @ column))) > _ORTHONORMAL:
        text = f"the image axes {list(frame.orientation or ())} are not perpendicular unit vectors"
        raise reject(path, text, "bad_orientation")
    row, column = row / lengths[0], column / lengths[1]
    normal = np.cross(row, column)
    return row, column, normal / np.linalg.norm(normal)


def _single(slices: _Slices) -> Stack:
    thickness = slices.frames[0].thickness
    if thickness is None:
        raise reject(slices.path, "is one slice without a thickness", "single_slice")
    step = slices.normal * check_spacing([thickness], slices.path)[0]
    geometry = slices.grid((1, *slices.size), step, slices.positions[0])
    return Stack(slices.frames, geometry, slices.positions, warnings=("single-slice",))


def _refuse_duplicates(slices: _Slices) -> None:
    twice = np.flatnonzero(slices.steps < _SAME_MM)
    if len(twice):
        which = sorted({int(n) for n in twice} | {int(n) + 1 for n in twice})
        names = frame_names([slices.frames[n] for n in which])
        raise reject(slices.path, f"several slices lie at one position: {names}", "duplicate_slices")


def _crooked(slices: _Slices) -> bool:
    """Whether a slice lies beside the line from the first to the last, by more than 1 % of a step."""
    offset = slices.positions - slices.positions[0]
    beside = offset - np.outer(offset @ slices.line / (slices.line @ slices.line), slices.line)
    return bool(np.linalg.norm(beside, axis=1).max() > max(_BESIDE_MM, EVEN * float(np.median(slices.steps))))


def _upright(slices: _Slices) -> Geometry:
    """Return the grid along the slices' own axes and their normal that holds every slice.

    Its first and last slice are those of the stack, its step the smallest distance or a little less.
    """
    steps, length = slices.steps, float(slices.line @ slices.normal)
    finest = steps[steps >= 0.5 * np.median(steps)]
    # The mean of all that are the smallest but for rounding, so that rounding adds no slice.
    finest = finest[finest <= finest.min() * (1 + 2 * EVEN)]
    number = max(1, int(np.ceil(length / float(finest.mean()) - _ROUNDING)))
    step, count = length / number, number + 1
    inverse = np.linalg.inv(np.column_stack([slices.plane, slices.normal]))
    shift = (slices.positions - slices.positions[0]) @ inverse.T
    low, high = np.floor(shift.min(axis=0) + 1e-6), np.ceil(shift.max(axis=0) - 1e-6)
    rows, columns = slices.size[0] + int(high[1] - low[1]), slices.size[1] + int(high[0] - low[0])
    return slices.grid((count, rows, columns), slices.normal * step, slices.positions[0] + slices.plane @ low[:2])
