"""Looking at a volume along the patient's axes: planes, slices, edge letters, and where a point lies in them.

The radiological way: axial seen from the feet, coronal from the front, sagittal from the left. Nothing is resampled:
a plane is that of the grid which is closest to the patient's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medheart.geometry import Geometry
from medheart.volume import LabelMap, Volume

__all__ = ["PLANES", "Plane", "View", "edge_letters", "view_of"]

_LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))
_OBLIQUE = 0.25


@dataclass(frozen=True)
class Plane:
    """A viewing plane of the turned volume (z, y, x).

    Parameters
    ----------
    name : str
        `axial`, `coronal` or `sagittal`.
    normal, rows, columns : int
        Array axes across, down and along a picture of the plane.
    upward : bool
        Whether the rows run against their axis, so that the head is up.
    """

    name: str
    normal: int
    rows: int
    columns: int
    upward: bool


PLANES = (
    Plane("axial", 0, 1, 2, upward=False),
    Plane("coronal", 1, 0, 2, upward=True),
    Plane("sagittal", 2, 0, 1, upward=True),
)


@dataclass(frozen=True, eq=False)
class View:
    """A volume turned so that its axes (z, y, x) run closest to head, back and left.

    Parameters
    ----------
    image : numpy.ndarray
        (z, y, x).
    labels : numpy.ndarray or None
        (z, y, x).
    geometry : Geometry
        Grid of both.
    sources : tuple of (int, bool)
        Per axis (z, y, x): the axis of the stored array (K, J, I), and whether it was reversed.
    """

    image: NDArray[Any]
    labels: NDArray[Any] | None
    geometry: Geometry
    sources: tuple[tuple[int, bool], ...]

    def slice_of(self, array: NDArray[Any], plane: Plane, index: int) -> NDArray[Any]:
        """Return one slice (rows, columns) of an array (z, y, x) as it is looked at."""
        part = np.take(array, index, axis=plane.normal)
        part = part if plane.rows < plane.columns else part.T
        seen: NDArray[Any] = part[::-1] if plane.upward else part
        return seen

    def pixel_mm(self, plane: Plane) -> tuple[float, float]:
        """Return the size in mm of a pixel (down, along)."""
        spacing = self.geometry.spacing_kji
        return spacing[plane.rows], spacing[plane.columns]

    def to_pixels(self, points: ArrayLike, plane: Plane) -> NDArray[np.float64]:
        """Map LPS mm (n, 3) to (row, column) of a slice; a whole number is the centre of a pixel."""
        index = self.geometry.lps_to_index(points)[..., ::-1]
        rows, columns = index[..., plane.rows], index[..., plane.columns]
        if plane.upward:
            rows = self.geometry.shape[plane.rows] - 1 - rows
        return np.stack([rows, columns], axis=-1)

    def position_mm(self, plane: Plane, index: int) -> float:
        """Return the LPS coordinate across the plane, in mm, of the middle of a slice."""
        middle = (np.array(self.geometry.shape) - 1) / 2
        middle[plane.normal] = index
        return float(self.geometry.index_to_lps(middle[::-1])[2 - plane.normal])

    def stored_slice(self, plane: Plane, index: int) -> tuple[int, int]:
        """Return the number of a slice (from 1) in the stored array, and how many there are."""
        count = self.geometry.shape[plane.normal]
        return (count - index if self.sources[plane.normal][1] else index + 1), count


def view_of(image: Volume, labels: LabelMap | None = None) -> View:
    """Return the view of an image and the labels on its grid."""
    letters = image.geometry.orientation[::-1]
    axes = tuple(next(a for a in range(3) if letters[a] in pair) for pair in ("IS", "AP", "RL"))
    flips = tuple(letters[axis] in "IAR" for axis in axes)
    turn = tuple(slice(None, None, -1 if flip else 1) for flip in flips)
    return View(
        image.array.transpose(axes)[turn],
        None if labels is None else labels.array.transpose(axes)[turn],
        image.geometry.reoriented(axes, flips),  # type: ignore[arg-type]
        tuple(zip(axes, flips, strict=True)),
    )


def edge_letters(view: View, plane: Plane) -> dict[str, str]:
    """Return the letters at the edges of a picture: `left`, `right`, `top`, `bottom`; two where it is oblique."""
    direction = view.geometry.direction
    along, down = direction[:, 2 - plane.columns], direction[:, 2 - plane.rows]
    down = -down if plane.upward else down
    return {"left": _name(-along), "right": _name(along), "top": _name(-down), "bottom": _name(down)}


def _name(direction: NDArray[np.float64]) -> str:
    order = [axis for axis in np.argsort(-np.abs(direction)) if abs(direction[axis]) > _OBLIQUE]
    return "".join(_LETTERS[axis][int(direction[axis] > 0)] for axis in order[:2])
