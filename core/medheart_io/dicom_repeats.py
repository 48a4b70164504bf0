"""Series that hold a position several times: copies of a file, or several volumes in one series."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from medheart.errors import NeedsChoice
from medheart_io.dicom_file import DicomFile, open_dicom
from medheart_io.dicom_frames import Frame
from medheart_io.dicom_spacing import frame_names

__all__ = ["DROP_DUPLICATES", "one_volume", "place_of"]

DROP_DUPLICATES = "drop-duplicates"
_SAME_MM = 1e-3
_LISTED = 24


def one_volume(
    files: dict[Path, DicomFile], frames: Sequence[Frame], path: Path, choices: frozenset[str]
) -> tuple[list[Frame], tuple[str, ...]]:
    """Return the frames of one volume, and warnings.

    Copies of one SOP instance are dropped with a warning if they are equal. Where positions repeat and an
    attribute (echo, time, diffusion weighting, image type, acquisition) tells the volumes apart, one must be
    chosen. Equal pixels at one position may be dropped by choice.

    Raises
    ------
    NeedsChoice
        `several_volumes` with one choice per volume; `duplicate_slices` with `drop-duplicates`.
    """
    kept, warnings = _without_copies(files, frames)
    if not _repeats(kept):
        return kept, warnings
    volumes = _told_apart(kept)
    for name in choices & set(volumes):
        return volumes[name], warnings
    if volumes:
        listed = {name: f"{len(volume)} slices" for name, volume in list(volumes.items())[:_LISTED]}
        raise NeedsChoice(
            f"{path.name}: holds {len(volumes)} volumes in one series, choose one",
            code="several_volumes",
            path=str(path),
            choices=listed,
        )
    return _equal_pixels(files, kept, path, choices, warnings)


def place_of(frame: Frame) -> tuple[float, ...] | None:
    """Return the position rounded to 0.001 mm, so that equal places are equal keys."""
    if frame.position is None:
        return None
    return tuple(round(value / _SAME_MM) * _SAME_MM for value in frame.position)


def _repeats(frames: Sequence[Frame]) -> bool:
    places = [place for place in map(place_of, frames) if place is not None]
    return len(set(places)) < len(places)


def _pixel_digests(files: dict[Path, DicomFile], frames: Sequence[Frame]) -> list[bytes]:
    """Return a digest of the stored pixels of each frame; every file is opened once."""
    found: dict[tuple[Path, int], bytes] = {}
    wanted: dict[Path, list[int]] = {}
    for frame in frames:
        wanted.setdefault(frame.path, []).append(frame.index)
    for path, indices in wanted.items():
        file = files[path]
        size = file.pixel_length // len(file.frames)
        with open_dicom(path) as stream:
            stream.seek(file.pixel_offset)
            whole = hashlib.sha256(stream.read()).digest() if file.pixel_length < 0 else b""
            for index in () if whole else indices:
                stream.seek(file.pixel_offset + index * size)
                found[path, index] = hashlib.sha256(stream.read(size)).digest()
            found |= {(path, frame.index): whole + frame.index.to_bytes(4, "big") for frame in file.frames if whole}
    return [found[frame.path, frame.index] for frame in frames]


def _without_copies(files: dict[Path, DicomFile], frames: Sequence[Frame]) -> tuple[list[Frame], tuple[str, ...]]:
    uids = [files[frame.path].text("SOPInstanceUID") for frame in frames]
    count = Counter(zip(uids, (frame.index for frame in frames), strict=True))
    suspects = [frame for frame, uid in zip(frames, uids, strict=True) if count[uid, frame.index] > 1]
    seen: set[tuple[str, int, tuple[float, ...] | None, bytes]] = set()
    copies: set[tuple[Path, int]] = set()
    for frame, digest in zip(suspects, _pixel_digests(files, suspects), strict=True):
        key = (files[frame.path].text("SOPInstanceUID"), frame.index, place_of(frame), digest)
        if key in seen:
            copies.add((frame.path, frame.index))
        seen.add(key)
    kept = [frame for frame in frames if (frame.path, frame.index) not in copies]
    return kept, ("copies-dropped",) if copies else ()


def _told_apart(frames: Sequence[Frame]) -> dict[str, list[Frame]]:
    values = [dict(frame.apart) for frame in frames]
    present = sorted({name for value in values for name in value})
    names = [name for name in present if len({value.get(name) for value in values}) > 1]
    for names_used in [(n,) for n in names] + list(combinations(names, 2)):
        groups: dict[str, list[Frame]] = {}
        for frame, value in zip(frames, values, strict=True):
            key = ",".join(f"{name}={value.get(name, '')}" for name in names_used)
            groups.setdefault(key, []).append(frame)
        if len(groups) > 1 and not any(_repeats(group) for group in groups.values()):
            return groups
    return {}


def _equal_pixels(
    files: dict[Path, DicomFile],
    frames: list[Frame],
    path: Path,
    choices: frozenset[str],
    warnings: tuple[str, ...],
) -> tuple[list[Frame], tuple[str, ...]]:
    unique: dict[tuple[tuple[float, ...] | None, bytes], Frame] = {}
    for frame, digest in zip(frames, _pixel_digests(files, frames), strict=True):
        unique.setdefault((place_of(frame), digest), frame)
    kept = list(unique.values())
    if len(kept) == len(frames) or _repeats(kept):
        return frames, warnings
    if DROP_DUPLICATES in choices:
        return kept, (*warnings, "duplicates-dropped")
    count = Counter(map(place_of, frames))
    twice = [frame for frame in frames if count[place_of(frame)] > 1]
    raise NeedsChoice(
        f"{path.name}: two slices lie at one position, with equal pixels: {frame_names(twice)}",
        code="duplicate_slices",
        path=str(path),
        choices={DROP_DUPLICATES: f"leave out {len(frames) - len(kept)} of them"},
    )
