"""The report as one HTML file that holds its pictures, font and style; fit to be printed, too."""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from medheart_reports.figures import Figures
from medheart_reports.fonts import subset_font

__all__ = ["write_html"]


_MARKS = "·"
"""Characters that the template itself writes beyond ASCII."""


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("medheart_reports", "templates"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("report.html.jinja")


def write_html(document: Mapping[str, Any], figures: Figures, path: Path) -> Path:
    """Write a report as HTML.

    Parameters
    ----------
    document : mapping
        Of `build_document`; every text is escaped.
    figures : Figures
        Its pictures.
    path : pathlib.Path
        Target; its folder must exist.
    """
    style = resources.files("medheart_reports").joinpath("templates", "report.css").read_text(encoding="utf-8")
    font = subset_font(json.dumps(document, ensure_ascii=False) + string.printable + _MARKS)
    face = f'@font-face {{ font-family: "Report"; src: url({_inline(font, "font/woff")}) format("woff"); }}\n'
    images = {f"{picture.name}.png": _inline(picture.png, "image/png") for picture in figures.pictures}
    # The style holds our own file and the font's bytes in base64: nothing that came from outside.
    page = _template().render(r=document, style=Markup(face + style), images=images)  # noqa: S704
    path.write_text(page, encoding="utf-8")
    return path


def _inline(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
