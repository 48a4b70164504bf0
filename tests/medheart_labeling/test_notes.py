"""What the label server remembers by itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from medheart_labeling.notes import Notes


@pytest.fixture
def notes(tmp_path):
    """Return new notes."""
    notes = Notes(tmp_path / "notes.sqlite")
    yield notes
    notes.close()


def test_what_was_shown_last_is_known_by_name_and_in_order(notes):
    assert notes.served("image") == {}
    notes.note_served("a", "image", None)
    assert notes.served("image") == {"a": None}
    notes.note_served("b", "image", "v1")
    notes.note_served("a", "image", "v2")
    assert list(notes.served("image").items()) == [("b", "v1"), ("a", "v2")]
    assert notes.served("other") == {}


def test_notes_survive_a_restart(tmp_path):
    notes = Notes(tmp_path / "notes.sqlite")
    notes.note_served("a", "image", "v1")
    notes.update_info("image", "image", {"level": "easy"})
    notes.hide("gone")
    notes.close()
    again = Notes(tmp_path / "notes.sqlite")
    assert again.served("image") == {"a": "v1"}
    assert again.info("image", "image") == {"level": "easy"}
    assert again.hidden() == {"gone"}
    again.show("gone")
    assert again.hidden() == set()
    again.close()


def test_info_is_merged_key_by_key_also_by_many_threads(notes):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: notes.update_info("image", "x", {f"key-{n}": n, "last": n}), range(40)))
    assert set(notes.info("image", "x")) == {f"key-{n}" for n in range(40)} | {"last"}
    assert notes.info("label", "x") == {}
