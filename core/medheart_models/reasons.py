"""Reasons in words: why a task fits an image, does not, or cannot be sure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

__all__ = ["Reason", "fit_data"]


@cache
def fit_data() -> dict[str, Any]:
    """Return `data/fit.json`: texts of the reasons, words in them, names of sequences."""
    text = (resources.files("medheart_models") / "data" / "fit.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


@dataclass(frozen=True)
class Reason:
    """One reason.

    Parameters
    ----------
    code : str
        Key of a text in `data/fit.json`.
    values : mapping
        What the text's fields hold; JSON-serialisable. A value that is a mapping by language is
        shown in the reader's language.
    """

    code: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.code not in fit_data()["reasons"]:
            raise ValueError(f"no text for reason {self.code!r} in data/fit.json")

    def text(self, language: str = "en") -> str:
        """Return the sentence in `language`, else in English."""
        texts = fit_data()["reasons"][self.code]
        template: str = texts.get(language) or texts["en"]
        return template.format(**{name: _shown(value, language) for name, value in self.values.items()})

    def __str__(self) -> str:
        return self.text()

    def to_dict(self) -> dict[str, Any]:
        """Return `{"code", "values", "text": {"en", "zh"}}` for JSON."""
        texts = {language: self.text(language) for language in ("en", "zh")}
        return {"code": self.code, "values": dict(self.values), "text": texts}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Reason:
        """Read what `to_dict` wrote."""
        return cls(data["code"], data["values"])


def _shown(value: Any, language: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(language) or value["en"]
    return f"{value:.4g}" if isinstance(value, float) else value
