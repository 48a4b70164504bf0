"""What the module can prove of itself inside the application: voxels stay where they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from medheart.phantom import random_geometry
from medheart.schema import load_schema
from medheart.volume import LabelMap, Volume
from MedHeartLib.mrml.Segmentations import labelMapFromNode, nodeFromLabelMap
from MedHeartLib.mrml.Volumes import nodeFromVolume, volumeFromNode

__all__ = ["checkRoundTrip"]


def checkRoundTrip(scene: Any, seed: int) -> None:
    """Bring an oblique, anisotropic volume and its labels into a scene and back; remove them again.

    Raises
    ------
    AssertionError
        If a voxel has changed or moved by more than 1e-3 mm.
    """
    rng = np.random.default_rng(seed)
    geometry = random_geometry(rng, (9, 11, 13), left_handed=bool(seed % 2))
    volume = Volume(rng.integers(-1000, 1000, geometry.shape).astype(np.int16), geometry, "MR")
    schema = load_schema("hippocampus")
    labels = LabelMap(rng.choice([0, *schema.values], geometry.shape).astype(np.uint8), geometry, schema)
    volumeNode = nodeFromVolume(scene, volume, "MedHeart self-test")
    segmentationNode = nodeFromLabelMap(scene, labels, volumeNode, "MedHeart self-test")
    try:
        image, found = volumeFromNode(volumeNode), labelMapFromNode(segmentationNode, volumeNode, schema)
        if not image.geometry.matches(geometry) or not found.geometry.matches(geometry):
            raise AssertionError(f"the grid has moved by {image.geometry.max_corner_distance(geometry)} mm")
        if not np.array_equal(image.array, volume.array) or not np.array_equal(found.array, labels.array):
            raise AssertionError("voxels have changed")
    finally:
        for node in (segmentationNode, volumeNode):
            scene.RemoveNode(node)
