"""What the command line says follows the setting `language`: nothing is missing in one of the two."""

from __future__ import annotations

import re
import string
import tomllib
from pathlib import Path

import pytest

import medheart_cli
import medheart_work
from medheart import errors
from medheart_cli import console

FOLDER = Path(medheart_cli.__file__).parent
CATALOGUES = {
    "cli": FOLDER / "texts.toml",
    "doctor": Path(medheart_work.__file__).with_name("doctor_texts.toml"),
}
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def load(name: str) -> dict[str, dict[str, str]]:
    return tomllib.loads(CATALOGUES[name].read_text(encoding="utf-8"))


def fields(template: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.fixture
def chinese(medheart, monkeypatch):
    """Call `medheart …` with the language set to Chinese."""
    monkeypatch.setenv("MEDHEART_LANGUAGE", "zh")
    console.language.cache_clear()
    yield medheart
    console.language.cache_clear()


@pytest.mark.parametrize("name", sorted(CATALOGUES))
def test_every_text_is_there_in_both_languages_with_the_same_values(name) -> None:
    for key, text in load(name).items():
        assert set(text) == {"en", "zh"}, key
        assert fields(text["en"]) == fields(text["zh"]), key
        assert all(text.values()), key


def test_every_text_that_a_verb_says_is_in_the_catalogue() -> None:
    known = load("cli")
    for path in FOLDER.rglob("*.py"):
        for key in re.findall(r"\btext\(\s*\"([a-z_]+)\"", path.read_text(encoding="utf-8")):
            assert key in known, f"{path.name}: {key}"


def test_every_kind_of_error_has_words() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) > 10
    for kind in kinds:
        assert f"error_{kind.code}" in load("cli"), kind


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("tasks", "list"), ("编号", "分割", "海马")),
        (("tasks", "show", "hippocampus"), ("项目", "训练数据", "真实病例", "平均 Dice.海马前部")),
        (("tasks", "show", "brain-tumour"), ("未使用真实肿瘤", "肿瘤核心")),
        (("versions", "list"), ("版本", "作者")),
        (("users", "list"), ("角色",)),
        (("doctor",), ("检查项", "磁盘", "标注服务器")),
    ],
)
def test_tables_are_chinese(chinese, arguments, words) -> None:
    done = chinese(*arguments)
    for word in words:
        assert word in done.out


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (("measure", "nowhere.nii.gz"), "文件或目录不存在", 1),
        (("versions", "list", "nothing"), "未找到", 1),
        (("serve", "--once"), "用法有误", 2),
        (("tasks", "show", "nothing"), "任务不适用", 1),
        (("segment",), "用法有误", 2),
        (("users", "add", "a b"), "名称无效", 1),
    ],
)
def test_errors_say_in_chinese_what_kind_they_are_and_keep_the_exact_sentence(chinese, arguments, words, code) -> None:
    done = chinese(*arguments)
    assert done.code == code
    (line,) = done.err.splitlines()
    assert words in line
    assert re.search("[a-z]{4}", line.split("：", 1)[1])


def test_english_stays_english(medheart) -> None:
    for arguments in (("users", "list"), ("measure", "nowhere.nii.gz"), ("doctor",), ("serve", "--once")):
        done = medheart(*arguments)
        assert not CHINESE.search(done.out + done.err), arguments


def test_json_is_the_same_in_every_language(chinese) -> None:
    done = chinese("doctor", "--json")
    assert not CHINESE.search(done.out)
