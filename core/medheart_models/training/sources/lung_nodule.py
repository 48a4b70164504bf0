"""Simulated nodules in chest phantoms and in the lungs of real chest CTs.

Training sees no real nodule: of the real CT 4D-Lung P113 the half with the tumour is replaced by the
mirror image of the other half.
Real cases are for evaluation only: the CT of LIDC-IDRI-0314 with one nodule that four readers marked,
and the tumour of 4D-Lung P113.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray

from medheart import Geometry, Volume
from medheart.overlap import dice
from medheart.phantom import chest_ct, insert_nodules, lung_mask
from medheart.task import Task
from medheart_io import read_image
from medheart_models.cropping import cropped_geometry
from medheart_models.training.calibration import LabelledVolumes
from medheart_models.training.data import Case, make_case
from medheart_models.training.evaluation import mean_scores, predictor, score_case
from medheart_runtime import Network

__all__ = ["TaskSource"]

_EXTENT_MM = np.array([280.0, 300.0, 360.0])  # of a phantom along (K, J, I)
_TUMOUR = 1  # label of the tumour in 4D-Lung P113


class TaskSource:
    """See `medheart_models.training.sources.Source`."""

    def __init__(self, task: Task, data: Path, recipe: dict[str, Any]) -> None:
        self.task = task
        self.folder = data / "ct" / "lung"
        self.recipe = recipe

    def training_cases(self) -> list[Case]:
        """Return phantoms and real lungs, all with simulated nodules."""
        count = self.recipe["nodules_per_case"]
        cases = []
        for seed in self.recipe["phantoms"]:
            volume, labels = phantom(seed, nodules=count)
            cases.append(make_case(f"phantom {seed}", [volume], labels, self.task))
        healthy = healthy_chest(self.folder)
        lungs = lung_mask(healthy)
        for variant in range(self.recipe["real_variants"]):
            volume, mask = insert_nodules(healthy, lungs, np.random.default_rng(self.recipe["seed"] + variant), count)
            cases.append(make_case(f"4D-Lung P113 mirrored healthy half, variant {variant}", [volume], mask, self.task))
        return cases

    def calibration_cases(self) -> list[LabelledVolumes]:
        """Return phantoms of their own, with few nodules as in patients."""
        cases = [phantom(seed, nodules=4) for seed in self.recipe["calibration_phantoms"]]
        return [([volume], labels) for volume, labels in cases]

    def evaluate(self, network: Network, *, limit: int | None = None) -> dict[str, Any]:
        """Return Dice on held-out phantoms and on held-out real lungs, and what happens on real lesions."""
        predict = predictor(network, self.task)
        scores = {}
        for seed in self.recipe["held_out_phantoms"][:limit]:
            volume, labels = phantom(seed, nodules=4)
            scores[f"phantom {seed}"] = score_case(predict([volume]), labels, self.task)
        result: dict[str, Any] = {}
        if limit is None:
            real = read_image(self.folder / "lidc_0314_ct.nii.gz")
            simulated, mask = insert_nodules(real, lung_mask(real), np.random.default_rng(self.recipe["seed"]), 6)
            found = predict([simulated]) & ~real_nodule(self.folder, real)
            scores["LIDC-IDRI-0314 with simulated nodules"] = score_case(found, mask, self.task)
            result["LIDC-IDRI-0314"] = score_lidc(predict([real]), real.geometry, self.folder)
            real = read_image(self.folder / "4dlung_p113_ct.nii.gz")
            truth = read_image(self.folder / "4dlung_p113_label.nii.gz").array == _TUMOUR
            result["4D-Lung P113"] = {"tumour": round(dice(predict([real]) == 1, truth), 4)}
        return {"mean": mean_scores(scores), "cases": scores, "real": result}


def phantom(seed: int, *, nodules: int) -> tuple[Volume, NDArray[np.uint8]]:
    """Return a chest phantom on a grid and with a noise level that its seed draws, and its labels (K, J, I)."""
    rng = np.random.default_rng([seed, 1])
    inplane, slices = float(rng.uniform(1.2, 1.7)), float(rng.uniform(1.25, 2.5))
    k, j, i = np.ceil(_EXTENT_MM / [slices, inplane, inplane]).astype(int)
    volume, labels = chest_ct(
        seed,
        spacing=(inplane, inplane, slices),
        shape=(int(k), int(j), int(i)),
        nodules=nodules,
        noise_hu=float(rng.uniform(8, 35)),
    )
    return volume, labels.array.astype(np.uint8)


def healthy_chest(folder: Path) -> Volume:
    """Return the CT of 4D-Lung P113 with the half that holds the tumour replaced by the other half's mirror image."""
    volume = read_image(folder / "4dlung_p113_ct.nii.gz")
    tumour = read_image(folder / "4dlung_p113_label.nii.gz").array == _TUMOUR
    array = volume.array
    middle = round(float(np.argwhere((array > -300).any(axis=(0, 1))).mean()))
    if np.argwhere(tumour.any(axis=(0, 1))).mean() < middle:
        array = array[:, :, ::-1]
        middle = array.shape[2] - middle
    half = array[:, :, :middle]
    box = (slice(0, array.shape[0]), slice(0, array.shape[1]), slice(0, 2 * middle))
    mirrored = np.concatenate([half, half[:, :, ::-1]], axis=2)
    return Volume(mirrored, cropped_geometry(volume.geometry, box), "CT", volume.meta)


def score_lidc(labels: NDArray[np.uint8], geometry: Geometry, folder: Path) -> dict[str, Any]:
    """Compare with the nodule's published centre and volume; other components are counted as false."""
    nodule = json.loads((folder / "lidc_0314_nodule.json").read_text(encoding="utf-8"))
    components = cc3d.connected_components(labels, connectivity=26)
    near = [int(n) for n in np.unique(components[_ball(geometry, nodule["center_lps_mm"], 5.0)]) if n]
    volume = float(np.isin(components, near).sum()) * geometry.voxel_volume_mm3 if near else 0.0
    return {
        "nodule found": bool(near),
        "volume_mm3": round(volume, 1),
        "published_volume_mm3": nodule["lidc_volume_mm3"],
        "other components": int(components.max()) - len(near),
    }


def real_nodule(folder: Path, volume: Volume) -> NDArray[np.bool_]:
    """Return a ball (K, J, I) that holds the real nodule of LIDC-IDRI-0314."""
    nodule = json.loads((folder / "lidc_0314_nodule.json").read_text(encoding="utf-8"))
    return _ball(volume.geometry, nodule["center_lps_mm"], nodule["diameter_mm"])


def _ball(geometry: Geometry, centre: list[float], radius: float) -> NDArray[np.bool_]:
    points = geometry.index_to_lps(np.stack(np.meshgrid(*map(np.arange, geometry.shape), indexing="ij"), -1)[..., ::-1])
    return np.asarray(np.linalg.norm(points - np.array(centre), axis=-1) <= radius)
