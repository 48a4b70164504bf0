"""Sample data that needs no download: phantoms made on the spot."""

from __future__ import annotations

from typing import Any

from medheart.phantom import brain_mr, chest_ct
from MedHeartLib.mrml.Volumes import nodeFromVolume

__all__ = ["loadChest", "loadHead", "registerSamples"]

_SEED = 7


def loadChest(scene: Any) -> list[Any]:
    """Add a chest CT phantom with nodules to a scene."""
    volume, _ = chest_ct(_SEED, spacing=(1.4, 1.4, 1.8), shape=(160, 250, 250))
    return [nodeFromVolume(scene, volume, "MedHeartChest")]


def loadHead(scene: Any) -> list[Any]:
    """Add a head MR phantom with a tumour to a scene: FLAIR, and T1 with contrast medium."""
    images, _ = brain_mr(_SEED)
    return [nodeFromVolume(scene, image, f"MedHeartHead{role.upper()}") for role, image in images.items()]


def registerSamples(scene: Any, register: Any) -> None:
    """Offer the phantoms in the module Sample Data.

    Parameters
    ----------
    scene : vtkMRMLScene
        Where they go.
    register : callable
        `SampleDataLogic.registerCustomSampleDataSource`. It wants an address and a file name also where
        nothing is downloaded.
    """
    for name, load in (("MedHeartChest", loadChest), ("MedHeartHead", loadHead)):
        register(
            category="MedHeart",
            sampleName=name,
            uris=f"medheart:{name}",
            fileNames=f"{name}.nrrd",
            nodeNames=name,
            customDownloader=lambda _source, load=load: load(scene),
        )
