"""Overlap of two label maps."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from medheart.errors import GeometryError
from medheart.volume import LabelMap

__all__ = ["dice", "dice_per_label"]


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Return the Dice coefficient of two boolean masks of one shape.

    Parameters
    ----------
    first, second : numpy.ndarray
        Boolean (K, J, I).

    Returns
    -------
    float
        2·|A∩B| / (|A|+|B|), in 0..1; 1 where both are empty.

    Raises
    ------
    GeometryError
        If the shapes differ or an array is not boolean (values are not weights).

    References
    ----------
    Dice LR. Ecology 1945;26:297-302. doi:10.2307/1932409
    """
    if first.shape != second.shape or first.dtype != np.bool_ or second.dtype != np.bool_:
        came = f"{first.dtype} {first.shape} and {second.dtype} {second.shape}"
        raise GeometryError(f"dice needs two boolean arrays of one shape, got {came}")
    total = int(np.count_nonzero(first)) + int(np.count_nonzero(second))
    return 2.0 * int(np.count_nonzero(first & second)) / total if total else 1.0


def dice_per_label(first: LabelMap, second: LabelMap, *, values: Iterable[int] | None = None) -> dict[int, float]:
    """Return Dice per label value of two label maps on one grid.

    `values` defaults to those of the first map's schema. Raises GeometryError if the grids differ.
    """
    if not first.geometry.matches(second.geometry):
        raise GeometryError("the two label maps lie on different grids")
    wanted = first.schema.values if values is None else tuple(values)
    return {value: dice(first.array == value, second.array == value) for value in wanted}
