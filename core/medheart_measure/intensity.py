"""Statistics of the image inside a region."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from medheart.errors import ImageRejected
from medheart.records import Measurement
from medheart.volume import Volume
from medheart_measure.quantities import quantity_measurement
from medheart_measure.region import Region

__all__ = ["HOUNSFIELD", "intensity_measurements"]

HOUNSFIELD = "[hnsf'U]"
"""UCUM unit of CT numbers."""


def intensity_measurements(region: Region, image: Volume, *, source: str = "") -> Iterator[Measurement]:
    """Yield mean, standard deviation, extremes, median, 10th and 90th percentile of the region's voxels.

    Every voxel counts once; the standard deviation is that of the voxels as the whole population; percentiles are
    interpolated linearly between voxels. HU for CT, no unit for other modalities.

    Raises
    ------
    ImageRejected
        `not_finite` if a voxel of the region is no number.
    """
    box = tuple(slice(first, first + n) for first, n in zip(region.start, region.mask.shape, strict=True))
    values = image.array[box][region.mask].astype(np.float64)
    if not np.isfinite(values).all():
        raise ImageRejected(
            f"image holds {int((~np.isfinite(values)).sum())} voxels inside the label that are not finite numbers",
            code="not_finite",
        )
    low, median, high = np.percentile(values, [10, 50, 90])
    unit = HOUNSFIELD if image.modality == "CT" else "1"
    statistics = {
        "intensity_mean": values.mean(),
        "intensity_std": values.std(),
        "intensity_min": values.min(),
        "intensity_p10": low,
        "intensity_median": median,
        "intensity_p90": high,
        "intensity_max": values.max(),
    }
    for code, value in statistics.items():
        yield quantity_measurement(code, float(value), unit=unit, source=source)
