"""What is in these files and folders: one candidate per case, and loading one of them."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from medheart.errors import ImageRejected, NeedsChoice
from medheart.volume import Volume
from medheart_io.archive import unpack_zip
from medheart_io.boundary import is_folder, readable, reject, rejecting
from medheart_io.candidate import Candidate
from medheart_io.dicom_file import DicomFile, read_dicom_file
from medheart_io.dicom_kind import kind_of
from medheart_io.dicom_meta import free_text, identity_of
from medheart_io.dicom_series import DicomSeries, damage_words, group_series, load_series, plan_series
from medheart_io.images import as_choices, plan_file, read_image
from medheart_io.sniff import Format, sniff

__all__ = ["PATIENT", "load", "read_only_case", "scan"]

_MAX_FILES = 100_000
_VOLUME_ENDINGS = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".zip")
_DATA_ENDINGS = (".raw", ".zraw", ".raw.gz")
PATIENT = "patient:"
"""How choices begin that stand for a patient."""
_TOLD = 6


def scan(paths: Iterable[str | Path]) -> list[Candidate]:
    """Look at files and folders and return one candidate per case; nothing is imported.

    Headers are checked, and the sizes of files against them. Voxels are read by `load`; a scan looks at the stored
    bytes only where two slices lie at one position and may be copies of each other.

    Parameters
    ----------
    paths : iterable of path-like
        Each folder is searched with its sub-folders (links are not followed); the files given are one set.

    Returns
    -------
    list of Candidate
        In order of path. A folder without any image gives one rejected candidate. Several patients in one
        folder turn each of its candidates into `needs_choice` (`several_patients`).
    """
    listed = [Path(path) for path in paths]
    single = [path for path in listed if not is_folder(path)]
    found: list[Candidate] = []
    if single:
        looked_at = _Found().look_at(single, named=True)
        found = _one_patient(_placed(looked_at, lambda path: _name_among(single, path)), "the files")
    for folder in listed:
        if is_folder(folder):
            found += _scan_folder(folder)
    return found


def _scan_folder(folder: Path) -> list[Candidate]:
    files: list[Path] = []
    closed: list[OSError] = []
    for parent, _, names in os.walk(folder, followlinks=False, onerror=closed.append):
        files += [Path(parent) / name for name in names]
        if len(files) > _MAX_FILES:
            return [_refused(folder, reject(folder, f"holds more than {_MAX_FILES} files", "too_many_files"))]
    unreadable = {Path(error.filename): (f"cannot be read ({error.strerror})", "unreadable") for error in closed}
    found = _Found(unreadable=unreadable).look_at(sorted(files), named=False)
    if not found:
        problem = f"none of its {len(files)} files is DICOM, NIfTI, NRRD or MetaImage" if files else "holds no files"
        return [_refused(folder, reject(folder, problem, "no_image"))]
    return _one_patient(_placed(found, lambda path: str(path.relative_to(folder))), folder.name)


def _name_among(files: Sequence[Path], path: Path) -> str:
    """Return the name of a file, with its number where another of `files` has the same name."""
    namesakes = [file for file in files if file.name == path.name]
    return path.name if len(namesakes) < 2 else f"{namesakes.index(path)}/{path.name}"


def _placed(found: list[Candidate], place: Callable[[Path], str]) -> list[Candidate]:
    """Make ids out of places in what was scanned, so that a copy elsewhere (an unpacked zip) has the same."""

    def own_id(c: Candidate) -> str:
        """Return the id that follows from the places of its files."""
        prefix = c.id.partition("-")[0]
        # Two images of one file differ in their plane alone.
        plane = c.source.plane if isinstance(c.source, DicomSeries) else ""
        return _id(prefix, c.series_uid, plane, *map(place, c.files))

    return [replace(c, id=own_id(c)) for c in found]


@dataclass
class _Found:
    """What came to light so far in one folder, or among the files that were named."""

    candidates: list[Candidate] = field(default_factory=list)
    headers: list[DicomFile] = field(default_factory=list)
    unreadable: dict[Path, tuple[str, str]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def look_at(self, files: Iterable[Path], *, named: bool) -> list[Candidate]:
        """Return candidates for `files`; `named` files are never skipped."""
        for path in files:
            try:
                with rejecting(path):
                    if not named and path.is_symlink():
                        raise reject(path, "is a link, which is not followed", "link")
                self._take(path, sniff(path))
            except ImageRejected as error:
                if error.code == "unreadable" and not path.name.lower().endswith(_VOLUME_ENDINGS + _DATA_ENDINGS):
                    self._lose(path, error)
                else:
                    self._leave(path, error, named=named)
        self._assemble()
        skipped = tuple(sorted(self.skipped))
        return sorted((replace(c, skipped=skipped) for c in self.candidates), key=lambda c: str(c.path))

    def _take(self, path: Path, kind: Format) -> None:
        if kind != "dicom":
            self.candidates.append(_file_candidate(path, kind))
            return
        try:
            self.headers.append(read_dicom_file(path))
        except ImageRejected as error:
            if error.code == "not_an_image":
                raise
            self._lose(path, error)

    def _lose(self, path: Path, error: ImageRejected) -> None:
        """Keep in mind a file that may be a slice, as nobody can tell."""
        self.unreadable[path] = (error.message.removeprefix(f"{readable(path.name)}: "), error.code)

    def _leave(self, path: Path, error: ImageRejected, *, named: bool) -> None:
        if named or path.name.lower().endswith(_VOLUME_ENDINGS):
            self.candidates.append(_refused(path, error))
        elif not path.name.lower().endswith(_DATA_ENDINGS):
            self.skipped.append(path.name)

    def _assemble(self) -> None:
        series = group_series(file for file in self.headers if not file.damage)
        images = [(one, {path.parent for path in one.files}) for one in series if one.frames]
        alone = {path: why for path, why in self.unreadable.items() if not _attach_near(images, path, why)}
        lost: dict[str, list[DicomFile]] = {}
        for file in (file for file in self.headers if file.damage):
            uid = file.text("SeriesInstanceUID")
            same = [(one, folders) for one, folders in images if uid and one.first.text("SeriesInstanceUID") == uid]
            for one, _ in [pair for pair in same if file.path.parent in pair[1]] or same:
                one.damaged[file.path] = (file.damage, file.damage_code)
            if not same:
                lost.setdefault(uid or str(file.path), []).append(file)
        self.candidates += [_series_candidate(one) for one in series]
        self.candidates += [_lost_candidate(files) for files in lost.values()]
        self.candidates += [_refused(path, reject(path, *why)) for path, why in alone.items()]


def _attach_near(images: Sequence[tuple[DicomSeries, set[Path]]], path: Path, why: tuple[str, str]) -> bool:
    """Let every image around it know of a file or folder that does not say to which series it belongs.

    Around is in the same folder, or in several beside it, as a series that is spread over them.
    """
    near = [
        one
        for one, folders in images
        if path.parent in folders or (len(folders) > 1 and path.parent in {folder.parent for folder in folders})
    ]
    for one in near:
        one.damaged[path] = why
    return bool(near)


def _id(prefix: str, *parts: str) -> str:
    return f"{prefix}-{hashlib.sha256(chr(0).join(parts).encode('utf-8', 'surrogateescape')).hexdigest()[:10]}"


def _described(file: DicomFile, path: Path, files: Iterable[Path]) -> Candidate:
    paths = tuple(sorted(files))
    return Candidate(
        id=_id("series", file.text("SeriesInstanceUID"), *(str(p) for p in paths)),
        path=path,
        files=paths,
        status="accepted",
        kind=kind_of(file),
        modality=file.text("Modality"),
        body_part=file.text("BodyPartExamined"),
        series_description=free_text(file, "SeriesDescription"),
        study_uid=file.text("StudyInstanceUID"),
        series_uid=file.text("SeriesInstanceUID"),
        study_date=file.text("StudyDate"),
        study_description=free_text(file, "StudyDescription"),
        accession=file.text("AccessionNumber"),
        identity=identity_of(file),
    )


def _series_candidate(series: DicomSeries) -> Candidate:
    with rejecting(series.path):
        base = replace(_described(series.first, series.path, series.files), source=series)
        try:
            stack = plan_series(series)
        except ImageRejected as error:
            return _with_error(base, error)
        message = f"{len(stack.frames)} slices, {stack.geometry.spacing[2]:.3g} mm apart"
        return replace(base, geometry=stack.geometry, warnings=stack.warnings, message=message)


def _lost_candidate(files: list[DicomFile]) -> Candidate:
    first = files[0]
    path = first.path if len(files) == 1 else first.path.parent
    base = replace(_described(first, path, [file.path for file in files]), kind="other")
    if len(files) == 1:
        return _with_error(base, reject(path, first.damage, first.damage_code))
    return _with_error(base, reject(path, *damage_words({f.path: (f.damage, f.damage_code) for f in files})))


def _with_error(base: Candidate, error: ImageRejected) -> Candidate:
    if isinstance(error, NeedsChoice):
        return replace(base, status="needs_choice", code=error.code, message=error.message, choices=dict(error.choices))
    return replace(base, status="rejected", code=error.code, message=error.message)


def _refused(path: Path, error: ImageRejected) -> Candidate:
    base = Candidate(id=_id("file", str(path)), path=path, files=(path,), status="rejected", kind="other")
    return _with_error(base, error)


def _file_candidate(path: Path, kind: Format) -> Candidate:
    base = Candidate(id=_id("file", str(path)), path=path, files=(path,), status="accepted", source=path)
    if kind == "zip":
        return _with_error(base, reject(path, "is a zip; unpack it before scanning", "archive"))
    try:
        plan = plan_file(path, kind)
    except ImageRejected as error:
        return _with_error(base, error)
    message = f"{plan.geometry.shape[0]} slices, {plan.geometry.spacing[2]:.3g} mm apart"
    return replace(base, geometry=plan.geometry, warnings=plan.warnings, message=message)


def _one_patient(found: list[Candidate], where: str) -> list[Candidate]:
    known = [c.identity for c in found if c.identity.key and c.status != "rejected"]
    people = {PATIENT + who.key: who.title for who in known}
    if len(people) < 2:
        return found
    images = Counter(PATIENT + who.key for who in known)
    options = {name: f"patient {n} of {len(people)}, images: {images[name]}" for n, name in enumerate(people, start=1)}
    message = f"{where}: holds {len(people)} patients, choose one"

    def asked(c: Candidate) -> Candidate:
        """Ask which patient is meant."""
        # A file that names nobody may belong to any of them.
        own = {name: words for name, words in options.items() if name == PATIENT + c.identity.key} or options
        text = f"{message}; {c.message}" if c.status == "needs_choice" else message
        asked = replace(c, status="needs_choice", code="several_patients", message=text)
        return replace(asked, choices={**own, **c.choices}, people={name: people[name] for name in own})

    return [c if c.status == "rejected" else asked(c) for c in found]


def load(candidate: Candidate, choice: str | Iterable[str] | None = None) -> Volume:
    """Read the image of a candidate.

    Parameters
    ----------
    candidate : Candidate
        From `scan`.
    choice : str or iterable of str, optional
        Options out of `candidate.choices`; several where one question follows another.

    Raises
    ------
    ImageRejected
        If it was rejected, or its pixels cannot be read.
    NeedsChoice
        If a choice is missing.
    """
    choices = as_choices(choice)
    if candidate.status == "rejected":
        raise candidate.error()
    if candidate.code == "several_patients" and not any(
        c.startswith(PATIENT) for c in choices & set(candidate.choices)
    ):
        raise candidate.error()
    if isinstance(candidate.source, DicomSeries):
        return load_series(candidate.source, choices=choices)
    # Where it is read from; `path` may name its place in a zip.
    return read_image(candidate.source, choice=choices)


def read_only_case(path: Path, *, choices: frozenset[str] = frozenset()) -> Volume:
    """Read the one usable case of a folder, a DICOM file or a zip of either.

    Raises
    ------
    NeedsChoice
        `several_series` where there are several.
    """
    if not is_folder(path) and sniff(path) == "zip":
        with tempfile.TemporaryDirectory(prefix="medheart-") as folder:
            unpack_zip(path, Path(folder))
            return read_only_case(Path(folder), choices=choices)
    with rejecting(path):
        found = scan([path])
    usable = [c for c in found if c.status != "rejected"]
    chosen = [c for c in usable if c.id in choices] or usable
    if not chosen:
        if len(found) == 1:
            raise found[0].error()
        reasons = "; ".join(dict.fromkeys(c.message for c in found[:_TOLD]))
        raise reject(path, f"no usable image: {reasons}", found[0].code)
    if len(chosen) > 1:
        listed = {c.id: f"{c.modality} {c.series_description} ({c.message})".strip() for c in chosen}
        text = f"{path.name}: holds {len(chosen)} images, choose one"
        raise NeedsChoice(text, code="several_series", path=str(path), choices=listed)
    return load(chosen[0], choices)
