from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medheart import Geometry, Volume
from medheart.errors import MedHeartError
from medheart.records import LabelVersion, Series, Study
from medheart.schema import load_schema
from medheart.volume import LabelMap
from medheart_models.tasks import load_task
from medheart_models.training.selection import (
    check_enough,
    hold_out_share,
    keep_share,
    select_cases,
    side_of,
)
from medheart_store import Store

TASK = load_task("hippocampus")
HELD_OUT = next(f"P-{n}" for n in range(99) if side_of(f"P-{n}", 0.5) == "held_out")
TRAINED = next(f"P-{n}" for n in range(99) if side_of(f"P-{n}", 0.5) == "training")


@dataclass
class Room:
    """A real store, and short ways to fill it."""

    store: Store
    seeds: dict[str, int] = field(default_factory=dict)

    def image(self, name: str, *, patient: str | None = None, seed: int | None = None, modality: str = "MR") -> str:
        number = len(self.seeds) if seed is None else seed
        self.seeds[name] = number
        array = np.random.default_rng(number).normal(size=(4, 4, 4)).astype(np.float32)
        volume = Volume(array, Geometry.from_parts(shape=(4, 4, 4), spacing=(1, 1, 1)), modality)
        self.store.add_study(Study(f"study-{name}", patient or f"P-{name}", "", ""))
        self.store.add_series(
            Series(name, f"study-{name}", modality, "", "", volume.digest, volume.geometry.to_dict()), volume
        )
        return name

    def label(self, image: str, *, schema: str = "hippocampus", **options: object) -> LabelVersion:
        grid = self.store.volume(image).geometry
        labels = LabelMap(np.ones(grid.shape, np.uint8), grid, load_schema(schema))
        options = {"author": "reader", "origin": "manual", **options}
        return self.store.add_version(labels, image=image, **options)  # type: ignore[arg-type]

    def chosen(self, *, share: float = 0.5, without: tuple[str, ...] = ()) -> list[str]:
        return [case.version for case in select_cases(self.store, TASK, share=share, without=without)]


@pytest.fixture
def room(tmp_path: Path) -> Room:
    with Store.open(tmp_path / "store") as store:
        yield Room(store)


def test_the_side_of_a_patient_is_the_same_for_ever() -> None:
    """These are not computed here: another rule would let a later round be scored on what an earlier one saw."""
    known = {"P-hippocampus_001": "training", "P-3": "training", "P-8": "training", "upload-x": "training"}
    assert {patient: side_of(patient, 0.2) for patient in known} == known
    held_out = [n for n in range(100) if side_of(f"P-{n}", 0.2) == "held_out"]
    assert held_out == [0, 1, 5, 28, 33, 34, 55, 58, 63, 66, 78, 81, 87, 91, 94]


@given(st.text(min_size=1), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_keeps_all_that_a_smaller_one_holds_out(patient: str, one: float, other: float) -> None:
    small, large = sorted((one, other))
    if side_of(patient, small) == "held_out":
        assert side_of(patient, large) == "held_out"


def test_about_as_many_patients_are_held_out_as_asked() -> None:
    assert sum(side_of(f"patient {n}", 0.2) == "held_out" for n in range(5000)) == pytest.approx(1000, rel=0.1)


def test_neither_order_nor_further_cases_change_a_side(room: Room) -> None:
    for name in "abcdef":
        room.label(room.image(name))
    before = {case.image: case.side for case in select_cases(room.store, TASK, share=0.5)}
    for name in ("0", "az", "z"):
        room.label(room.image(name))
    room.label("a", base=room.store.head("a").id)  # type: ignore[union-attr]
    after = {case.image: case.side for case in select_cases(room.store, TASK, share=0.5)}
    assert {image: after[image] for image in before} == before
    assert set(before.values()) == {"training", "held_out"}


def test_a_patient_never_stands_on_both_sides(room: Room) -> None:
    for n in range(12):
        room.label(room.image(f"case-{n}", patient=f"P-{n % 4}"))
    cases = select_cases(room.store, TASK, share=0.5)
    sides = {
        patient: {case.side for case in cases if case.patient == patient} for patient in {c.patient for c in cases}
    }
    assert len(cases) == 12
    assert all(len(found) == 1 for found in sides.values())


def test_an_image_that_came_under_two_pseudonyms_is_not_trained_on_where_one_is_held_out(room: Room) -> None:
    names = [f"u{n}" for n in range(8)]
    held_out = next(name for name in names if side_of(f"P-{name}", 0.5) == "held_out")
    trained = next(name for name in names if side_of(f"P-{name}", 0.5) == "training")
    for name in (held_out, trained):
        room.label(room.image(name, seed=7))
    assert [case.image for case in select_cases(room.store, TASK, share=0.5)] == [held_out]


def test_nor_where_the_one_held_out_is_not_labelled_yet(room: Room) -> None:
    room.image("held-out", patient=HELD_OUT, seed=7)
    room.label(room.image("trained", patient=TRAINED, seed=7))
    assert room.chosen() == []
    later = room.label("held-out")
    assert room.chosen() == [later.id]


def test_what_a_model_made_is_no_truth_to_score_on_even_approved(room: Room) -> None:
    approved = room.label(room.image("a", patient=HELD_OUT), origin="hippocampus@1")
    room.store.add_event(approved.id, "state", "approved", "reviewer")
    assert room.chosen() == []
    edited = room.label("a", origin="edited", base=approved.id)
    assert room.chosen() == [edited.id]


def test_a_case_says_whether_its_label_began_with_a_model(room: Room) -> None:
    for name in ("a", "b"):
        room.image(name, patient=HELD_OUT)
    room.label("a")
    first = room.label("b", origin="hippocampus@1")
    second = room.label("b", origin="edited", base=first.id)
    room.label("b", origin="edited", base=second.id)
    cases = select_cases(room.store, TASK, share=0.5)
    assert {case.image: case.from_model for case in cases} == {"a": False, "b": True}
    assert cases[1].to_dict()["from_model"] is True


def test_drafts_and_what_a_model_made_are_not_used(room: Room) -> None:
    room.label(room.image("draft"), state="draft")
    room.label(room.image("automatic"), origin="hippocampus@1")
    room.label(room.image("automatic-draft"), origin="hippocampus@1", state="draft")
    room.label(room.image("other-organ"), schema="lung-nodule")
    assert room.chosen() == []
    approved = room.label(room.image("approved", patient=TRAINED), origin="hippocampus@1")
    room.store.add_event(approved.id, "state", "approved", "reviewer")
    manual = room.label(room.image("manual"))
    assert set(room.chosen()) == {approved.id, manual.id}


@pytest.mark.parametrize("state", ["returned", "flagged"])
def test_a_label_that_was_sent_back_is_not_used_nor_an_older_one_instead(room: Room, state: str) -> None:
    first = room.label(room.image("a"))
    second = room.label("a", base=first.id)
    assert room.chosen() == [second.id]
    room.store.add_event(second.id, "state", state, "reviewer")
    assert room.chosen() == []


def test_the_newest_submitted_label_is_used_beside_drafts_and_later_predictions(room: Room) -> None:
    first = room.label(room.image("a"))
    room.label("a", origin="hippocampus@1")
    room.label("a", base=first.id, state="draft")
    assert room.chosen() == [first.id]
    edited = room.label("a", base=first.id, origin="edited")
    assert room.chosen() == [edited.id]


def test_a_persons_branch_is_used_where_the_head_is_a_models(room: Room) -> None:
    room.label(room.image("a"), origin="hippocampus@1")
    branch = room.label("a")
    assert room.store.head("a").id != branch.id  # type: ignore[union-attr]
    assert room.chosen() == [branch.id]


def test_what_clients_deleted_and_other_modalities_are_left_out(room: Room) -> None:
    for name in "ab":
        room.label(room.image(name))
    room.label(room.image("ct", modality="CT"))
    (kept,) = room.chosen(without=("a",))
    assert room.store.version(kept).image == "b"
    assert room.chosen(without=("a", kept)) == []


def test_too_few_cases_say_how_many_there_are_and_how_many_are_needed(room: Room) -> None:
    with pytest.raises(MedHeartError, match=r"0 to train on and 0 held out.*at least 3 and 1") as caught:
        check_enough([], TASK, share=0.2)
    assert caught.value.code == "too_few_cases"
    for n in range(8):
        room.label(room.image(f"u{n}"))
    cases = select_cases(room.store, TASK, share=0.5)
    check_enough(cases, TASK, share=0.5)
    with pytest.raises(MedHeartError) as caught:
        check_enough([replace(case, side="training") for case in cases], TASK, share=0.5)
    assert caught.value.details == {"training": 8, "held_out": 0, "needed": {"training": 3, "held_out": 1}}


def test_the_first_training_fixes_the_share(tmp_path: Path) -> None:
    folder = tmp_path / "training"
    assert hold_out_share(folder) == 0.2
    assert hold_out_share(folder, 0.4) == 0.4
    keep_share(folder, 0.4)
    keep_share(folder, 0.4)
    assert hold_out_share(folder) == 0.4
    with pytest.raises(MedHeartError, match=r"val_split is fixed at 0\.4.*got 0\.3"):
        hold_out_share(folder, 0.3)
    with pytest.raises(MedHeartError, match=r"fixed"):
        keep_share(folder, 0.3)
    assert [json.loads(path.read_text()) for path in folder.iterdir()] == [{"share": 0.4}]
