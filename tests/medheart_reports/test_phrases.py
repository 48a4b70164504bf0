"""Both languages say the same things."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

import medheart_reports
from medheart.task import RESEARCH_ONLY
from medheart_reports.phrases import load_phrases, read_data

ENGLISH, CHINESE = read_data("phrases/en.json"), read_data("phrases/zh.json")
SOURCE = Path(medheart_reports.__file__).parent


def fields(text):
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_have_the_same_phrases_with_the_same_fields():
    assert list(ENGLISH) == list(CHINESE)
    assert {key: fields(text) for key, text in ENGLISH.items()} == {key: fields(text) for key, text in CHINESE.items()}


@pytest.mark.parametrize("key", [key for key in CHINESE if key != "none"])
def test_chinese_is_chinese_and_english_is_not(key):
    assert re.search(r"[\u4e00-\u9fff]", CHINESE[key])
    assert not re.search(r"[\u4e00-\u9fff]", ENGLISH[key])


def test_every_phrase_is_used_and_every_used_phrase_exists():
    code = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.glob("*.py"))
    groups = {
        "state",
        "origin",
        "status",
        "convention",
        "plane",
        "window",
        "warning",
        "section",
        "column",
        "score",
        "method",
    }
    used = set(re.findall(r'"((?:[a-z_]+\.)?[a-z_0-9]+)"', code))
    for key in ENGLISH:
        assert key.partition(".")[0] in groups or key in used, key
    for key in re.findall(r'say\(\s*"([a-z_.0-9]+)"', code):
        assert key in ENGLISH, key


@pytest.mark.parametrize(
    ("language", "draft", "research", "empty"),
    [
        ("en", "AI draft; assists, is not a diagnosis", "For research only", "not detected, does not exclude disease"),
        ("zh", "人工智能草稿，仅供辅助，不构成诊断", "仅供科研", "模型未检出，不能排除病变"),
    ],
)
def test_the_binding_words(language, draft, research, empty):
    say = load_phrases(language)
    assert (say("draft"), say.pick(RESEARCH_ONLY), say("not_detected")) == (draft, research, empty)
