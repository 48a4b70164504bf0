"""Keys: only digests on disk, private, safe against many writers."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medheart.errors import AccessError, NotFound
from medheart_access import Identity, KeyFile


@pytest.fixture
def keys(tmp_path):
    """Return an empty file of keys."""
    return KeyFile(tmp_path / "access" / "keys.json")


def test_a_key_stands_for_its_holder_and_is_not_kept(keys):
    token = keys.add("ann", "annotator")
    assert keys.find(token).identity == Identity("ann", "annotator")
    text = keys.path.read_text()
    assert token not in text
    assert token.rpartition("_")[2] not in text
    assert keys.path.stat().st_mode & 0o777 == 0o600
    assert keys.path.parent.stat().st_mode & 0o777 == 0o700


def test_two_keys_are_never_the_same(keys):
    assert len({keys.add("ann", "user") for _ in range(5)}) == 5
    assert len(keys.list()) == 5


def test_a_changed_key_stands_for_nobody(keys):
    token = keys.add("ann", "annotator")
    for wrong in (token[:-1] + ("A" if token[-1] != "A" else "B"), token[:-1], token + "A", token.upper(), ""):
        assert keys.find(wrong) is None


@settings(deadline=None, max_examples=40)
@given(st.text(max_size=80))
def test_no_text_stands_for_anybody_or_fails(tmp_path_factory, text):
    keys = KeyFile(tmp_path_factory.mktemp("keys") / "keys.json")
    keys.add("ann", "admin")
    assert keys.find(text) is None


def test_a_revoked_key_stands_for_nobody_at_once_in_every_process(keys):
    token = keys.add("ann", "annotator")
    other = KeyFile(keys.path)
    assert other.find(token) is not None
    keys.revoke(keys.list()[0].id)
    assert other.find(token) is None
    with pytest.raises(NotFound, match="no key"):
        keys.revoke("0123456789ab")


def test_many_threads_lose_no_key(keys):
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda n: keys.add(f"name-{n}", "user"), range(24)))
    assert {keys.find(token).name for token in tokens} == {f"name-{n}" for n in range(24)}


@pytest.mark.parametrize(
    ("name", "role", "code"), [("a b", "user", "bad_name"), ("", "user", "bad_name"), ("a", "king", "bad_role")]
)
def test_bad_names_and_roles_are_refused(keys, name, role, code):
    with pytest.raises(AccessError) as caught:
        keys.add(name, role)
    assert caught.value.code == code
    assert not keys.path.exists()


def test_a_damaged_file_lets_nobody_in(keys):
    token = keys.add("ann", "admin")
    keys.path.write_text(json.dumps({"keys": [{"id": "x"}]}))
    with pytest.raises(AccessError) as caught:
        keys.find(token)
    assert caught.value.code == "bad_key_file"
    assert str(keys.path) in caught.value.message
