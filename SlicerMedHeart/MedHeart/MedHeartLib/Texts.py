"""What the user reads, in the user's language.

English is in the code and in the .ui file; `Resources/Texts/<language>.json` maps it to another
language. So a language needs no compiled catalogue and can be changed in place.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["currentLanguage", "setLanguage", "tr", "translate"]

_FOLDER = Path(__file__).parent.parent / "Resources" / "Texts"
_language = ["en"]


def setLanguage(code: str) -> None:
    """Choose the language: `zh-CN`, `zh_TW`, `zh` … for Chinese; English for any other."""
    _language[0] = "zh" if code.lower().startswith("zh") else "en"


def currentLanguage() -> str:
    """Return `en` or `zh`."""
    return _language[0]


def tr(text: str, **values: Any) -> str:
    """Return an English text in the chosen language, with its values filled in."""
    return _catalogue(_language[0]).get(text, text).format(**values)


def translate(widgets: Iterable[Any]) -> None:
    """Put the texts and tool tips of a form's widgets into the chosen language."""
    for widget in widgets:
        if any(widget.inherits(kind) for kind in ("QLabel", "QAbstractButton", "ctkCollapsibleButton")):
            widget.setText(tr(widget.text))
        if widget.toolTip:
            widget.setToolTip(tr(widget.toolTip))


@cache
def _catalogue(language: str) -> dict[str, str]:
    path = _FOLDER / f"{language}.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
