"""Rendering a report into files."""

from __future__ import annotations

from pathlib import Path

from medheart_reports.content import ReportContent
from medheart_reports.document import build_document
from medheart_reports.figures import Figures, draw_figures

__all__ = ["render_html", "render_pdf"]


def render_html(content: ReportContent, folder: Path, *, figures: Figures | None = None) -> Path:
    """Write `report.html`, one file that holds its pictures; return its path.

    Parameters
    ----------
    content : ReportContent
    folder : pathlib.Path
        Made where it does not exist.
    figures : Figures, optional
        Pictures drawn before by `draw_figures` of the same images and labels; the language may differ.
    """
    from medheart_reports.html import write_html

    figures = figures or draw_figures(content)
    folder.mkdir(parents=True, exist_ok=True)
    return write_html(build_document(content, figures), figures, folder / "report.html")


def render_pdf(content: ReportContent, path: Path, *, figures: Figures | None = None) -> Path:
    """Write the report as PDF/UA-1; return its path.

    Parameters
    ----------
    content : ReportContent
    path : pathlib.Path
        Target; its folder is made where it does not exist.
    figures : Figures, optional
        Pictures drawn before by `draw_figures` of the same images and labels; the language may differ.
    """
    from medheart_reports.pdf import write_pdf

    figures = figures or draw_figures(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_pdf(build_document(content, figures), figures, path)
