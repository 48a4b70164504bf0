"""Simulated gliomas in head phantoms and in the brains of real FLAIR images.

Training sees no real tumour. The real brains are two patients with multiple sclerosis (Lesjak 2017),
of whom only FLAIR is there: their contrast-enhanced T1 image is computed from it. The real tumour of
BRATS 2013 is for evaluation only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart import Volume
from medheart.overlap import dice
from medheart.phantom import brain_mask, brain_mr, insert_glioma, tumour_labels
from medheart.task import Task
from medheart_io import read_image
from medheart_models.training.calibration import LabelledVolumes
from medheart_models.training.data import Case, make_case
from medheart_models.training.evaluation import mean_scores, predictor, score_case
from medheart_runtime import Network

__all__ = ["TaskSource"]

_REAL_BRAINS = ("patient07", "patient19")
_EXTENT_MM = np.array([168.0, 212.0, 176.0])  # of a phantom along (K, J, I)
# Brightness of fluid, white matter, grey matter and gliosis, white matter = 1, in FLAIR and in T1.
_FLAIR_LEVELS = (0.0, 0.25, 1.0, 1.22, 1.6)
_T1_LEVELS = (0.1, 0.3, 1.0, 0.78, 0.72)
_BRATS = "brats_2013_pat0005_1"


class TaskSource:
    """See `medheart_models.training.sources.Source`."""

    def __init__(self, task: Task, data: Path, recipe: dict[str, Any]) -> None:
        self.task = task
        self.folder = data / "mr"
        self.recipe = recipe

    def training_cases(self) -> list[Case]:
        """Return phantoms and real brains, all with simulated gliomas."""
        cases = []
        for seed in self.recipe["phantoms"]:
            volumes, labels = phantom(seed)
            cases.append(make_case(f"phantom {seed}", volumes, labels, self.task))
        for name in _REAL_BRAINS:
            flair = read_image(self.folder / "ms_lesion" / f"{name}_FLAIR.nii.gz")
            brain = brain_mask(flair)
            for variant in range(self.recipe["real_variants"]):
                rng = np.random.default_rng([self.recipe["seed"], variant])
                with_tumour, t1c, parts = insert_glioma(flair, t1_from_flair(flair, brain, rng), brain, rng)
                assert t1c is not None
                labels = tumour_labels(parts, flair.geometry).array
                cases.append(make_case(f"{name}, variant {variant}", [with_tumour, t1c], labels, self.task))
        return cases

    def calibration_cases(self) -> list[LabelledVolumes]:
        """Return none: the scores are taken as they are."""
        return []

    def evaluate(self, network: Network, *, limit: int | None = None) -> dict[str, Any]:
        """Return Dice on held-out phantoms and on a real tumour."""
        predict = predictor(network, self.task)
        scores = {}
        for seed in self.recipe["held_out_phantoms"][:limit]:
            volumes, labels = phantom(seed)
            scores[f"phantom {seed}"] = score_case(predict(volumes), labels, self.task)
        real = {} if limit is not None else {"BRATS 2013 pat0005": self._real_tumour(predict)}
        return {"mean": mean_scores(scores), "cases": scores, "real": real}

    def _real_tumour(self, predict: Any) -> dict[str, float]:
        folder = self.folder / "brats2013"
        volumes = [read_image(folder / f"{_BRATS}_{role}.nii.gz") for role in ("flair", "t1c")]
        parts = read_image(folder / f"{_BRATS}_label.nii.gz").array.astype(np.uint8)
        truth = tumour_labels(parts, volumes[0].geometry).array
        found = predict(volumes)
        scores = score_case(found, truth, self.task)
        scores["whole tumour"] = round(dice(found > 0, truth > 0), 4)
        scores["tumour core"] = round(dice(np.isin(found, (1, 3)), np.isin(truth, (1, 3))), 4)
        return scores


def phantom(seed: int) -> tuple[list[Volume], NDArray[np.uint8]]:
    """Return FLAIR and T1 of a head phantom whose grid, noise, skull and number of lesions its seed draws."""
    rng = np.random.default_rng([seed, 1])
    inplane, slices = float(rng.uniform(1.2, 1.8)), float(rng.uniform(1.2, 4.0))
    k, j, i = np.ceil(_EXTENT_MM / [slices, inplane, inplane]).astype(int)
    images, labels = brain_mr(
        seed,
        spacing=(inplane, inplane, slices),
        shape=(int(k), int(j), int(i)),
        lesions=int(rng.integers(1, 3)),
        skull=bool(rng.random() < 0.5),
        noise=float(rng.uniform(0.01, 0.05)),
    )
    return [images["flair"], images["t1c"]], labels.array.astype(np.uint8)


def t1_from_flair(flair: Volume, brain: NDArray[np.bool_], rng: np.random.Generator) -> Volume:
    """Return a T1 image computed from a skull-stripped FLAIR by the usual brightness of the tissues."""
    white = float(np.median(flair.array[brain]))
    levels = np.array(_T1_LEVELS) * np.concatenate([[1], rng.uniform(0.92, 1.08, 4)])
    image = np.interp(flair.array / white, _FLAIR_LEVELS, levels) * 500
    image = image + rng.normal(0, 12, image.shape)
    return Volume(np.where(brain, np.clip(image, 1, None), 0).astype(np.int16), flair.geometry, "MR", {})
