"""From files and folders to studies in the store.

Every case gets an answer: accepted, needs a choice of a person, or rejected with the reason. Who the
patient is stays outside the records: they carry a pseudonym made with the site's key. Importing the
same files again finds what is there.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medheart.errors import Conflict, ImageRejected, NeedsChoice, readable
from medheart.records import LabelVersion, Series, Study
from medheart.settings import Settings
from medheart.volume import Volume
from medheart_io import Candidate, load, scan, unpack_zip
from medheart_io.scanning import PATIENT
from medheart_models.facts import mentions
from medheart_models.reasons import fit_data
from medheart_models.tasks import load_task, task_ids
from medheart_store import Store
from medheart_work.identity import SiteKey
from medheart_work.import_label_files import AS_IMAGE, import_label_file, looks_like_labels
from medheart_work.import_labels import import_segmentation

__all__ = ["ImportedCase", "Progress", "import_paths", "look_at"]

_LABEL_FILE = "label_file"

Progress = Callable[[str, int, int], None]
"""Called with what is done, how many parts are done, and how many there are."""


@dataclass(frozen=True)
class ImportedCase:
    """What became of one case.

    Parameters
    ----------
    candidate : Candidate
        What was found; `status`, `code` and `message` are those of the whole import.
    study, series : str
        Ids in the store; empty in a dry run and where it was not accepted.
    version : str
        Id of the label version; empty where the case is an image.
    """

    candidate: Candidate
    study: str = ""
    series: str = ""
    version: str = ""

    @property
    def accepted(self) -> bool:
        """Whether it is (or, in a dry run, would be) in the store."""
        return self.candidate.status == "accepted"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serialisable dict without identity."""
        return {**self.candidate.to_dict(), "study": self.study, "series": self.series, "version": self.version}


def import_paths(
    store: Store,
    settings: Settings,
    paths: Sequence[Path],
    *,
    choices: Iterable[str] = (),
    one_study: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> tuple[ImportedCase, ...]:
    """Import all cases of files and folders.

    Parameters
    ----------
    store, settings
        Where to, and whose site key.
    paths : sequence of pathlib.Path
        Files, folders, or zip files of either.
    choices : iterable of str
        Answers to what a case asked before: keys of `candidate.choices`.
    one_study : bool
        Treat files that name no study (NIfTI, NRRD, MetaImage) as images of one study: those in `paths`, and in a
        folder those beside each other whose names differ only in words for a sequence (`a_flair`, `a_t1c`).
    dry_run : bool
        Only say what would happen.

    Returns
    -------
    tuple of ImportedCase
        One per case, in the order of the paths.

    Raises
    ------
    ImageRejected
        If a path does not exist, or a zip cannot be unpacked.
    """
    if dry_run:
        return look_at(paths)
    with _scanned(paths) as found:
        importer = _Importer(store, SiteKey(settings), frozenset(choices), one_study, frozenset(paths))
        # Images first: segmentations refer to them.
        order = sorted(range(len(found)), key=lambda n: found[n].kind == "segmentation")
        cases = {}
        for done, n in enumerate(order):
            if progress:
                progress(found[n].path.name, done, len(found))
            cases[n] = importer.take(found[n])
        return tuple(importer.settle(cases[n]) for n in range(len(found)))


def look_at(paths: Sequence[Path]) -> tuple[ImportedCase, ...]:
    """Say what an import would find; headers are read, nothing is kept.

    Raises
    ------
    ImageRejected
        As `import_paths` does.
    """
    with _scanned(paths) as found:
        return tuple(ImportedCase(candidate) for candidate in found)


@contextmanager
def _scanned(paths: Sequence[Path]) -> Iterator[list[Candidate]]:
    with _unpacked(paths) as readable:
        given = {folder: path for path, folder in zip(paths, readable, strict=True) if folder != path}
        yield [_as_given(candidate, given) for candidate in scan(readable)]


@contextmanager
def _unpacked(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Replace every zip file by the folder it unpacks to while the block runs."""
    for path in paths:
        if not path.exists():
            raise ImageRejected(f"{path}: there is no such file or folder", code="not_there", path=str(path))
    with tempfile.TemporaryDirectory(prefix="medheart-") as spool:
        readable = []
        for n, path in enumerate(paths):
            if path.is_file() and path.suffix.lower() == ".zip":
                folder = Path(spool) / str(n)
                folder.mkdir()
                unpack_zip(path, folder)
                readable.append(folder)
            else:
                readable.append(path)
        yield readable


def _as_given(candidate: Candidate, given: Mapping[Path, Path]) -> Candidate:
    """Name a case out of a zip by the zip and its place inside."""
    for folder, path in given.items():
        if candidate.path.is_relative_to(folder):
            return replace(candidate, path=path / candidate.path.relative_to(folder))
    return candidate


def _hints_in(name: str) -> str:
    """Return the words of a file name that tell a task's inputs apart; the rest may name a person."""
    return " ".join(sorted(word for word in _input_words() if mentions(name, word)))


def _case_of(path: Path) -> str:
    """Return a file's folder and the words of its name but for those that tell sequences apart."""
    telling = {word for told in _input_words() | set(fit_data()["sequences"]) for word in _words(told)}
    return "\x00".join([str(path.parent), *(word for word in _words(path.name) if word not in telling)])


def _input_words() -> set[str]:
    """Return all words that speak for or against an input of a task."""
    inputs = [item for task_id in task_ids() for item in load_task(task_id).inputs]
    return {word for item in inputs for word in (*item.hints, *item.excludes)}


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())


@dataclass
class _Importer:
    store: Store
    key: SiteKey
    choices: frozenset[str]
    one_study: bool
    given: frozenset[Path]
    images: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    _shared: dict[str, str] = field(default_factory=dict)

    def settle(self, case: ImportedCase) -> ImportedCase:
        """Give a label map that came as a file to its image; all images are in the store by now."""
        if case.candidate.code != _LABEL_FILE:
            return case
        return self._labels(*import_label_file(self.store, case.candidate, self.names))

    def take(self, candidate: Candidate) -> ImportedCase:
        """Import one case; whatever is wrong with it becomes part of the answer."""
        if candidate.kind == "segmentation":
            return self._labels(*import_segmentation(self.store, candidate, self.images))
        if candidate.status == "rejected":
            return ImportedCase(candidate)
        try:
            volume = load(candidate, self._answers(candidate))
        except NeedsChoice as error:
            asked = dict(error.choices)
            return ImportedCase(
                replace(candidate, status="needs_choice", code=error.code, message=error.message, choices=asked)
            )
        except ImageRejected as error:
            return ImportedCase(replace(candidate, status="rejected", code=error.code, message=error.message))
        if isinstance(candidate.source, Path) and AS_IMAGE not in self.choices and looks_like_labels(volume):
            return ImportedCase(replace(candidate, code=_LABEL_FILE, geometry=volume.geometry))
        return self._keep(candidate, volume)

    def _answers(self, candidate: Candidate) -> frozenset[str]:
        """Return the choices for a case: one may answer a question that only reading the voxels raises.

        Of the patients only its own, which are asked for case by case.
        """
        others = {name for name in self.choices if name.startswith(PATIENT)} - set(candidate.choices)
        return self.choices - others

    def _labels(self, answer: Candidate, version: LabelVersion | None) -> ImportedCase:
        if version is None:
            return ImportedCase(answer)
        return ImportedCase(answer, self.store.series(version.image).study, version.image, version.id)

    def _keep(self, candidate: Candidate, volume: Volume) -> ImportedCase:
        study = self._study(candidate, volume)
        record = self._series(candidate, volume, study.id)
        self.store.add_study(study)
        series = self.store.add_series(record, volume)
        self.names[series.id] = candidate.path.name
        if candidate.series_uid:
            self.images[candidate.series_uid] = series.id
        message = candidate.message
        try:
            self.store.add_originals(series.id, candidate.files, named=lambda path: readable(path.name))
        except Conflict:
            message = f"{message}; the same image came before from other files, which are kept"
        taken = replace(
            candidate, status="accepted", code="ok", message=message, geometry=volume.geometry, modality=volume.modality
        )
        return ImportedCase(taken, study.id, series.id)

    def _study(self, candidate: Candidate, volume: Volume) -> Study:
        who = candidate.identity
        patient = "\x00".join((who.issuer, who.patient_id)) if who.patient_id else who.key
        own = candidate.study_uid or volume.digest
        if self.one_study and not candidate.study_uid:
            own = self._shared.setdefault("" if candidate.path in self.given else _case_of(candidate.path), own)
        return Study(
            id=f"study-{self.key.digest('study', patient, own, length=10)}",
            patient=self.key.pseudonym(patient or own),
            date=candidate.study_date,
            description=volume.meta.get("body_part") or "",
        )

    def _series(self, candidate: Candidate, volume: Volume, study: str) -> Series:
        prefix = volume.modality.lower() if volume.modality.isalnum() else "image"
        said = str(volume.meta.get("series_description") or "")
        description = said or ("" if candidate.series_uid else _hints_in(candidate.path.name))
        return Series(
            id=f"{prefix}-{self.key.digest('series', study, volume.digest)}",
            study=study,
            modality=volume.modality,
            body_part=str(volume.meta.get("body_part") or ""),
            description=description,
            image_digest=volume.digest,
            geometry=volume.geometry.to_dict(),
            # Whoever gets the image alone, as the model host does, has to know what it was taken for.
            meta={**volume.meta, "series_description": description} if description else dict(volume.meta),
        )
