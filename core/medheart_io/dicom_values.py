"""Numbers of DICOM headers: finite, of the right count, or an error that names attribute and file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from medheart_io.boundary import reject

__all__ = ["header_numbers", "whole_number"]


def header_numbers(dataset: Any, keyword: str, count: int | None, path: Path) -> tuple[float, ...] | None:
    """Return the finite numbers of an attribute, or None where it is missing or empty.

    Parameters
    ----------
    dataset : pydicom.Dataset
        Header, or an item of a sequence.
    keyword : str
        Attribute.
    count : int, optional
        How many numbers are expected; any number of them if None.
    path : pathlib.Path
        Named in errors.

    Raises
    ------
    ImageRejected
        `bad_header` if they are no numbers or not `count`, `not_finite` if one is NaN or infinite.
    """
    value = dataset.get(keyword)
    if value is None or value == "" or (hasattr(value, "__len__") and len(value) == 0):
        return None
    items = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
    try:
        numbers = tuple(float(item) for item in items)
    except (TypeError, ValueError) as error:
        raise reject(path, f"{keyword} holds {str(value)[:60]!r}, expected numbers", "bad_header") from error
    if count is not None and len(numbers) != count:
        raise reject(path, f"{keyword} has {len(numbers)} numbers, expected {count}", "bad_header")
    if not all(math.isfinite(number) for number in numbers):
        raise reject(path, f"{keyword} holds a number that is not finite: {list(numbers)}", "not_finite")
    return numbers


def whole_number(dataset: Any, keyword: str, path: Path) -> int | None:
    """Return one whole number, or None where the attribute is missing or empty."""
    numbers = header_numbers(dataset, keyword, 1, path)
    if numbers is None:
        return None
    if not numbers[0].is_integer():
        raise reject(path, f"{keyword} is {numbers[0]}, expected a whole number", "bad_header")
    return int(numbers[0])
