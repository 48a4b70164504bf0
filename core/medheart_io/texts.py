"""What codes, warnings and choices of the readers mean, in the reader's language."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Literal

__all__ = ["explain", "known"]

Group = Literal["codes", "warnings", "choices"]


@cache
def _texts() -> dict[str, dict[str, dict[str, str]]]:
    text = (resources.files("medheart_io") / "data" / "texts.json").read_text(encoding="utf-8")
    data: dict[str, dict[str, dict[str, str]]] = json.loads(text)
    return data


def known(group: Group) -> list[str]:
    """Return the words of a group, sorted."""
    return sorted(_texts()[group])


def explain(word: str, *, group: Group = "codes", language: str = "en") -> str:
    """Return one sentence for a person.

    Parameters
    ----------
    word : str
        An error code, a warning of `Volume.meta`, or a choice.
    group : str
        `codes`, `warnings` or `choices`.
    language : str
        `en` or `zh`; another language gives English, an unknown word itself.
    """
    texts = _texts()[group].get(word, {})
    return texts.get(language) or texts.get("en") or word
