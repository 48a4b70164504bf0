"""Which grey values an image is shown with: presets for CT, the image's own window or percentiles for the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart.volume import LabelMap, Volume
from medheart_reports.phrases import read_data

__all__ = ["Window", "choose_window"]

_SAMPLE = 200_000


@dataclass(frozen=True)
class Window:
    """Grey values from black to white.

    Parameters
    ----------
    name : str
        Preset, `image` (as the image says) or `percentiles`.
    low, high : float
        Values shown black and white.
    """

    name: str
    low: float
    high: float

    @property
    def width(self) -> float:
        """Window width."""
        return self.high - self.low

    @property
    def level(self) -> float:
        """Window level (centre)."""
        return (self.high + self.low) / 2

    def apply(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Return grey values 0..255 of the same shape; what is not finite is black."""
        scaled = (np.nan_to_num(values.astype(np.float32), nan=self.low) - self.low) / max(self.width, 1e-6)
        return np.asarray(np.clip(scaled * 255.0 + 0.5, 0, 255), dtype=np.uint8)


def choose_window(image: Volume, labels: LabelMap | None = None) -> Window:
    """Return the window for an image: for CT by the region of the labels, then the body part, from `windows.json`.

    Other modalities take the window that the image carries, else the 1st and 99.5th percentile of what is not air.
    """
    if image.modality == "CT":
        return _preset(image, labels)
    window = image.meta.get("window")
    if window and window[1] > 0:
        return Window("image", window[0] - window[1] / 2, window[0] + window[1] / 2)
    return _percentiles(image.array)


def _preset(image: Volume, labels: LabelMap | None) -> Window:
    data = read_data("windows.json")
    regions = {label.region.value for label in labels.schema.labels if label.region} if labels else set()
    name = next((data["regions"][region] for region in sorted(regions) if region in data["regions"]), None)
    if name is None:
        part = str(image.meta.get("body_part", "")).upper()
        name = data["body_parts"].get(part, data["default"])
    width, level = data["presets"][name]
    return Window(name, level - width / 2, level + width / 2)


def _percentiles(array: NDArray[Any]) -> Window:
    values = array.reshape(-1)[:: max(1, array.size // _SAMPLE)].astype(np.float32)
    values = values[np.isfinite(values)]
    if not values.size:
        return Window("percentiles", 0.0, 1.0)
    shown = values[values > values.min()]
    low, high = np.percentile(shown if shown.size else values, [1, 99.5])
    return Window("percentiles", float(low), float(max(high, low + 1e-6)))
