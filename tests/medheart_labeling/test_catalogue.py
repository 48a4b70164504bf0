"""Which label an image has under which tag."""

from __future__ import annotations

import numpy as np
import pytest

from medheart.geometry import Geometry
from medheart.records import Series, Study
from medheart.schema import load_schema
from medheart.volume import LabelMap, Volume
from medheart_labeling.catalogue import Catalogue
from medheart_labeling.notes import Notes
from medheart_store import Store

GRID = Geometry.from_parts(shape=(4, 4, 4), spacing=(1, 1, 1))


@pytest.fixture
def store(tmp_path):
    """Return a store with an image."""
    with Store.open(tmp_path / "store") as store:
        store.add_study(Study("s", "p", "", ""))
        store.add_series(Series("x", "s", "MR", "", "", "", {}), Volume(np.zeros(GRID.shape, np.int16), GRID, "MR"))
        yield store


@pytest.fixture
def notes(tmp_path):
    """Return new notes."""
    notes = Notes(tmp_path / "notes.sqlite")
    yield notes
    notes.close()


@pytest.fixture
def add(store):
    """Return a function that adds a version to the image."""
    schema = load_schema("hippocampus")

    def make(slices, origin="manual", **options):
        array = np.zeros(GRID.shape, np.uint8)
        array[:slices] = 1
        return store.add_version(LabelMap(array, GRID, schema), image="x", author="a", origin=origin, **options)

    return make


def test_a_models_label_is_original_and_a_persons_final(store, notes, add):
    catalogue = Catalogue(store, notes)
    assert catalogue.tags("x") == {}
    model = add(1, "hippocampus@1")
    person = add(2, base=model.id)
    assert {tag: version.id for tag, version in catalogue.tags("x").items()} == {
        "original": model.id,
        "final": person.id,
    }


def test_the_head_goes_before_a_later_branch(store, notes, add):
    catalogue, head = Catalogue(store, notes), add(1)
    branch = add(2)
    assert store.head("x").id == head.id
    assert catalogue.tags("x")["final"].id == head.id
    back = store.restore(branch.id, author="b")
    assert catalogue.tags("x")["final"].id == head.id
    store.add_event(back.id, "state", "submitted", "b")
    assert catalogue.tags("x")["final"].digest == branch.digest


def test_drafts_and_what_is_hidden_are_left_out(store, notes, add):
    catalogue = Catalogue(store, notes)
    draft = add(1, state="draft")
    assert catalogue.tags("x") == {}
    store.add_event(draft.id, "state", "submitted", "a")
    assert catalogue.tags("x")["final"].id == draft.id
    notes.hide(draft.id)
    assert catalogue.tags("x") == {}


def test_a_draft_of_a_model_is_the_original(store, notes, add):
    catalogue = Catalogue(store, notes)
    made = add(1, state="draft", origin="hippocampus@1")
    assert {tag: version.id for tag, version in catalogue.tags("x").items()} == {"original": made.id}


def test_what_another_process_adds_is_seen(store, notes, add, tmp_path):
    catalogue = Catalogue(store, notes)
    assert catalogue.all_tags(["x"]) == {"x": {}}
    with Store.open(tmp_path / "store") as other:
        other.add_version(
            LabelMap(np.ones(GRID.shape, np.uint8), GRID, load_schema("hippocampus")),
            image="x", author="b", origin="manual", meta={"tag": "second"},
        )  # fmt: skip
    assert set(catalogue.tags("x")) == {"second"}
