from __future__ import annotations

from pathlib import Path

import pytest

from medheart.errors import MedHeartError
from medheart.settings import Settings


def test_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "medheart.toml").write_text('label_port = 9001\nlanguage = "zh"\n')
    monkeypatch.setenv("MEDHEART_LABEL_PORT", "9002")
    settings = Settings.load()
    assert (settings.label_port, settings.language) == (9002, "zh")
    assert settings.label_url == "http://127.0.0.1:9002"


def test_home_comes_from_the_environment_and_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDHEART_HOME", str(tmp_path / "here"))
    assert Settings.load().store_dir == tmp_path / "here" / "store"


@pytest.mark.parametrize(
    ("text", "word"), [("colour = 1", "colour"), ('label_port = "x"', "label_port"), ("= 3", "TOML")]
)
def test_bad_settings_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, word: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "medheart.toml").write_text(text)
    with pytest.raises(MedHeartError, match=word):
        Settings.load()


def test_settings_in_another_encoding_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "medheart.toml").write_bytes('home = "数据"'.encode("gbk"))
    with pytest.raises(MedHeartError, match=r"medheart\.toml: not UTF-8") as caught:
        Settings.load()
    assert caught.value.code == "settings"


def test_login_switch_reads_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDHEART_REQUIRE_LOGIN", "yes")
    assert Settings.load().require_login is True


def test_variables_without_the_prefix_are_not_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEDHEART_HOME", str(tmp_path))
    for name in ("HOME", "HOST", "LANGUAGE", "DEVICE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(name, "/elsewhere")  # set last, so that it would win
    settings = Settings.load()
    assert (settings.home, settings.host, settings.language, settings.device) == (tmp_path, "127.0.0.1", "", "auto")
