"""The store against a dict: any order of submits, branches, restores, events and reopenings."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import medheart_store
from medheart.errors import Conflict
from medheart.geometry import Geometry
from medheart.records import Series, Study
from medheart.schema import Code, LabelClass, LabelSchema
from medheart.volume import LabelMap, Volume
from medheart_store import Store

SHAPE = (33, 20, 34)
CODE = Code("SCT", "10200004", "Liver")
SCHEMA = LabelSchema(
    "two", "1", tuple(LabelClass(v, f"label{v}", {"en": str(v)}, CODE, CODE, (v, 0, 0)) for v in (1, 7))
)
GRID = Geometry.from_parts(shape=SHAPE, spacing=(1, 1, 2))

edits = st.tuples(*(st.integers(0, size - 1) for size in SHAPE), st.integers(1, 34), st.sampled_from([0, 1, 7]))


def test_public_names_are_there() -> None:
    assert medheart_store.__all__ == sorted(medheart_store.__all__)
    assert all(hasattr(medheart_store, name) for name in medheart_store.__all__)


@dataclass
class Kept:
    """What the model knows of a version."""

    id: str
    array: np.ndarray
    parents: tuple[str, ...]
    state: str = "submitted"


class StoreMachine(RuleBasedStateMachine):
    """Versions of one image."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="medheart-test-"))
        self.store = Store.open(self.folder)
        self.store.add_study(Study("study", "patient", "", ""))
        self.store.add_series(Series("image", "study", "CT", "", "", "", {}), Volume(np.zeros(SHAPE, "i2"), GRID))
        self.kept: list[Kept] = []
        self.head: str | None = None

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    def _head(self) -> str | None:
        head = self.store.head("image")
        return head.id if head else None

    def _submit(self, array: np.ndarray, **options: Any) -> Kept:
        version = self.store.add_version(
            LabelMap(array, GRID, SCHEMA), image="image", author="ann", origin="manual", **options
        )
        assert version.number == len(self.kept) + 1
        kept = Kept(version.id, array, version.parents)
        self.kept.append(kept)
        return kept

    @rule(edit=edits)
    def first_or_branch(self, edit: tuple[int, ...]) -> None:
        kept = self._submit(_edited(np.zeros(SHAPE, np.uint8), edit))
        self.head = self.head or kept.id

    @precondition(lambda self: self.kept)
    @rule(data=st.data(), edit=edits, expect_head=st.booleans())
    def on_a_base(self, data: st.DataObject, edit: tuple[int, ...], expect_head: bool) -> None:
        base = data.draw(st.sampled_from(self.kept))
        array = _edited(base.array, edit)
        if expect_head and base.id != self.head:
            try:
                self._submit(array, base=base.id, expect_head=True)
            except Conflict as conflict:
                assert conflict.details["head"]["id"] == self.head
                return
            raise AssertionError("a submit on an old base was taken as head")
        kept = self._submit(array, base=base.id, expect_head=expect_head)
        assert kept.parents == (base.id,)
        if base.id == self.head:
            self.head = kept.id

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        old = data.draw(st.sampled_from(self.kept))
        version = self.store.restore(old.id, author="bob")
        assert version.parents[0] == self.head
        assert (version.state, self._head()) == ("draft", self.head)
        self.store.add_event(version.id, "state", "submitted", "bob")
        self.kept.append(Kept(version.id, old.array, version.parents))
        self.head = version.id

    @precondition(lambda self: self.kept)
    @rule(data=st.data(), state=st.sampled_from(["returned", "approved", "flagged"]))
    def event(self, data: st.DataObject, state: str) -> None:
        kept = data.draw(st.sampled_from(self.kept))
        self.store.add_event(kept.id, "state", state, "eve")
        kept.state = state

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def read_and_compare(self, data: st.DataObject) -> None:
        a, b = (data.draw(st.sampled_from(self.kept)) for _ in range(2))
        assert np.array_equal(self.store.labels(a.id).array, a.array)
        diff = self.store.diff(a.id, b.id)
        where = np.argwhere(a.array != b.array)
        assert diff.changed == len(where)
        box = tuple(zip(where.min(0), where.max(0) + 1, strict=True)) if len(where) else None
        assert diff.box == box
        for value, dice in diff.dice.items():
            one, two = a.array == value, b.array == value
            assert np.isclose(dice, 2 * (one & two).sum() / (one.sum() + two.sum()))

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = Store.open(self.folder)

    @invariant()
    def list_agrees(self) -> None:
        if not hasattr(self, "store"):
            return
        found = self.store.versions("image")
        assert [(v.id, v.parents, v.state, v.number) for v in found] == [
            (kept.id, kept.parents, kept.state, n + 1) for n, kept in enumerate(self.kept)
        ]
        assert self._head() == self.head


def _edited(array: np.ndarray, edit: tuple[int, ...]) -> np.ndarray:
    k, j, i, side, value = edit
    array = array.copy()
    array[k : k + side, j : j + side, i : i + side] = value
    return array


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(
    max_examples=12, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
