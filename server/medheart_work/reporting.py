"""Reports: rendering what they speak of, and keeping them with their version."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from medheart.records import Document
from medheart_measure import MeasurementTable
from medheart_models.fit import TaskChoice
from medheart_reports import LANGUAGES, Figures, ReportContent, draw_figures, render_html, render_pdf
from medheart_store import Store
from medheart_work.report_content import content_of_file, content_of_version, content_unsegmented

__all__ = [
    "LANGUAGES",
    "PICTURE",
    "REPORT",
    "WrittenReport",
    "report_file",
    "report_unsegmented",
    "report_version",
]

REPORT = "report"
"""Kind of the store's documents that are reports."""

PICTURE = "picture"
"""Kind of the store's documents that are pictures of a version; `meta["view"]` says which."""

_VIEWS = ("axial", "coronal", "sagittal", "surface")
_MEDIA_TYPES = {"html": "text/html", "pdf": "application/pdf"}


@dataclass(frozen=True)
class WrittenReport:
    """A report as it was kept: its content by file ending, and the documents that hold it."""

    version: str
    language: str
    files: dict[str, bytes]
    documents: tuple[Document, ...]


def report_version(
    store: Store,
    version_id: str,
    *,
    language: str,
    choice: TaskChoice | None = None,
    table: MeasurementTable | None = None,
    created: str = "",
) -> WrittenReport:
    """Write the report of a version and keep it, with its pictures, in the store.

    The same content and time are kept once.

    Parameters
    ----------
    language : str
        `en` or `zh`.
    choice : TaskChoice, optional
        Why the task and the series were taken; found again otherwise.
    table : MeasurementTable, optional
        Its measurements; made otherwise.
    created : str
        Time of the report; now by default.
    """
    content = content_of_version(store, version_id, language=language, choice=choice, table=table, created=created)
    figures = draw_figures(content)
    files = _render(content, figures)
    documents = [
        _keep(store, version_id, kind=REPORT, media_type=_MEDIA_TYPES[ending], data=data, meta={"language": language})
        for ending, data in files.items()
    ]
    for picture in figures.pictures:
        if picture.name in _VIEWS:
            meta = {"view": picture.name}
            _keep(store, version_id, kind=PICTURE, media_type="image/png", data=picture.png, meta=meta)
    return WrittenReport(version_id, language, files, tuple(documents))


def report_unsegmented(
    store: Store, study_id: str, choice: TaskChoice, *, language: str, shown: Collection[str] = ()
) -> dict[str, bytes]:
    """Return the report of a study for which no task fits, by file ending; see `content_unsegmented`."""
    content = content_unsegmented(store, study_id, choice, language=language, shown=shown)
    return _render(content, draw_figures(content))


def report_file(label: Path, image: Path | None, *, language: str, task_id: str | None = None) -> dict[str, bytes]:
    """Return the report of a label file that is in no store, by file ending; see `content_of_file`."""
    content = content_of_file(label, image, language=language, task_id=task_id)
    return _render(content, draw_figures(content))


def _render(content: ReportContent, figures: Figures) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="medheart-") as folder:
        html = render_html(content, Path(folder), figures=figures)
        pdf = render_pdf(content, Path(folder) / "report.pdf", figures=figures)
        return {"html": html.read_bytes(), "pdf": pdf.read_bytes()}


def _keep(store: Store, version_id: str, *, kind: str, media_type: str, data: bytes, meta: dict[str, str]) -> Document:
    for document in store.documents(version_id, kind=kind):
        if (document.media_type, document.meta) == (media_type, meta) and store.document_data(document.id) == data:
            return document
    return store.add_document(version_id, kind, media_type, data, meta)
