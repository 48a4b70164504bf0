"""What can be measured: names, unit, method, codes and definition of every quantity, read from a data file."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from medheart.records import Measurement
from medheart.schema import Code

__all__ = ["INTENSITY_UNIT", "Quantity", "load_quantities", "quantity_measurement"]

INTENSITY_UNIT = "intensity"
"""Unit in the data file of what has the unit of the image: HU for CT, none for other modalities."""

_FIGURES = 3
_FINEST = 12
"""Decimal places beyond which a value is the rounding of the arithmetic."""

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Quantity:
    """One measurable quantity.

    Parameters
    ----------
    code : str
        Key, e.g. `volume`.
    names, definition : dict of str to str
        What people read, by language (`en`, `zh`).
    unit : str
        UCUM, or `intensity` for the unit of the image.
    method : str
        Word for how it is computed.
    digits : int
        Decimal places worth printing; `quantity_measurement` gives small values more.
    convention : str
        What its lengths run between: `voxel-centres`, `outer-edges`, `voxel-corners`, or `voxels` where voxels
        are counted.
    concept, modifier : Code or None
        Concept of DICOM, SNOMED CT or IBSI, and the statistic applied to it, where known for certain.
    scope : str
        `label` where it is not measured per component, else `region`.
    directed : bool
        Whether it runs along the patient's directions: left out where these are not known.
    """

    code: str
    names: dict[str, str]
    definition: dict[str, str]
    unit: str
    method: str
    digits: int
    convention: str
    concept: Code | None = None
    modifier: Code | None = None
    scope: str = "region"
    directed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return what a reader of a measurement needs to know of it, JSON-serialisable."""
        data: dict[str, Any] = {"names": self.names, "definition": self.definition, "convention": self.convention}
        for key in ("concept", "modifier"):
            code = getattr(self, key)
            if code is not None:
                data[key] = code.to_list()
        return data


@cache
def load_quantities() -> dict[str, Quantity]:
    """Return all quantities by code, in the order in which they are listed."""
    text = (resources.files("medheart_measure") / "data" / "quantities.json").read_text(encoding="utf-8")
    return {item["code"]: _from_dict(item) for item in json.loads(text)["quantities"]}


def _from_dict(item: dict[str, Any]) -> Quantity:
    fields: dict[str, Any] = dict(item)
    for key in ("concept", "modifier"):
        if key in fields:
            fields[key] = Code.from_list(fields[key])
    return Quantity(**fields)


def quantity_measurement(
    code: str, value: float, *, points: Sequence[Point] = (), unit: str = "", source: str = ""
) -> Measurement:
    """Return a measurement of a listed quantity.

    Parameters
    ----------
    code : str
        Code of the quantity.
    value : float
        In the unit of the quantity.
    points : sequence of tuple of float
        LPS mm.
    unit : str
        UCUM unit of the image, for quantities of unit `intensity`.
    source : str
        Id of the label version.
    """
    quantity = load_quantities()[code]
    return Measurement(
        code=code,
        value=float(value),
        unit=unit if quantity.unit == INTENSITY_UNIT else quantity.unit,
        method=quantity.method,
        digits=_digits(quantity, float(value), unit),
        points=tuple(points),
        source=source,
    )


def _digits(quantity: Quantity, value: float, unit: str) -> int:
    """Return the decimal places worth printing: three figures where fewer would show 0, or the image has its own scale.

    A position keeps those of its quantity: at 0 it is a place like any other.
    """
    own_scale = quantity.unit == INTENSITY_UNIT and unit == "1"
    if quantity.convention == "voxel-centres" or value == 0 or not (own_scale or _shows_zero(value, quantity.digits)):
        return quantity.digits
    needed = _FIGURES - 1 - math.floor(math.log10(abs(value)))
    return quantity.digits if needed > _FINEST else max(quantity.digits, needed)


def _shows_zero(value: float, digits: int) -> bool:
    return float(f"{value:.{digits}f}") == 0
