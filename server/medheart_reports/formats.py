"""Numbers for people: digits worth printing, units as they are written, volumes in the unit of the trade."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medheart.schema import LabelClass
from medheart_reports.phrases import read_data

__all__ = ["Shown", "format_number", "show"]

_SIGNIFICANT = 4


@dataclass(frozen=True)
class Shown:
    """A measurement as printed: `number` and `unit` (empty where there is none)."""

    number: str
    unit: str

    def __str__(self) -> str:
        return f"{self.number} {self.unit}".strip()


def format_number(value: float, digits: int) -> str:
    """Return a number with `digits` decimal places, fewer where four significant figures are reached before.

    The integer part is never rounded. A minus is the typographic one.
    """
    leading = math.floor(math.log10(abs(value))) if value else 0
    places = max(0, min(digits, _SIGNIFICANT - 1 - leading))
    text = f"{value:.{places}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")


def show(measurement: Mapping[str, Any], label: LabelClass | None = None) -> Shown:
    """Return how a measurement (its JSON form) is printed.

    Volumes of labels whose type is listed in `units.json` are printed in its unit: nodules up to 3 cm in mm³, all
    else in mL.
    """
    units = read_data("units.json")
    value, unit, digits = float(measurement["value"]), measurement["unit"], int(measurement["digits"])
    other = units["volume_by_type"].get(label.type.value) if label is not None else None
    if other and measurement["code"] == "volume" and unit == "mL" and value < other["below"]:
        digits = max(0, digits - round(math.log10(other["factor"])))
        value, unit = value * other["factor"], other["unit"]
    return Shown(format_number(value, digits), units["symbols"].get(unit, unit))
