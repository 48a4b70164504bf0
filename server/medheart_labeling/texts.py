"""What people read, by language, from `data/texts.json`."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

__all__ = ["text", "texts"]


def text(key: str, language: str = "en", **values: Any) -> str:
    """Return the text `key` in `language`, else in English, with its values filled in."""
    by_language = _all()[key]
    return by_language.get(language, by_language["en"]).format(**values)


def texts(key: str, **values: Any) -> dict[str, str]:
    """Return the text `key` in every language."""
    return {language: template.format(**values) for language, template in _all()[key].items()}


@cache
def _all() -> dict[str, dict[str, str]]:
    path = resources.files("medheart_labeling") / "data" / "texts.json"
    return dict(json.loads(path.read_text(encoding="utf-8")))
