"""Words for stacks whose slices are not evenly apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medheart_io.dicom_frames import Frame

__all__ = ["EVEN", "frame_names", "uneven_words"]

EVEN = 0.01
"""Part of a step by which distances may differ."""
_DRIFT = 0.1
"""Part of a step by which a slice may lie beside its place on the even grid, after all small differences."""
_NAMED = 6


def frame_names(frames: Sequence[Frame]) -> str:
    """Return the names of the first files (and frames) for a message."""
    names = [frame.path.name + (f" frame {frame.index + 1}" if frame.index else "") for frame in frames[:_NAMED]]
    return ", ".join(names) + (f" and {len(frames) - _NAMED} more" if len(frames) > _NAMED else "")


def uneven_words(steps: NDArray[np.float64], frames: Sequence[Frame]) -> tuple[str, str]:
    """Return code and sentence of what is wrong with the distances.

    Empty if they are even within 1 %, and no slice lies more than a tenth of a step beside its place.

    Parameters
    ----------
    steps : numpy.ndarray
        (K - 1,) mm between neighbours.
    frames : sequence of Frame
        (K,) in order of position.

    Returns
    -------
    tuple of str
        `missing_slices` where all distances are whole multiples of the smallest, which is the commonest;
        `uneven_spacing` otherwise.
    """
    usual, smallest = float(np.median(steps)), float(steps.min())
    if np.abs(steps - usual).max() <= EVEN * usual:
        return _drift_words(steps)
    whole = np.rint(steps / smallest).astype(int)
    if np.abs(steps / smallest - whole).max() > EVEN * whole.max() or np.count_nonzero(whole == 1) * 2 < len(steps):
        text = f"the slices are {smallest:.2f} to {steps.max():.2f} mm apart, expected one distance"
        return "uneven_spacing", text
    number = np.concatenate([[1], 1 + np.cumsum(whole)])
    gaps = [
        f"{whole[n] - 1} between {number[n]} and {number[n + 1]} ({frame_names(frames[n : n + 2])})"
        for n in np.flatnonzero(whole > 1)
    ]
    total = int((whole - 1).sum())
    more = f" and {len(gaps) - _NAMED} more gaps" if len(gaps) > _NAMED else ""
    return "missing_slices", f"{total} slice{'s are' if total > 1 else ' is'} missing: {'; '.join(gaps[:_NAMED])}{more}"


def _drift_words(steps: NDArray[np.float64]) -> tuple[str, str]:
    step = float(steps.mean())
    drift = float(np.abs(np.cumsum(steps) - step * np.arange(1, len(steps) + 1)).max())
    if drift <= _DRIFT * step:
        return "", ""
    text = f"the distances of {steps.min():.4f} to {steps.max():.4f} mm add up: a slice lies {drift:.2f} mm beside"
    return "uneven_spacing", f"{text} its place on an even grid"
