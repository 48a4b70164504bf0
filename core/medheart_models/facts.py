"""What is known of an image series before a task looks at it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart import Geometry, Volume
from medheart_models.enclosed import AIR_HU, enclosed_air

__all__ = ["AeratedLung", "SeriesFacts", "aerated_lung", "looks_hounsfield", "mentions"]

LUNG_HU = (-950.0, AIR_HU)
"""Aerated lung: normally aerated (-900..-500) and most of the hyperinflated range, without free air.

Gattinoni L. et al. Am J Respir Crit Care Med 2001;164:1701-1711. doi:10.1164/ajrccm.164.9.2103121
"""

_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
"""Chinese characters, which are written without spaces."""

_SAMPLES = 200_000


@dataclass(frozen=True)
class AeratedLung:
    """Lung seen in a CT: `volume_ml`, and `height_mm` from its lowest to its highest slice."""

    volume_ml: float
    height_mm: float


@dataclass(frozen=True)
class SeriesFacts:
    """What is known of one image series; empty or None where it is not known.

    Parameters
    ----------
    id : str
        Name of the series for the caller and in reasons.
    geometry : Geometry
        Its grid.
    modality, body_part : str
        As the image states them.
    description : str
        Series description and sequence name, or the file's name.
    slice_thickness_mm : float, optional
        As the image states it.
    hounsfield : bool, optional
        Whether the intensities look like Hounsfield units.
    lung : AeratedLung, optional
        For intensities in Hounsfield units.
    oriented : bool
        Whether it is known how the grid lies in the patient; else its axes bear no names of directions.
    """

    id: str
    geometry: Geometry
    modality: str = ""
    body_part: str = ""
    description: str = ""
    slice_thickness_mm: float | None = None
    hounsfield: bool | None = None
    lung: AeratedLung | None = field(default=None)
    oriented: bool = True

    @classmethod
    def from_volume(cls, series_id: str, volume: Volume, *, description: str = "") -> SeriesFacts:
        """Collect the facts of a volume; `description` adds to what the volume itself says."""
        meta = volume.meta
        said = dict.fromkeys((description, meta.get("series_description"), meta.get("sequence")))  # each once
        hounsfield = looks_hounsfield(volume.array)
        return cls(
            id=series_id,
            geometry=volume.geometry,
            modality=volume.modality,
            body_part=str(meta.get("body_part") or ""),
            description=" ".join(str(part) for part in said if part),
            slice_thickness_mm=meta.get("slice_thickness_mm"),
            hounsfield=hounsfield,
            lung=aerated_lung(volume) if hounsfield else None,
            oriented="orientation-assumed" not in meta.get("warnings", ()),
        )

    @property
    def extent_mm(self) -> tuple[float, float, float]:
        """Field of view along the patient's axes (x, y, z) in mm; of an oblique grid the box around it."""
        x, y, z = np.abs(self.geometry.direction) @ np.array(self.geometry.extent_mm)
        return float(x), float(y), float(z)

    @property
    def thickest_mm(self) -> float:
        """The larger of stated slice thickness and largest spacing, in mm."""
        return max(float(self.slice_thickness_mm or 0), float(self.geometry.spacing.max()))


def mentions(description: str, word: str) -> bool:
    """Whether `word` (one or several) stands in `description`, letter case and punctuation ignored.

    A word of a script without spaces (Chinese) may stand anywhere, and parts the words beside it.
    """
    if not word.isascii():
        return _plain(word) in _plain(description)
    return f" {_plain(word)} " in f" {_plain(description)} "


def _plain(text: str) -> str:
    return " ".join(re.findall(rf"[{_HAN}]+|[^\W_{_HAN}]+", text.casefold()))


def looks_hounsfield(array: NDArray[Any]) -> bool:
    """Whether intensities look like those of a CT in Hounsfield units.

    At least 1 % of the voxels are as air (-1100..-850) and 5 % as soft tissue (-150..300). On a
    sample of about 200,000 evenly spread voxels.
    """
    step = max(1, round((array.size / _SAMPLES) ** (1 / 3)))
    sample = array[::step, ::step, ::step]
    air = np.count_nonzero((sample > -1100) & (sample < -850)) / sample.size
    soft = np.count_nonzero((sample > -150) & (sample < 300)) / sample.size
    return air >= 0.01 and soft >= 0.05


def aerated_lung(volume: Volume) -> AeratedLung:
    """Measure the aerated lung of a CT in Hounsfield units, roughly.

    Gas that does not reach the sides of the image, in parts of at least 50 mL, counted where its
    intensity is that of lung (`LUNG_HU`); on a grid of about 4 mm. Good enough to tell a chest from
    an abdomen with lung bases, a limb or a head; not a measurement for a report.
    """
    axis = _slice_axis(volume.geometry)
    coarse, air, steps = enclosed_air(volume.array, volume.geometry, slice_axis=axis)
    ml = volume.geometry.voxel_volume_mm3 * float(np.prod(steps)) / 1000
    lung = air & (coarse > LUNG_HU[0])
    rows = np.flatnonzero(lung.any(axis=tuple(n for n in range(3) if n != axis)))
    height = (rows[-1] - rows[0] + 1) * steps[axis] * volume.geometry.spacing_kji[axis] if rows.size else 0.0
    return AeratedLung(float(np.count_nonzero(lung)) * ml, float(height))


def _slice_axis(geometry: Geometry) -> int:
    """Return the array axis that runs nearest to head and feet."""
    return 2 - int(np.argmax(np.abs(geometry.direction[2])))
