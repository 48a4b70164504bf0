"""Every code, warning and choice that the readers use has words in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import medheart_io
from medheart_io import explain
from medheart_io.texts import known

SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in Path(medheart_io.__file__).parent.glob("*.py"))


def test_every_code_in_the_source_is_explained() -> None:
    used = set(re.findall(r'reject\([^)]*?, "([a-z_]+)"[,)]', SOURCES)) | set(re.findall(r'code="([a-z_]+)"', SOURCES))
    used |= set(re.findall(r'return "([a-z_]+_(?:slices|spacing))"', SOURCES))
    used -= {"bad_argument", ""}
    assert len(used) > 35
    assert used <= set(known("codes"))


def test_every_warning_in_the_source_is_explained() -> None:
    used = set(
        re.findall(r'"((?:[a-z0-9]+-)+(?:dropped|skipped|assumed|chosen|differ|uids|slice|spacing|tilt))"', SOURCES)
    )
    used |= {"monochrome1"}
    assert {"single-slice", "resampled-tilt", "several-study-uids"} <= used
    assert used - set(known("choices")) <= set(known("warnings"))


def test_both_languages(tmp_path: Path) -> None:
    for group in ("codes", "warnings", "choices"):
        for word in known(group):
            english, chinese = explain(word, group=group), explain(word, group=group, language="zh")
            assert english.isascii()
            assert re.search(r"[\u4e00-\u9fff]", chinese)
    assert explain("tilted", language="fr") == explain("tilted")
    assert explain("never-heard") == "never-heard"
