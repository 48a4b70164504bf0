"""The voxel grid of an image, and the one place where RAS and LPS meet.

Conventions of the whole project:

* Arrays are `(K, J, I)`: slice, row, column, C order. `I` runs fastest.
* Index vectors are written `(i, j, k)`.
* Physical points are millimetres in the DICOM patient frame, LPS: +x to the patient's
  left, +y to posterior, +z to the head. NIfTI and 3D Slicer use RAS; `flip_ras_lps`
  is the only conversion.
* `affine` maps a voxel *centre*: `(x, y, z, 1) = affine @ (i, j, k, 1)`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medheart.errors import GeometryError

__all__ = ["Geometry", "flip_ras_lps"]

_FLIP: NDArray[np.float64] = np.diag([-1.0, -1.0, 1.0, 1.0])
_LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))


def flip_ras_lps(affine: ArrayLike) -> NDArray[np.float64]:
    """Turn an affine from RAS to LPS, or from LPS to RAS (it is its own inverse).

    Parameters
    ----------
    affine : array_like
        (4, 4), index to millimetres.

    Returns
    -------
    numpy.ndarray
        (4, 4) float64 in the other frame.
    """
    return np.asarray(_FLIP @ np.asarray(affine, dtype=np.float64), dtype=np.float64)


def _apply(affine: NDArray[np.float64], points: ArrayLike) -> NDArray[np.float64]:
    mapped: NDArray[np.float64] = np.asarray(points, dtype=np.float64) @ affine[:3, :3].T + affine[:3, 3]
    return mapped


@dataclass(frozen=True, eq=False)
class Geometry:
    """A regular voxel grid in the LPS frame.

    Parameters
    ----------
    shape : tuple of int
        (K, J, I): slices, rows, columns.
    affine : array_like
        (4, 4) from (i, j, k, 1) to LPS millimetres of the voxel centre. The three axes must be
        orthogonal within 1e-3 (sheared grids are refused); they may be oblique and left-handed.

    Raises
    ------
    GeometryError
        If a number is not finite, an axis has no length, or the axes are not orthogonal.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        shape = tuple(int(n) for n in self.shape)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise GeometryError(f"affine must be a finite 4x4 matrix, got {affine.tolist()}")
        if len(shape) != 3 or min(shape) < 1:
            raise GeometryError(f"shape must be three positive sizes (K, J, I), got {shape}")
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        if spacing.min() <= 0:
            raise GeometryError(f"every axis needs a spacing above 0 mm, got {spacing.tolist()}")
        direction = affine[:3, :3] / spacing
        if np.abs(direction.T @ direction - np.eye(3)).max() > 1e-3:
            raise GeometryError("the axes of the grid are not at right angles (sheared or tilted grid)", code="sheared")
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", shape)

    @classmethod
    def from_parts(
        cls,
        *,
        shape: tuple[int, int, int],
        spacing: ArrayLike,
        origin: ArrayLike = (0.0, 0.0, 0.0),
        direction: ArrayLike | None = None,
    ) -> Geometry:
        """Build a grid from ITK's parts.

        Parameters
        ----------
        shape : tuple of int
            (K, J, I).
        spacing : array_like
            (3,) mm along i, j, k.
        origin : array_like
            (3,) LPS mm of the centre of voxel (0, 0, 0).
        direction : array_like, optional
            (3, 3), columns are the unit vectors of i, j, k in LPS; identity by default.
        """
        affine = np.eye(4)
        columns = np.eye(3) if direction is None else np.asarray(direction, dtype=np.float64).reshape(3, 3)
        affine[:3, :3] = columns * np.asarray(spacing, dtype=np.float64)
        affine[:3, 3] = np.asarray(origin, dtype=np.float64)
        return cls(shape, affine)

    @cached_property
    def spacing(self) -> NDArray[np.float64]:
        """(3,) mm along i, j, k."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0), dtype=np.float64)

    @cached_property
    def origin(self) -> NDArray[np.float64]:
        """(3,) LPS mm of the centre of voxel (0, 0, 0)."""
        return self.affine[:3, 3].copy()

    @cached_property
    def direction(self) -> NDArray[np.float64]:
        """(3, 3); columns are the unit vectors of i, j, k in LPS."""
        columns: NDArray[np.float64] = self.affine[:3, :3] / self.spacing
        return columns

    @property
    def spacing_kji(self) -> tuple[float, float, float]:
        """Mm along the array's axes (K, J, I)."""
        i, j, k = (float(s) for s in self.spacing)
        return k, j, i

    @property
    def size_ijk(self) -> tuple[int, int, int]:
        """Number of voxels along (i, j, k)."""
        return self.shape[2], self.shape[1], self.shape[0]

    @property
    def extent_mm(self) -> tuple[float, float, float]:
        """Field of view along (i, j, k) in mm, outer edge to outer edge."""
        x, y, z = (float(n * s) for n, s in zip(self.size_ijk, self.spacing, strict=True))
        return x, y, z

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel in mm³."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    @property
    def is_left_handed(self) -> bool:
        """Whether i × j points against k."""
        return bool(np.linalg.det(self.affine[:3, :3]) < 0)

    @cached_property
    def orientation(self) -> str:
        """Three letters: the patient direction each of i, j, k runs *towards*, e.g. `LPS`."""
        letters, left = [], self.direction.copy()
        for axis in np.argsort(-np.abs(self.direction).max(axis=0), kind="stable"):
            row = int(np.argmax(np.abs(left[:, axis])))
            # LPS: positive x is L, positive y is P, positive z is S.
            letters.append((int(axis), _LETTERS[row][int(self.direction[row, axis] > 0)]))
            left[row, :] = 0.0
        return "".join(letter for _, letter in sorted(letters))

    def to_ras(self) -> NDArray[np.float64]:
        """Return the affine in RAS, as NIfTI and 3D Slicer write it: (4, 4)."""
        return flip_ras_lps(self.affine)

    @classmethod
    def from_ras(cls, shape: tuple[int, int, int], affine: ArrayLike) -> Geometry:
        """Build from an affine in RAS; `shape` is (K, J, I)."""
        return cls(shape, flip_ras_lps(affine))

    def index_to_lps(self, points: ArrayLike) -> NDArray[np.float64]:
        """Map voxel indices to the patient.

        Parameters
        ----------
        points : array_like
            (..., 3) as (i, j, k), may be fractional.

        Returns
        -------
        numpy.ndarray
            (..., 3) LPS mm.
        """
        return _apply(self.affine, points)

    def lps_to_index(self, points: ArrayLike) -> NDArray[np.float64]:
        """Map LPS mm (..., 3) to fractional voxel indices (i, j, k)."""
        return _apply(np.linalg.inv(self.affine), points)

    def reoriented(self, axes: tuple[int, int, int], flips: tuple[bool, bool, bool]) -> Geometry:
        """Return the grid of an array that was transposed and flipped.

        Parameters
        ----------
        axes : tuple of int
            Axis order for `numpy.transpose` of the (K, J, I) array.
        flips : tuple of bool
            Per axis of the *transposed* array, whether it was then reversed.
        """
        order = [2 - axes[2 - n] for n in range(3)]
        affine = np.eye(4)
        affine[:3, :3] = self.affine[:3, order]
        affine[:3, 3] = self.affine[:3, 3]
        shape = tuple(self.shape[a] for a in axes)
        for n in range(3):
            if flips[2 - n]:
                affine[:3, 3] += affine[:3, n] * (shape[2 - n] - 1)
                affine[:3, n] *= -1
        return Geometry(shape, affine)  # type: ignore[arg-type]

    def max_corner_distance(self, other: Geometry) -> float:
        """Return the largest distance in mm between equal corners of two grids of one shape.

        An axis of one voxel counts as two, so that its spacing is compared, too.
        """
        i, j, k = (max(n - 1, 1) for n in self.size_ijk)
        corners = np.array([[a, b, c] for a in (0, i) for b in (0, j) for c in (0, k)])
        return float(np.linalg.norm(self.index_to_lps(corners) - other.index_to_lps(corners), axis=1).max())

    def matches(self, other: Geometry, *, tolerance_mm: float = 1e-3) -> bool:
        """Whether both grids have one shape and put every voxel at the same place within `tolerance_mm`."""
        return self.shape == other.shape and self.max_corner_distance(other) <= tolerance_mm

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 over shape and affine, rounded to 1e-6 mm: a label of another grid never has it."""
        rounded = np.round(self.affine, 6) + 0.0
        return hashlib.sha256(np.array(self.shape, "<i8").tobytes() + rounded.astype("<f8").tobytes()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return `{"shape": [K, J, I], "affine_lps": 4x4}` for JSON."""
        return {"shape": list(self.shape), "affine_lps": self.affine.tolist()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Geometry:
        """Read what `to_dict` wrote."""
        return cls(tuple(data["shape"]), np.array(data["affine_lps"], dtype=np.float64))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Geometry) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)
