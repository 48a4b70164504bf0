"""Cleaning of a predicted label array by its connected components."""

from __future__ import annotations

from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray

from medheart import Geometry

__all__ = ["postprocess"]


def postprocess(labels: NDArray[np.uint8], geometry: Geometry, settings: dict[str, Any]) -> NDArray[np.uint8]:
    """Remove components that cannot be true.

    Components are those of all labels together (26 neighbours), so that the parts of one structure
    stay together.

    Parameters
    ----------
    labels : numpy.ndarray
        (K, J, I).
    geometry : Geometry
        Its grid.
    settings : dict
        `keep_largest` (bool) and `minimum_component_mm3`.

    Returns
    -------
    numpy.ndarray
        (K, J, I), a new array.
    """
    components = cc3d.connected_components((labels > 0).astype(np.uint8), connectivity=26)
    sizes = np.bincount(components.reshape(-1))
    sizes[0] = 0
    keep = sizes * geometry.voxel_volume_mm3 >= settings["minimum_component_mm3"]
    if settings["keep_largest"]:
        keep &= np.arange(len(sizes)) == sizes.argmax()
    keep[0] = False
    return np.where(keep[components], labels, 0).astype(labels.dtype)
