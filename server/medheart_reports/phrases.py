"""The words of the reports: one file of phrases per language, the same keys in each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

__all__ = ["Phrases", "load_phrases", "read_data"]


@cache
def read_data(name: str) -> dict[str, Any]:
    """Return a JSON file of this package's `data` folder."""
    text = resources.files("medheart_reports").joinpath("data", name).read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


class Phrases:
    """The phrases of one language.

    Parameters
    ----------
    language : str
        `en` or `zh`.
    phrases : mapping of str to str
        Key to phrase; `{name}` is filled in.
    """

    def __init__(self, language: str, phrases: Mapping[str, str]) -> None:
        self.language = language
        self._phrases = phrases

    def __call__(self, key: str, **values: object) -> str:
        """Return a phrase with its fields filled in; KeyError names a key that is missing."""
        return self._phrases[key].format(**values)

    def word(self, group: str, code: str) -> str:
        """Return the phrase `group.code`, or the code itself where there is none."""
        return self._phrases.get(f"{group}.{code}", code)

    def keys(self, group: str) -> list[str]:
        """Return the keys `group.…`."""
        return [key for key in self._phrases if key.startswith(f"{group}.")]

    def pick(self, text: Mapping[str, str]) -> str:
        """Return a text by language in this one, else in English, else the first there is."""
        return text.get(self.language) or text.get("en") or next(iter(text.values()), "")


@cache
def load_phrases(language: str) -> Phrases:
    """Return the phrases of `en` or `zh`."""
    return Phrases(language, read_data(f"phrases/{language}.json"))
