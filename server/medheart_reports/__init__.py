"""Reports of label versions: pictures, HTML and PDF, in Chinese and English.

    figures = draw_figures(content)                 # drawn once, good for both languages
    render_html(content, folder, figures=figures)   # folder/report.html
    render_pdf(content, folder / "report.pdf", figures=figures)

Everything comes in as `ReportContent`; nothing is looked up elsewhere.
"""

from medheart_reports.content import LANGUAGES, ReportContent
from medheart_reports.figures import KINDS, Figures, Picture, draw_figures
from medheart_reports.rendering import render_html, render_pdf

__all__ = ["KINDS", "LANGUAGES", "Figures", "Picture", "ReportContent", "draw_figures", "render_html", "render_pdf"]
