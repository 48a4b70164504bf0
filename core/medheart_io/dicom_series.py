"""DICOM files to series, and a series to a volume.

Files are grouped by series and patient, then by size, pixel format, orientation and pixel spacing: what
differs there is another image, whatever its series says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart.errors import NeedsChoice
from medheart.volume import Volume
from medheart_io import voxels
from medheart_io.boundary import reject, rejecting
from medheart_io.dicom_file import NO_IMAGE, DicomFile
from medheart_io.dicom_frames import Frame
from medheart_io.dicom_kind import refuse_other_kinds
from medheart_io.dicom_meta import volume_meta
from medheart_io.dicom_pixels import read_frames
from medheart_io.dicom_repeats import one_volume, place_of
from medheart_io.dicom_resample import resample
from medheart_io.dicom_stack import Stack, build_stack

__all__ = ["SKIP_DAMAGED", "DicomSeries", "damage_words", "group_series", "load_series", "plan_series"]

SKIP_DAMAGED = "skip-damaged"
_SAME_DIRECTION = 1e-3
_SAME_SPACING = 1e-4
_NAMED = 6
_MAX_PLANES = 256
_KEY_TEXTS = ("SeriesInstanceUID", "SOPClassUID", "Modality", "PatientID", "PatientName", "PhotometricInterpretation")
_KEY_NUMBERS = ("Rows", "Columns", "BitsAllocated", "PixelRepresentation", "SamplesPerPixel")


@dataclass
class DicomSeries:
    """Frames of one image.

    Parameters
    ----------
    files : dict of pathlib.Path to DicomFile
        Headers of sound files.
    frames : list of Frame
        In no order.
    damaged : dict of pathlib.Path to (str, str)
        Files that belong to it, or may, and cannot be used: why, and code.
    scattered : bool
        Whether its frames lie in too many planes to be told apart: none of them can be used.
    """

    files: dict[Path, DicomFile] = field(default_factory=dict)
    frames: list[Frame] = field(default_factory=list)
    damaged: dict[Path, tuple[str, str]] = field(default_factory=dict)
    scattered: bool = False

    def take(self, other: DicomSeries) -> None:
        """Take in the frames of another one."""
        self.files |= other.files
        self.frames += other.frames
        self.scattered |= other.scattered

    @property
    def first(self) -> DicomFile:
        """Header of the first file."""
        return next(iter(self.files.values()))

    @property
    def path(self) -> Path:
        """The file, or the folder of several files."""
        paths = list(self.files)
        return paths[0] if len(paths) == 1 else paths[0].parent

    @property
    def plane(self) -> str:
        """Size, direction and spacing of the first frame: what tells it from other images in the same files."""
        if not self.frames:
            return ""
        numbers = (*self.first.size, *(self.frames[0].orientation or ()), *(self.frames[0].spacing or ()))
        # Adding 0 makes -0.0 and 0.0 one.
        return " ".join(str(round(number, 4) + 0.0) for number in numbers)


def _key(file: DicomFile) -> tuple[Any, ...]:
    # Not the study: a SeriesInstanceUID is unique by itself, and some writers give each slice a study.
    texts = (file.text(name) for name in _KEY_TEXTS)
    numbers = (file.number(name, 0) for name in _KEY_NUMBERS)
    own = (str(file.path),) if file.text("Modality") in NO_IMAGE or not file.text("SeriesInstanceUID") else ()
    return (*texts, *numbers, "LOCALIZER" in file.text("ImageType").upper(), file.pixel_vr in {"OF", "OD"}, *own)


def _same_plane(one: Frame, other: Frame) -> bool:
    pairs = ((one.orientation, other.orientation, _SAME_DIRECTION), (one.spacing, other.spacing, _SAME_SPACING))
    return all(
        a is None or b is None or all(abs(x - y) <= limit for x, y in zip(a, b, strict=True)) for a, b, limit in pairs
    )


def group_series(files: Iterable[DicomFile]) -> list[DicomSeries]:
    """Return the images among sound `files`; a file without frames is one of its own.

    A series may be spread over folders; where two folders hold the same positions of it, they are two copies
    and stay apart. One with more than 256 planes is `scattered`: comparing would take without end.
    """
    found: dict[tuple[Any, ...], list[DicomSeries]] = {}
    for file in files:
        near = found.setdefault((file.path.parent, *_key(file)), [])
        for frame in file.frames or (None,):
            series = next((s for s in near if frame and s.frames and _belongs(s, frame)), None)
            if series is None:
                near.append(series := DicomSeries())
            if frame is not None and len(near) > _MAX_PLANES:
                series = _scattered(near)
            series.files[file.path] = file
            if frame is not None:
                series.frames.append(frame)
    merged: dict[tuple[Any, ...], list[DicomSeries]] = {}
    for (_, *key), group in found.items():
        kept = merged.setdefault(tuple(key), [])
        for series in group:
            whole = next((other for other in kept if _continues(other, series)), None)
            if whole is None:
                kept.append(series)
            else:
                whole.take(series)
    return [series for group in merged.values() for series in group]


def _belongs(series: DicomSeries, frame: Frame) -> bool:
    return series.scattered or _same_plane(series.frames[0], frame)


def _scattered(planes: list[DicomSeries]) -> DicomSeries:
    """Make one image that is refused out of all planes."""
    whole = DicomSeries(scattered=True)
    for plane in planes:
        whole.take(plane)
    planes[:] = [whole]
    return whole


def _continues(one: DicomSeries, other: DicomSeries) -> bool:
    if not one.frames or not other.frames or not _same_plane(one.frames[0], other.frames[0]):
        return False
    here, there = ({place_of(frame) for frame in series.frames} for series in (one, other))
    folders = {path.parent for path in one.files} & {path.parent for path in other.files}
    return not folders and None not in here | there and not here & there


def plan_series(series: DicomSeries, *, choices: frozenset[str] = frozenset()) -> Stack:
    """Return how the series becomes a volume, without reading pixels.

    Raises
    ------
    ImageRejected
        With the code of what is wrong; `bad_header` where the frames lie in too many planes.
    NeedsChoice
        `truncated` and other damage, `several_volumes`, `tilted`, `missing_slices`, `uneven_spacing`,
        `duplicate_slices`.
    """
    with rejecting(series.path):
        refuse_other_kinds(series.first, series.frames)
        if series.scattered:
            text = f"its frames lie in more than {_MAX_PLANES} planes of different direction or pixel spacing"
            raise reject(series.path, text, "bad_header")
        warnings = _about_damage(series, choices)
        frames, more = one_volume(series.files, series.frames, series.path, choices)
        stack = build_stack(frames, series.first.size, series.path, choices=choices)
        if len({file.text("StudyInstanceUID") for file in series.files.values()}) > 1:
            warnings += ("several-study-uids",)
        return stack.with_warnings(warnings + more)


def damage_words(damaged: Mapping[Path, tuple[str, str]]) -> tuple[str, str]:
    """Return a sentence that names the damaged files, and their code (`damaged_files` if they have several)."""
    listed = [f"{path.name} ({problem})" for path, (problem, _) in sorted(damaged.items())]
    text = f"{len(listed)} damaged file{'s' * (len(listed) > 1)}: {'; '.join(listed[:_NAMED])}"
    codes = {code for _, code in damaged.values()}
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return text + more, codes.pop() if len(codes) == 1 else "damaged_files"


def _about_damage(series: DicomSeries, choices: frozenset[str]) -> tuple[str, ...]:
    if not series.damaged:
        return ()
    if SKIP_DAMAGED in choices:
        return ("damaged-files-skipped",)
    text, code = damage_words(series.damaged)
    offered = {SKIP_DAMAGED: f"use the other {len(series.frames)} slices"}
    raise NeedsChoice(f"{series.path.name}: {text}", code=code, path=str(series.path), choices=offered)


def load_series(series: DicomSeries, *, choices: frozenset[str] = frozenset()) -> Volume:
    """Read the pixels of a series.

    Returns
    -------
    Volume
        Modality values (HU for CT): int16 where the rescaling is exact, else float32; slices ascend along
        their normal.
    """
    stack = plan_series(series, choices=choices)
    with rejecting(series.path):
        array = _modality_values(read_frames(series.files, list(stack.frames)), stack.frames)
        array = voxels.real(array, choices, series.path)
        if stack.resample:
            array = resample(array, stack)
        return Volume(array, stack.geometry, series.first.text("Modality"), volume_meta(series.first, stack))


def _modality_values(stored: NDArray[Any], frames: Sequence[Frame]) -> NDArray[Any]:
    scales = {(frame.slope, frame.intercept) for frame in frames}
    if len(scales) == 1:
        return voxels.narrow(voxels.rescale(stored, *scales.pop()))
    values = np.empty(stored.shape, dtype=np.float32)
    for k, frame in enumerate(frames):
        values[k] = stored[k] * np.float64(frame.slope) + np.float64(frame.intercept)
    return values
