"""Reasons in words."""

from __future__ import annotations

import string

import pytest

from medheart_models.reasons import Reason, fit_data


def test_both_languages_use_the_same_fields() -> None:
    for code, texts in fit_data()["reasons"].items():
        fields = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in texts.values()]
        assert set(texts) == {"en", "zh"}, code
        assert fields[0] == fields[1], code


def test_a_reason_survives_the_wire() -> None:
    reason = Reason(
        "field_of_view_small", {"series": "a", "task": "t", "got": 3, "axis": fit_data()["words"]["x"], "limit": 5}
    )
    assert "from left to right" in str(reason)
    assert "左右方向" in reason.text("zh")
    assert reason.text("fr") == str(reason)
    assert Reason.from_dict(reason.to_dict()) == reason
    with pytest.raises(ValueError, match="no text for reason 'x'"):
        Reason("x")
