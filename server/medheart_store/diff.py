"""What differs between two label versions of one grid."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart_store.chunks import chunk_boxes
from medheart_store.labels import LabelObjects
from medheart_store.manifests import Manifest

__all__ = ["Changes", "VersionDiff", "changes", "dice_per_label"]

ChangedBox = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Changes:
    """Voxels that differ between two contents.

    Parameters
    ----------
    transitions : dict
        Number of voxels by (old value, new value).
    box : tuple or None
        Smallest box around them as half-open ranges along (K, J, I); None where nothing differs.
    chunks : tuple of int
        Linear positions of the chunks that differ.
    """

    transitions: dict[tuple[int, int], int]
    box: ChangedBox | None
    chunks: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serialisable dict."""
        return {"box": [list(part) for part in self.box] if self.box else None, "chunks": list(self.chunks)}


@dataclass(frozen=True)
class VersionDiff:
    """What differs from version `a` to version `b`.

    Parameters
    ----------
    a, b : str
        Ids of the versions.
    changed : int
        Voxels whose value differs.
    transitions : dict
        Voxels by (value in a, value in b).
    box : tuple or None
        Smallest box around them as half-open ranges along (K, J, I); None where nothing differs.
    dice : dict of int to float
        Dice overlap of each label that either has.
    """

    a: str
    b: str
    changed: int
    transitions: dict[tuple[int, int], int]
    box: ChangedBox | None
    dice: dict[int, float]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serialisable dict; transitions as a list of {"from", "to", "voxels"}."""
        return {
            "a": self.a,
            "b": self.b,
            "changed": self.changed,
            "transitions": [{"from": o, "to": n, "voxels": v} for (o, n), v in sorted(self.transitions.items())],
            "box": [list(part) for part in self.box] if self.box else None,
            "dice": {str(value): score for value, score in self.dice.items()},
        }


def changes(labels: LabelObjects, old: Manifest, new: Manifest) -> Changes:
    """Compare two contents of one shape; reads only the chunks that differ."""
    positions = old.differing(new)
    boxes = chunk_boxes(old.shape)
    before, after = labels.blocks(old, positions), labels.blocks(new, positions)
    transitions: Counter[tuple[int, int]] = Counter()
    corners: list[NDArray[np.int64]] = []
    for position in positions:
        box = boxes[position]
        zero = np.zeros([part.stop - part.start for part in box], np.uint32)
        a, b = before.get(position, zero), after.get(position, zero)
        where = np.argwhere(a != b)
        if not len(where):
            continue
        start = np.array([part.start for part in box])
        corners += [where.min(axis=0) + start, where.max(axis=0) + start + 1]
        transitions.update(_pairs(a[tuple(where.T)], b[tuple(where.T)]))
    return Changes(dict(transitions), _around(corners), tuple(positions))


def dice_per_label(
    counts_a: dict[int, int], counts_b: dict[int, int], transitions: dict[tuple[int, int], int]
) -> dict[int, float]:
    """Return 2·|A∩B| / (|A|+|B|) per label, from voxel counts and the voxels that changed."""
    scores = {}
    for value in sorted(counts_a.keys() | counts_b.keys()):
        a, b = counts_a.get(value, 0), counts_b.get(value, 0)
        lost = sum(number for (old, _), number in transitions.items() if old == value)
        scores[value] = 2 * (a - lost) / (a + b)
    return scores


def _pairs(old: NDArray[Any], new: NDArray[Any]) -> dict[tuple[int, int], int]:
    pairs, numbers = np.unique(np.stack([old, new]).astype(np.int64), axis=1, return_counts=True)
    return {(int(o), int(n)): int(number) for (o, n), number in zip(pairs.T, numbers, strict=True)}


def _around(corners: list[NDArray[np.int64]]) -> ChangedBox | None:
    if not corners:
        return None
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    k, j, i = ((int(a), int(b)) for a, b in zip(low, high, strict=True))
    return k, j, i
