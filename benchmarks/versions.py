"""What a label version costs: 100 small brush edits of a 512x512x300 label, against gzip copies of it.

Run as `python benchmarks/versions.py` or `medheart bench versions --json`; prints one JSON object. `ours` counts
every byte that the store's folder grew by, the database included; `peer` is what the same edits take as
gzip -6 copies of the label (every tenth copy is compressed, the others are taken as large as the one before).
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart.geometry import Geometry
from medheart.records import Series, Study
from medheart.schema import Code, LabelClass, LabelSchema
from medheart.volume import LabelMap, Volume
from medheart_store import Store

SHAPE = (300, 512, 512)
CLASSES = 8
BRUSH_RADIUS = 8
GZIP_EVERY = 10
GZIP_LEVEL = 6


def schema() -> LabelSchema:
    """Return a schema of eight organs."""
    tissue, organ = Code("SCT", "123037004", "Anatomical Structure"), Code("SCT", "113343008", "Organ")
    return LabelSchema(
        "organs-8",
        "1",
        tuple(LabelClass(n, f"organ_{n}", {"en": f"Organ {n}"}, tissue, organ, (25 * n, 128, 255 - 25 * n))
              for n in range(1, CLASSES + 1)),
    )  # fmt: skip


def organs(shape: tuple[int, int, int], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Return a label (K, J, I) of ellipsoids with noisy borders, about 5 % of the voxels."""
    label = np.zeros(shape, np.uint8)
    for value in range(1, CLASSES + 1):
        radii = np.array(shape) * generator.uniform(0.09, 0.14, 3)
        centre = generator.uniform(radii * 1.2, np.array(shape) - radii * 1.2)
        low = np.maximum((centre - radii * 1.1).astype(int), 0)
        high = np.minimum((centre + radii * 1.1).astype(int) + 1, shape)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        axes = np.ogrid[box]
        distance = sum(((axis - c) / r) ** 2 for axis, c, r in zip(axes, centre, radii, strict=True))
        label[box][distance + generator.normal(0, 0.02, distance.shape) < 1] = value
    return label


def brush(label: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Return a copy with one ball painted at a border voxel of an organ, or erased there."""
    edited = label.copy()
    k = int(generator.choice(np.flatnonzero(label.any(axis=(1, 2)))))
    border = np.argwhere(label[k, :, 1:] != label[k, :, :-1])
    j, i = border[generator.integers(len(border))]
    low = np.maximum(np.array([k, j, i]) - BRUSH_RADIUS, 0)
    high = np.minimum(np.array([k, j, i]) + BRUSH_RADIUS + 1, label.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    distance = sum((axis - c) ** 2 for axis, c in zip(np.ogrid[box], (k, j, i), strict=True))
    edited[box][distance <= BRUSH_RADIUS**2] = generator.integers(0, CLASSES + 1)
    return edited


def folder_bytes(folder: Path) -> int:
    """Return the size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def edits(first: NDArray[np.uint8], number: int, generator: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """Yield the label after each edit."""
    for _ in range(number):
        first = brush(first, generator)
        yield first


def run(folder: Path, *, number: int, seed: int) -> dict[str, Any]:
    """Do the edits in a store in `folder` and return the figures."""
    generator = np.random.default_rng(seed)
    geometry = Geometry.from_parts(shape=SHAPE, spacing=(0.7, 0.7, 1.0))
    array = organs(SHAPE, generator)
    with Store.open(folder) as store:
        store.add_study(Study("study", "patient", "", ""))
        store.add_series(Series("image", "study", "CT", "", "", "", {}), Volume(np.zeros(SHAPE, np.uint8), geometry))
        empty = folder_bytes(folder)
        label = LabelMap(array, geometry, schema())
        head = store.add_version(label, image="image", author="bench", origin="manual")
    before = folder_bytes(folder)
    copies, copy = 0, b""
    with Store.open(folder) as store:
        for n, edited in enumerate(edits(array, number, generator)):
            label = label.with_array(edited)
            head = store.add_version(
                label, image="image", author="bench", origin="edited", base=head.id, expect_head=True
            )
            if n % GZIP_EVERY == 0:
                copy = gzip.compress(edited.tobytes(), GZIP_LEVEL)
            copies += len(copy)
    added = folder_bytes(folder) - before
    with Store.open(folder) as store:
        start = time.perf_counter()
        restored = store.labels(head.id).array
        ours_s = time.perf_counter() - start
    same = bool((restored == label.array).all())
    copy = gzip.compress(label.array.tobytes(), GZIP_LEVEL)
    start = time.perf_counter()
    np.frombuffer(gzip.decompress(copy), np.uint8).reshape(SHAPE)
    peer_s = time.perf_counter() - start
    return {
        "name": "versions",
        "ours": added,
        "peer": copies,
        "ratio": round(copies / added, 1),
        "unit": "byte",
        "runs": number,
        "peer_name": f"gzip -{GZIP_LEVEL} copies",
        "first_version": before - empty,
        "database": (folder / "store.sqlite").stat().st_size,
        "read_back_equal": same,
        "read_s": round(ours_s, 3),
        "peer_read_s": round(peer_s, 3),
        "seed": seed,
    }


def main() -> None:
    """Parse the command line and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=int, default=100, help="number of brush edits")
    parser.add_argument("--seed", type=int, default=1, help="of the label and the edits")
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: the output is always JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="medheart-bench-") as folder:
        print(json.dumps(run(Path(folder), number=arguments.edits, seed=arguments.seed)))


if __name__ == "__main__":
    main()
