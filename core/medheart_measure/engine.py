"""The measuring engine: from a label map, and its image where there is one, to the table of measurements."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from medheart.errors import GeometryError
from medheart.records import Measurement
from medheart.schema import LabelClass
from medheart.volume import LabelMap, Volume
from medheart_measure.diameters import axial_axes, largest_diameter
from medheart_measure.intensity import intensity_measurements
from medheart_measure.quantities import load_quantities, quantity_measurement
from medheart_measure.region import Region, count_measurements
from medheart_measure.surface import crofton_area
from medheart_measure.table import ComponentMeasurements, LabelMeasurements, MeasurementTable

__all__ = ["measure"]

_CONNECTIVITY = 26
_MAX_THREADS = 8
"""Labels are measured side by side: numpy and cc3d let other threads run while they count."""
_ASSUMED = "orientation-assumed"
_AXES = ("long_axis_axial", "short_axis_axial")
_Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class _Source:
    """What regions are measured on, and the id that goes with every number."""

    labels: LabelMap
    image: Volume | None
    id: str
    oriented: bool


def measure(
    labels: LabelMap, image: Volume | None = None, *, source: str = "", max_components: int = 100
) -> MeasurementTable:
    """Measure every label of a label map and every connected part of each.

    Definitions, units, methods and conventions are those of `load_quantities`. Diameters in the axial plane are
    taken within one connected part: those of a label are those of the part where the long axis is longest.

    Parameters
    ----------
    labels : LabelMap
        Array (K, J, I) on any grid: oblique, anisotropic, left-handed.
    image : Volume, optional
        Image on the same grid; adds statistics of its values. Where it carries the warning `orientation-assumed`,
        nothing is measured along the patient's directions, and the table carries it, too.
    source : str
        Id of the label version, kept with every number.
    max_components : int
        Number of connected parts of a label that are measured, largest first, at least 1; all are counted.

    Returns
    -------
    MeasurementTable
        Every label of the schema. A label without a voxel has the counts and the volume, all 0, and nothing else.

    Raises
    ------
    GeometryError
        If image and label map are not on the same grid.
    ImageRejected
        If the image is not finite inside a label.
    ValueError
        If `max_components` is below 1.
    """
    if max_components < 1:
        raise ValueError(f"max_components must be at least 1, got {max_components}")
    if image is not None and not labels.geometry.matches(image.geometry):
        raise GeometryError(
            f"the image's grid (shape {image.geometry.shape}) is not that of the label map "
            f"(shape {labels.geometry.shape}), or lies elsewhere in space"
        )
    boxes = dict(enumerate(find_objects(labels.array), start=1))
    oriented = image is None or _ASSUMED not in image.meta.get("warnings", ())
    origin = _Source(labels, image, source, oriented)
    threads = min(max(1, len(labels.schema.labels)), os.cpu_count() or 1, _MAX_THREADS)
    with ThreadPoolExecutor(threads) as pool:
        tasks = [
            pool.submit(_label, entry, boxes.get(entry.value), origin, max_components) for entry in labels.schema.labels
        ]
        measured = tuple(task.result() for task in tasks)
    limited = any(len(label.components) < label["component_count"].value for label in measured)
    flat = min(labels.geometry.shape) == 1
    said = {"single_slice": flat, "components_limited": limited, _ASSUMED: not oriented}
    return MeasurementTable(measured, labels.schema.id, source, tuple(code for code, due in said.items() if due))


def _label(entry: LabelClass, box: _Box | None, origin: _Source, limit: int) -> LabelMeasurements:
    if box is None:
        return LabelMeasurements(entry.value, entry.name, _absent(origin.id))
    start = tuple(part.start for part in box)
    region = Region(np.ascontiguousarray(origin.labels.array[box] == entry.value), start, origin.labels.geometry)
    # As bytes: cc3d's shortcut for booleans fails on a row such as [1, 0, 1].
    marked, count = cc3d.connected_components(region.mask.view(np.uint8), connectivity=_CONNECTIVITY, return_N=True)
    if count == 1:
        listed = [_region(region, origin, axes=True)]
        whole = dict(listed[0])
    else:
        listed = [_region(part, origin, axes=True) for part in _largest_parts(marked, region, limit)]
        longest = max(listed, key=lambda part: part[_AXES[0]].value)
        whole = {**_region(region, origin, axes=False), **{code: longest[code] for code in _AXES}}
    whole["component_count"] = quantity_measurement("component_count", int(count), source=origin.id)
    components = tuple(ComponentMeasurements(n, _ordered(part)) for n, part in enumerate(listed, start=1))
    return LabelMeasurements(entry.value, entry.name, _ordered(whole), components)


def _absent(source: str) -> tuple[Measurement, ...]:
    return tuple(quantity_measurement(code, 0, source=source) for code in ("voxel_count", "volume", "component_count"))


def _largest_parts(marked: NDArray[Any], region: Region, limit: int) -> Iterator[Region]:
    """Yield the parts of a region that are marked 1, 2, …, largest first."""
    sizes = cc3d.statistics(marked)["voxel_counts"][1:].astype(np.int64)
    boxes = find_objects(marked)
    for number in np.argsort(-sizes, kind="stable")[:limit]:
        box = boxes[number]
        start = tuple(first + part.start for first, part in zip(region.start, box, strict=True))
        yield Region(np.ascontiguousarray(marked[box] == number + 1), start, region.geometry)


def _region(region: Region, origin: _Source, *, axes: bool) -> dict[str, Measurement]:
    """Measure one region; the axes in the axial plane only where it is connected."""
    found = [*count_measurements(region, source=origin.id)]
    area = crofton_area(region.padded, region.geometry.spacing_kji)
    found.append(quantity_measurement("surface_area", area, source=origin.id))
    found.append(_length("max_diameter_3d", largest_diameter(region), origin.id))
    if axes:
        lines = axial_axes(region)
        found.extend(_length(code, line, origin.id) for code, line in zip(_AXES, lines, strict=True))
    if origin.image is not None:
        found.extend(intensity_measurements(region, origin.image, source=origin.id))
    quantities = load_quantities()
    return {one.code: one for one in found if origin.oriented or not quantities[one.code].directed}


def _length(code: str, ends: NDArray[np.float64], source: str) -> Measurement:
    (ax, ay, az), (bx, by, bz) = ends.tolist()
    value = float(np.linalg.norm(ends[1] - ends[0]))
    return quantity_measurement(code, value, points=[(ax, ay, az), (bx, by, bz)], source=source)


def _ordered(measurements: dict[str, Measurement]) -> tuple[Measurement, ...]:
    return tuple(measurements[code] for code in load_quantities() if code in measurements)
