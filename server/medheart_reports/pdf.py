"""The report as PDF, set by Typst: tagged, with its fonts, from data and a template."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

import typst

from medheart.errors import MedHeartError
from medheart_reports.figures import Figures
from medheart_reports.fonts import FAMILY, FONT_FILE

__all__ = ["write_pdf"]

_STANDARDS: list[typst.PDFStandard] = ["ua-1"]


def write_pdf(document: Mapping[str, Any], figures: Figures, path: Path) -> Path:
    """Write a report as PDF/UA-1; the same document gives the same bytes.

    Parameters
    ----------
    document : mapping
        Of `build_document`.
    figures : Figures
        Its pictures.
    path : pathlib.Path
        Target; its folder must exist.

    Raises
    ------
    MedHeartError
        `report_failed` if Typst refuses the document; says why.
    """
    with tempfile.TemporaryDirectory(prefix="medheart-report-") as folder:
        root = Path(folder)
        template = resources.files("medheart_reports").joinpath("templates", "report.typ")
        (root / "report.typ").write_bytes(template.read_bytes())
        for picture in figures.pictures:
            (root / f"{picture.name}.png").write_bytes(picture.png)
        try:
            data = typst.compile(
                root / "report.typ",
                root=root,
                font_paths=[FONT_FILE.parent],
                ignore_system_fonts=True,
                pdf_standards=_STANDARDS,
                timestamp=datetime.fromisoformat(document["created"]),
                sys_inputs={"data": json.dumps(document, ensure_ascii=False), "family": FAMILY},
            )
        except typst.TypstError as error:
            raise MedHeartError(f"the report could not be set: {error.message}", code="report_failed") from error
    path.write_bytes(data)
    return path
