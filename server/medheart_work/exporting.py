"""From the store to files: labels in every format, measurements and reports, each whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from medheart.errors import MedHeartError, NotFound
from medheart.records import Document, LabelVersion
from medheart_io import write_dicom_seg, write_labels
from medheart_models.tasks.research import label_title, research_notice
from medheart_store import Store
from medheart_work.files import appearing, write_whole
from medheart_work.measuring import measure_version, measured

__all__ = [
    "DICOM_SEG",
    "LABEL_ENDINGS",
    "LABEL_FILES",
    "check_label_name",
    "export_labels",
    "export_named",
    "export_version",
    "keep_dicom_seg",
    "places",
    "write_label",
]

LABEL_ENDINGS = ("nii.gz", "seg.nrrd", "dcm")
"""Formats of `export_labels`; `dcm` is a DICOM SEG."""

LABEL_FILES = (".nii.gz", ".nii", ".seg.nrrd", ".nrrd", ".mha", ".mhd", ".dcm")
"""Endings of the files that `write_label` writes; an `.mhd` has its voxels in a `.raw` beside it."""

DICOM_SEG = "dicom-seg"
"""Kind of the store's documents that are a version as DICOM SEG."""


def export_version(store: Store, version_id: str, folder: Path) -> list[Path]:
    """Write label files, measurements and the latest reports of a version into a folder.

    Returns
    -------
    list of pathlib.Path
        `label.nii.gz`, `label.seg.nrrd`, `label.dcm`, `measurements.json`, `report.html`, `report.pdf`
        (reports only where some were made).
    """
    files = export_labels(store, version_id, folder)
    if measured(store, version_id) is None:
        measure_version(store, version_id)
    document = measured(store, version_id)
    assert document is not None
    files.append(write_whole(folder / "measurements.json", store.document_data(document.id)))
    latest = {one.media_type: one for one in store.documents(version_id, kind="report")}
    for ending, media_type in (("html", "text/html"), ("pdf", "application/pdf")):
        if media_type in latest:
            files.append(write_whole(folder / f"report.{ending}", store.document_data(latest[media_type].id)))
    return files


def export_labels(
    store: Store, version_id: str, folder: Path, *, endings: Sequence[str] = LABEL_ENDINGS, name: str = "label"
) -> list[Path]:
    """Write a version's label into `folder` as `<name>.<ending>` for each ending."""
    return [write_label(store, version_id, folder / f"{name}.{ending}") for ending in endings]


def write_label(store: Store, version_id: str, path: Path) -> Path:
    """Write a version's label to a file, one of `LABEL_FILES`; the ending selects the format, `.dcm` is a DICOM SEG.

    A DICOM SEG refers to the original files of its image where the image came as DICOM.

    Raises
    ------
    MedHeartError
        `usage`, see `check_label_name`.
    """
    check_label_name(path)
    if path.name.endswith(".dcm"):
        with appearing(path) as temporary:
            _write_seg(store, version_id, temporary)
        return path
    # The writer lets files appear whole itself; an .mhd under another name would name another .raw.
    return write_labels(path, store.labels(version_id), title=label_title(store.lineage(version_id)))


def check_label_name(path: Path) -> None:
    """Refuse a path that is not the name of a label file.

    Raises
    ------
    MedHeartError
        `usage`, if the ending is not of `LABEL_FILES`, or an `.mhd` could not name its `.raw`.
    """
    if not path.name.endswith(LABEL_FILES):
        raise MedHeartError(f"{path}: a label file ends in one of {', '.join(LABEL_FILES)}", code="usage")
    if path.name.endswith(".mhd") and not path.name.isascii():
        raise MedHeartError(f"{path}: the name of an .mhd, which names its .raw, is ASCII", code="usage")


def _write_seg(store: Store, version_id: str, path: Path) -> None:
    version = store.version(version_id)
    series = store.series(version.image)
    study = store.study(series.study)
    with tempfile.TemporaryDirectory(prefix="medheart-") as folder:
        files = store.originals(version.image, Path(folder))
        is_dicom = bool(files) and series.meta.get("provenance", {}).get("format") == "dicom"
        write_dicom_seg(
            path,
            store.labels(version_id),
            origin=version.origin,
            source=Path(folder) if is_dicom else None,
            model=version.origin if version.automatic else "",
            modality=series.modality or "CT",
            patient_id=study.patient,
            author=version.author if "^" in version.author else f"{version.author}^",
            description=research_notice(store.lineage(version_id)).get("en", "Segmentation"),
        )


def keep_dicom_seg(store: Store, version_id: str) -> Document:
    """Keep the DICOM SEG of a version as a document of it; one that is there already stays."""
    known = store.documents(version_id, kind=DICOM_SEG)
    if known:
        return known[-1]
    with tempfile.TemporaryDirectory(prefix="medheart-") as folder:
        path = write_label(store, version_id, Path(folder) / "label.dcm")
        return store.add_document(version_id, DICOM_SEG, "application/dicom", path.read_bytes())


def export_named(store: Store, name: str, folder: Path) -> list[Path]:
    """Export a version, or what is shown of a series or of every series of a study.

    Each study gets a folder; where it has several labels, each gets one inside.

    Raises
    ------
    NotFound
        If nothing has this id, or nothing of it has a label.
    """
    versions = _versions_named(store, name)
    if not versions:
        raise NotFound(f"{name!r} has no label version to export")
    study = store.series(versions[0].image).study
    files = []
    for version, place in places(folder / study, versions):
        files += export_version(store, version.id, place)
    return files


def places(folder: Path, versions: Sequence[LabelVersion]) -> Iterator[tuple[LabelVersion, Path]]:
    """Yield each version with the folder for its files: `folder`, or where there are several, one inside.

    It is named by the image, and where an image has several labels by the number of the version too.
    """
    images = [version.image for version in versions]
    for version in versions:
        own = version.image if images.count(version.image) == 1 else f"{version.image}-v{version.number}"
        yield version, folder if len(versions) == 1 else folder / own


def _versions_named(store: Store, name: str) -> list[LabelVersion]:
    for find in (_labels_of_study, Store.shown):
        try:
            return find(store, name)
        except NotFound:
            continue
    return [store.version(name)]


def _labels_of_study(store: Store, name: str) -> list[LabelVersion]:
    return [label for series in store.study(name).series for label in store.shown(series.id)]
