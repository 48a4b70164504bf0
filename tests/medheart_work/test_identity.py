"""Pseudonyms: stable at a site, different elsewhere, with a key that only its owner reads."""

from __future__ import annotations

import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from medheart.errors import MedHeartError
from medheart.settings import Settings
from medheart_work.identity import SiteKey


def test_pseudonym_is_stable_and_says_nothing(settings: Settings) -> None:
    first, again = SiteKey(settings).pseudonym("4711"), SiteKey(settings).pseudonym("4711")
    assert first == again
    assert re.fullmatch(r"P-[0-9A-F]{10}", first)
    assert SiteKey(settings).pseudonym("4712") != first


def test_another_site_has_other_pseudonyms(tmp_path: Path) -> None:
    here, there = (SiteKey(Settings(home=tmp_path / name)).pseudonym("4711") for name in ("a", "b"))
    assert here != there


def test_key_is_private(settings: Settings) -> None:
    SiteKey(settings)
    assert stat.S_IMODE((settings.home / "site.key").stat().st_mode) == 0o600


def test_first_users_at_once_share_one_key(settings: Settings) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda _: SiteKey(settings).pseudonym("x"), range(32)))
    assert len(names) == 1
    assert [path.name for path in settings.home.iterdir()] == ["site.key"]


def test_damaged_key_is_named(settings: Settings) -> None:
    settings.home.mkdir(parents=True)
    (settings.home / "site.key").write_bytes(b"short")
    with pytest.raises(MedHeartError, match=r"site\.key.*32 bytes.*5"):
        SiteKey(settings)


def test_parts_are_kept_apart(settings: Settings) -> None:
    key = SiteKey(settings)
    assert key.digest("ab", "c") != key.digest("a", "bc")
