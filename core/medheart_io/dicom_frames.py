"""Where each frame of a DICOM file lies: classic headers, and functional groups of enhanced multi-frame files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medheart_io.boundary import reject
from medheart_io.checks import MAX_SPACING_MM, check_origin, check_spacing
from medheart_io.dicom_values import header_numbers

__all__ = ["Frame", "frames_of"]

_APART: tuple[str, ...] = (
    "ImageType",
    "EchoNumbers",
    "EchoTime",
    "TemporalPositionIdentifier",
    "DiffusionBValue",
    "TriggerTime",
)
_APART += ("AcquisitionNumber",)
_MAX_SCALE = 1e9
_APART_GROUPS = (
    ("FrameContentSequence", "StackID"),
    ("FrameContentSequence", "TemporalPositionIndex"),
    ("TemporalPositionSequence", "TemporalPositionTimeOffset"),
    ("MREchoSequence", "EffectiveEchoTime"),
    ("MRDiffusionSequence", "DiffusionBValue"),
    ("MRImageFrameTypeSequence", "ComplexImageComponent"),
)


@dataclass(frozen=True)
class Frame:
    """One slice of pixels and its place.

    Parameters
    ----------
    path, index
        File, and number of the frame in it from 0.
    position, orientation
        ImagePositionPatient (3) and ImageOrientationPatient (6), LPS mm and unit vectors; None where missing.
    spacing
        PixelSpacing in mm: between rows, between columns.
    slope, intercept
        From stored to modality values (HU for CT).
    thickness
        SliceThickness in mm, None where missing or out of range.
    apart
        Attributes in which the volumes of one series may differ, as (keyword, value).
    """

    path: Path
    index: int
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    slope: float = 1.0
    intercept: float = 0.0
    thickness: float | None = None
    apart: tuple[tuple[str, str], ...] = ()


def frames_of(dataset: Any, count: int, path: Path) -> tuple[Frame, ...]:
    """Return the frames of a header, checked.

    Raises
    ------
    ImageRejected
        `bad_header`, `bad_spacing`, `not_finite`, `unsupported_type`.
    """
    if dataset.get("ModalityLUTSequence"):
        text = "gives its values by a table (ModalityLUTSequence), expected RescaleSlope and RescaleIntercept"
        raise reject(path, text, "unsupported_type")
    shared = _first(dataset, "SharedFunctionalGroupsSequence")
    groups = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    if groups and len(groups) != count:
        raise reject(path, f"describes {len(groups)} frames, but has {count}", "bad_header")
    if groups:
        return tuple(_frame(dataset, n, group, shared, path) for n, group in enumerate(groups))
    only = _frame(dataset, 0, None, shared, path)
    return tuple(replace(only, index=n) for n in range(count))


def _first(dataset: Any, keyword: str) -> Any:
    sequence = None if dataset is None else dataset.get(keyword)
    return sequence[0] if sequence else None


def _frame(dataset: Any, index: int, group: Any, shared: Any, path: Path) -> Frame:
    def numbers(macro: str, keyword: str, count: int) -> tuple[float, ...] | None:
        """Return a frame's values, its own before the shared ones."""
        item = _first(group, macro) or _first(shared, macro) or dataset
        return header_numbers(item, keyword, count, path)

    spacing = numbers("PixelMeasuresSequence", "PixelSpacing", 2)
    thickness = numbers("PixelMeasuresSequence", "SliceThickness", 1)
    slope = numbers("PixelValueTransformationSequence", "RescaleSlope", 1) or (1.0,)
    intercept = numbers("PixelValueTransformationSequence", "RescaleIntercept", 1) or (0.0,)
    position = numbers("PlanePositionSequence", "ImagePositionPatient", 3)
    if position is not None:
        check_origin(position, path)
    if abs(slope[0]) > _MAX_SCALE or abs(intercept[0]) > _MAX_SCALE:
        raise reject(path, f"rescales by {slope[0]} and {intercept[0]}, which is out of range", "bad_header")
    if slope[0] == 0:
        raise reject(path, "has RescaleSlope 0, which makes all values one", "bad_header")
    return Frame(
        path,
        index,
        position,
        numbers("PlaneOrientationSequence", "ImageOrientationPatient", 6),
        None if spacing is None else check_spacing(spacing, path),
        slope[0],
        intercept[0],
        thickness[0] if thickness and 0 < thickness[0] <= MAX_SPACING_MM else None,
        _apart(dataset, group),
    )


def _apart(dataset: Any, group: Any) -> tuple[tuple[str, str], ...]:
    found = {name: str(dataset[name].value) for name in _APART if dataset.get(name) not in (None, "")}
    for macro, name in _APART_GROUPS if group is not None else ():
        item = _first(group, macro)
        if item is not None and item.get(name) not in (None, ""):
            found[name] = str(item[name].value)
    return tuple(found.items())
