"""A small store in which every version's labels follow from a number that the version carries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart.geometry import Geometry
from medheart.records import Series, Study
from medheart.schema import load_schema
from medheart.volume import LabelMap, Volume
from medheart_store import Store

SHAPE = (40, 34, 33)
SCHEMA = load_schema("hippocampus")
IMAGES = ("image-1", "image-2", "image-3")
GRID = Geometry.from_parts(
    shape=SHAPE, spacing=(0.7, 0.8, 2.5), origin=(-10, 20, 30), direction=np.eye(3)[:, [1, 0, 2]] * [1, -1, -1]
)


def make_store(folder: Path) -> None:
    """Make the store with its images."""
    with Store.open(folder) as store:
        store.add_study(Study("study-1", "pseudo-1", "2026-01-02", "MR head"))
        for number, image in enumerate(IMAGES):
            voxels = np.random.default_rng(number).integers(0, 900, SHAPE).astype(np.int16)
            store.add_series(Series(image, "study-1", "MR", "HEAD", "", "", {}), Volume(voxels, GRID, "MR"))


def array_of(seed: int) -> NDArray[np.uint8]:
    """Return the labels of a seed: two organs that all versions share, and a few strokes of its own."""
    array = np.zeros(SHAPE, np.uint8)
    array[4:20, 5:18, 6:30], array[18:36, 14:30, 3:20] = 1, 2
    generator = np.random.default_rng(seed)
    for _ in range(generator.integers(1, 6)):
        low = generator.integers(0, np.array(SHAPE) - 6)
        high = low + generator.integers(1, 7, 3)
        array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = generator.integers(0, 3)
    return array


def labels_of(seed: int) -> LabelMap:
    """Return the label map of a seed."""
    return LabelMap(array_of(seed), GRID, SCHEMA)


def document_of(seed: int) -> bytes:
    """Return the document of a seed."""
    return np.random.default_rng(seed).bytes(1000 + seed % 50_000)


def faults(folder: Path, acknowledged: dict[str, dict[str, Any]], *, deep: bool = True) -> list[str]:
    """Return what is wrong with a store that nobody writes to; `acknowledged` are versions by id.

    Every version listed must have the bytes of its seed, its number, a first event and parents that are there;
    every acknowledged one must be listed as it was; the head of an image must be one of its versions.
    """
    found = []
    with Store.open(folder) as store:
        listed = {version.id: version for image in IMAGES for version in store.versions(image)}
        found += [f"{name} was acknowledged and is gone" for name in acknowledged.keys() - listed.keys()]
        for name, said in acknowledged.items():
            now = listed[name].to_dict() if name in listed else {}
            found += [f"{name}: {k} was {said[k]!r}, is {now[k]!r}" for k in now if k != "state" and now[k] != said[k]]
        for image in IMAGES:
            numbers = [version.number for version in store.versions(image)]
            if numbers != list(range(1, len(numbers) + 1)):
                found.append(f"{image} has versions {numbers}")
            head = store.head(image)
            if head is not None and (head.id not in listed or head.state == "draft"):
                found.append(f"the head of {image} is {head}")
        for version in listed.values() if deep else ():
            labels = store.labels(version.id)
            if labels.digest != version.digest or not np.array_equal(labels.array, array_of(version.meta["seed"])):
                found.append(f"{version.id} reads back otherwise than written")
            if not store.events(version.id) or not set(version.parents) <= listed.keys():
                found.append(f"{version.id} is half-written")
            for one in store.documents(version.id):
                if store.document_data(one.id) != document_of(one.meta["seed"]):
                    found.append(f"document {one.id} reads back otherwise than written")
        if deep:
            found += store.verify()
    return found
