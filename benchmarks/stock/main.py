"""A stock MONAI Label application: one task of ours as a `BasicInferTask` with MONAI's own transforms.

The weights, the patch, its overlap, the part of the image that is looked at, the normalisation and the least part
that counts are those of the task; everything else is what the sample applications of MONAI Label do. The prepared
image is cached, as MONAI Label allows.
"""

# ruff: noqa: ARG002  the signatures are MONAI Label's

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.inferers import SlidingWindowInferer
from monai.transforms import (
    AsDiscreted,
    EnsureChannelFirstd,
    EnsureTyped,
    KeepLargestConnectedComponentd,
    LoadImaged,
    MapTransform,
    Orientationd,
    RemoveSmallObjectsd,
    Resize,
    Spacing,
)
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.tasks.infer_v2 import InferType
from monailabel.tasks.infer.basic_infer import BasicInferTask
from monailabel.transform.cache import CacheTransformDatad
from monailabel.transform.post import Restored
from safetensors.torch import load_model
from torch import nn

from medheart.geometry import Geometry
from medheart.schema import load_schema
from medheart.task import Task
from medheart_models.cropping import Box, lung_box, whole
from medheart_models.networks import build_network
from medheart_models.preprocessing import normalise
from medheart_models.tasks import load_task, weights_path


class KjiNetwork(nn.Module):
    """A network of ours, which sees (K, J, I), for MONAI's arrays, which are (I, J, K)."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.network = build_network(task.network)
        load_model(self.network, str(weights_path(task)))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Run the network."""
        return self.network(image.permute(0, 1, 4, 3, 2)).permute(0, 1, 4, 3, 2)


class LookedAt(MapTransform):
    """The part of the image that a task looks at; where it lies is kept beside the voxels."""

    def __init__(self, keys: Any, settings: dict[str, Any]) -> None:
        super().__init__(keys)
        self._settings = settings

    def __call__(self, data: Any) -> Any:
        """Cut each key, (1, I, J, K) in LPS order."""
        d = dict(data)
        for key in self.keys:
            image = d[key]
            k, j, i = self._box(np.asarray(image.array[0]).transpose(), image.pixdim.numpy())
            seen = {"seen": (i, j, k), "seen_of": tuple(image.shape[1:]), "seen_in": image.affine}
            d[key] = MetaTensor(image[:, i, j, k].clone(), meta={**image.meta, **seen})
        return d

    def _box(self, array: Any, spacing: Any) -> Box:
        if self._settings.get("crop") is None:
            return whole(array.shape)
        grid = Geometry(array.shape, np.diag([*spacing, 1.0]))
        return lung_box(array, grid, margin_mm=self._settings["crop_margin_mm"])


class PutBack(MapTransform):
    """Labels of the part that was looked at, in an array of the whole image."""

    def __call__(self, data: Any) -> Any:
        """Put each key, (1, I, J, K), back."""
        d, meta = dict(data), data["image"].meta
        for key in self.keys:
            size = [part.stop - part.start for part in meta["seen"]]
            put = torch.zeros((1, *meta["seen_of"]))
            put[(slice(None), *meta["seen"])] = Resize(spatial_size=size, mode="nearest")(d[key]).as_tensor()
            d[key] = MetaTensor(put, affine=meta["seen_in"])
        return d


class Normalised(MapTransform):
    """The normalisation of a task."""

    def __init__(self, keys: Any, settings: dict[str, Any]) -> None:
        super().__init__(keys)
        self._settings = settings

    def __call__(self, data: Any) -> Any:
        """Normalise each key, (1, I, J, K)."""
        d = dict(data)
        for key in self.keys:
            array = normalise(np.asarray(d[key].array[0], np.float32), self._settings)
            d[key] = MetaTensor(torch.from_numpy(array[None]), meta=d[key].meta)
        return d


class Respaced(MapTransform):
    """MONAI's `Spacing`; `Spacingd` of MONAI 1.6.1 fails on the key `image_path`, which MONAI Label 0.8.5 sets."""

    def __init__(self, keys: Any, pixdim: Any) -> None:
        super().__init__(keys)
        self._spacing = Spacing(pixdim=pixdim, mode="bilinear")

    def __call__(self, data: Any) -> Any:
        """Resample each key, (1, I, J, K)."""
        d = dict(data)
        for key in self.keys:
            d[key] = self._spacing(d[key])
        return d


class TaskInfer(BasicInferTask):
    """One task of ours."""

    def __init__(self, task: Task) -> None:
        labels = {label.name: label.value for label in load_schema(task.schema_id).labels}
        super().__init__(None, KjiNetwork(task), InferType.SEGMENTATION, labels, 3, task.title())
        self._task = task

    def is_valid(self) -> bool:
        """Return true: the network has its weights already."""
        return True

    def pre_transforms(self, data: Any = None) -> list[Any]:
        """Return what prepares an image."""
        settings = self._task.preprocessing
        return [
            LoadImaged(keys="image", reader="ITKReader"),
            EnsureChannelFirstd(keys="image"),
            EnsureTyped(keys="image"),
            Orientationd(keys="image", axcodes="LPS"),
            LookedAt(keys="image", settings=settings),
            Respaced(keys="image", pixdim=settings["spacing_mm"]),
            Normalised(keys="image", settings=settings),
            CacheTransformDatad(keys="image"),
        ]

    def inferer(self, data: Any = None) -> SlidingWindowInferer:
        """Return the sliding window with the task's patch and overlap."""
        inference = self._task.inference
        return SlidingWindowInferer(
            roi_size=inference["patch"][::-1],
            overlap=inference["overlap"],
            mode="gaussian",
            cval=inference["padding_value"],
        )

    def post_transforms(self, data: Any = None) -> list[Any]:
        """Return what turns scores into a label on the image's grid."""
        largest = self._task.postprocessing["keep_largest"]
        least = self._task.postprocessing["minimum_component_mm3"]
        return [
            EnsureTyped(keys="pred"),
            AsDiscreted(keys="pred", argmax=True),
            PutBack(keys="pred"),
            RemoveSmallObjectsd(keys="pred", min_size=least, by_measure=True, connectivity=3),
            *([KeepLargestConnectedComponentd(keys="pred", independent=False)] if largest else []),
            Restored(keys="pred", ref_image="image", invert_orient=True),
        ]


class StockApp(MONAILabelApp):
    """The application; `--conf task ID` names the task."""

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        self._task = load_task(conf["task"])
        super().__init__(app_dir, studies, conf, name="stock")

    def init_infers(self) -> dict[str, TaskInfer]:
        """Return the one inference task."""
        return {self._task.id: TaskInfer(self._task)}
