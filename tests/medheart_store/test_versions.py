"""Label versions: what is kept, what is refused, what comes back."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medheart.errors import Conflict, Corrupt, GeometryError, MedHeartError, NotFound, SchemaError, StoreError
from medheart.geometry import Geometry
from medheart.records import Series, Study
from medheart.schema import LabelSchema
from medheart.volume import LabelMap, Volume
from medheart_store import Store

Make = Callable[..., LabelMap]
LIVER = (5, 30, 4, 20, 3, 25, 1)
TUMOUR = (10, 14, 8, 12, 8, 12, 7)


def _add(store: Store, labels: LabelMap, **options: object):
    return store.add_version(labels, **{"image": "image-1", "author": "ann", "origin": "manual", **options})


def test_version_comes_back_as_it_went_in(store: Store, label: Make, volume: Volume) -> None:
    labels = label(LIVER, TUMOUR)
    version = _add(store, labels, note="first", meta={"seed": 4})
    back = store.labels(version.id)
    assert np.array_equal(back.array, labels.array)
    assert back.geometry == labels.geometry
    assert back.schema == labels.schema
    assert back.digest == labels.digest == version.digest
    assert version.number == 1
    assert version.parents == ()
    assert version.image_digest == volume.digest
    assert version.counts == labels.counts == {1: 25 * 16 * 22 - 64, 7: 64}
    assert (version.author, version.origin, version.note, version.meta) == ("ann", "manual", "first", {"seed": 4})
    assert version.schema_id == "liver-tumour"
    assert store.version(version.id) == store.head("image-1") == store.versions("image-1")[0] == version


def test_empty_label_is_a_version_too(store: Store, label: Make) -> None:
    version = _add(store, label())
    assert store.labels(version.id).counts == {}


def test_wide_array_costs_nothing_more(store: Store, label: Make, tmp_path: Path) -> None:
    first = _add(store, label(LIVER, TUMOUR))
    packs = sorted((tmp_path / "store").rglob("packs/*"))
    second = _add(store, label(LIVER, TUMOUR, dtype=np.uint32), base=first.id)
    assert second.digest == first.digest
    assert sorted((tmp_path / "store").rglob("packs/*")) == packs


def test_small_edit_stores_only_its_chunk(store: Store, label: Make, tmp_path: Path) -> None:
    first = _add(store, label(LIVER))
    before = set((tmp_path / "store").rglob("packs/*"))
    _add(store, label(LIVER, TUMOUR), base=first.id)
    (new,) = set((tmp_path / "store").rglob("packs/*")) - before
    assert new.stat().st_size < 400


def test_grid_of_another_image_is_refused(store: Store, label: Make, geometry: Geometry) -> None:
    moved = Geometry.from_parts(
        shape=geometry.shape, spacing=geometry.spacing, origin=geometry.origin + 0.01, direction=geometry.direction
    )
    with pytest.raises(GeometryError, match=r"image-1.*shape.*origin"):
        _add(store, replace(label(LIVER), geometry=moved))
    assert store.versions("image-1") == []


def test_grid_within_rounding_is_taken_as_the_image_grid(store: Store, label: Make, geometry: Geometry) -> None:
    rounded = Geometry(geometry.shape, geometry.affine.round(5))
    assert rounded != geometry
    version = _add(store, replace(label(LIVER), geometry=rounded))
    assert store.labels(version.id).geometry == geometry


def test_another_schema_is_refused_on_a_base_and_is_a_line_of_its_own_without(
    store: Store, label: Make, schema: LabelSchema
) -> None:
    first = _add(store, label(LIVER))
    renamed = replace(schema, labels=(replace(schema.labels[0], name="spleen"), schema.labels[1]))
    with pytest.raises(SchemaError, match=r"\[1\]") as caught:
        _add(store, replace(label(LIVER), schema=renamed), base=first.id)
    assert caught.value.details["differing"] == [1]
    other = _add(store, replace(label(LIVER), schema=replace(schema, id="other")))
    assert store.head("image-1", schema_id="liver-tumour") == first
    assert store.head("image-1", schema_id="other") == store.head("image-1") == other


def test_old_version_keeps_the_schema_it_was_made_with(store: Store, label: Make, schema: LabelSchema) -> None:
    first = _add(store, label(LIVER))
    grown = replace(schema, version="2", labels=(*schema.labels, replace(schema.labels[0], value=9, name="vein")))
    second = _add(store, replace(label(LIVER), schema=grown), base=first.id)
    assert store.labels(first.id).schema == schema
    assert store.labels(second.id).schema == grown


def test_moved_head_is_a_conflict_with_both_sides(store: Store, label: Make) -> None:
    base = _add(store, label(LIVER))
    head = _add(store, label(LIVER, TUMOUR), base=base.id, expect_head=True)
    mine = label(LIVER, (33, 36, 30, 33, 30, 33, 7))
    with pytest.raises(Conflict, match=r"version 1.*version 2") as caught:
        _add(store, mine, base=base.id, expect_head=True, author="bob")
    details = caught.value.details
    assert details["base"] == base.to_dict()
    assert details["head"] == head.to_dict()
    assert details["head_changes"] == {"box": [[10, 14], [8, 12], [8, 12]], "chunks": [0]}
    assert details["submitted_changes"]["box"] == [[33, 36], [30, 33], [30, 33]]
    assert details["overlapping_chunks"] == []
    assert [version.number for version in store.versions("image-1")] == [1, 2]


def test_without_expecting_the_head_a_late_submit_is_a_branch_and_a_merge_moves_the_head(
    store: Store, label: Make
) -> None:
    base = _add(store, label(LIVER))
    head = _add(store, label(LIVER, TUMOUR), base=base.id)
    branch = _add(store, label(), base=base.id)
    assert store.head("image-1") == head
    merge = _add(store, label(TUMOUR), parents=(head.id, branch.id))
    assert merge.parents == (head.id, branch.id)
    assert store.head("image-1") == merge
    assert [version.number for version in store.lineage(merge.id)] == [4, 3, 2, 1]
    assert [version.number for version in store.lineage(branch.id)] == [3, 1]


@pytest.mark.parametrize("parents", [("a", "b", "c"), ("a", "a")])
def test_impossible_parents_are_refused(store: Store, label: Make, parents: tuple[str, ...]) -> None:
    with pytest.raises(StoreError, match="at most two different parents"):
        _add(store, label(LIVER), parents=parents)


def test_parent_of_another_image_is_refused(store: Store, label: Make, volume: Volume) -> None:
    store.add_series(Series("image-2", "study-1", "CT", "", "", "", {}), volume)
    other = _add(store, label(LIVER), image="image-2")
    with pytest.raises(StoreError, match="is of image 'image-2', not of 'image-1'"):
        _add(store, label(LIVER), base=other.id)
    with pytest.raises(StoreError, match="different images"):
        store.diff(other.id, _add(store, label(LIVER)).id)


def test_unknown_ids_are_not_found(store: Store, label: Make) -> None:
    for call in (
        lambda: store.version("none"),
        lambda: store.labels("none"),
        lambda: store.versions("none"),
        lambda: store.head("none"),
        lambda: store.restore("none", author="ann"),
        lambda: store.add_event("none", "note", "x", "ann"),
        lambda: _add(store, label(LIVER), image="none"),
        lambda: _add(store, label(LIVER), base="none"),
    ):
        with pytest.raises(NotFound, match="'none'"):
            call()


def test_same_key_is_the_same_version(store: Store, label: Make) -> None:
    first = _add(store, label(LIVER), key="job-1/step-2")
    assert _add(store, label(LIVER), key="job-1/step-2") == first
    assert len(store.versions("image-1")) == 1


def test_what_a_model_made_is_shown_until_a_person_submits(store: Store, label: Make, schema: LabelSchema) -> None:
    assert store.current("image-1") is None
    _add(store, label(LIVER), state="draft", author="bob")
    assert store.current("image-1") is None, "what a person has not submitted is theirs"
    made = _add(store, label(LIVER), state="draft", origin="liver@1")
    again = _add(store, label(LIVER, TUMOUR), state="draft", origin="liver@2", base=made.id)
    assert store.current("image-1") == again
    assert store.head("image-1") is None
    edited = _add(store, label(TUMOUR), origin="edited", base=again.id, expect_head=True)
    assert store.current("image-1") == store.head("image-1") == edited
    _add(store, label(LIVER), state="draft", origin="liver@2")
    assert store.current("image-1") == edited, "a model takes no label's place"
    other = _add(store, replace(label(LIVER), schema=replace(schema, id="other")), state="draft", origin="other@1")
    assert store.shown("image-1") == [edited, other], "of another schema it is the only one"
    assert store.current("image-1") == edited, "what a person submitted comes before it"
    assert store.current("image-1", schema_id="other") == other


def test_a_draft_is_submitted_before_it_is_returned(store: Store, label: Make) -> None:
    made = _add(store, label(LIVER), state="draft", origin="liver@1")
    for state in ("returned", "flagged"):
        with pytest.raises(StoreError, match="submit it"):
            store.add_event(made.id, "state", state, "bob")
    assert store.head("image-1") is None
    store.add_event(made.id, "state", "approved", "bob")
    assert store.head("image-1").id == made.id


def test_a_label_made_on_a_merge_that_is_a_draft_follows_the_head_that_it_merged(store: Store, label: Make) -> None:
    head = _add(store, label(LIVER))
    branch = _add(store, label(TUMOUR))
    merge = _add(store, label(LIVER, TUMOUR), parents=[branch.id, head.id], state="draft")
    done = _add(store, label(LIVER, TUMOUR), base=merge.id)
    assert store.head("image-1") == done


def test_drafts_do_not_move_the_head_until_submitted(store: Store, label: Make) -> None:
    first = _add(store, label(LIVER))
    draft = _add(store, label(TUMOUR), base=first.id, state="draft")
    again = _add(store, label(LIVER, TUMOUR), base=draft.id, state="draft", expect_head=True)
    assert store.head("image-1") == first
    store.add_event(again.id, "state", "submitted", "ann")
    assert store.head("image-1").id == again.id
    late = store.add_event(draft.id, "state", "submitted", "ann")
    assert late.value == "submitted"
    assert store.head("image-1").id == again.id


def test_states_and_notes_are_appended(store: Store, label: Make) -> None:
    version = _add(store, label(LIVER))
    store.add_event(version.id, "note", "vein is missing", "bob")
    store.add_event(version.id, "state", "returned", "bob")
    store.add_event(version.id, "state", "approved", "eve")
    assert [(e.kind, e.value, e.author) for e in store.events(version.id)] == [
        ("state", "submitted", "ann"),
        ("note", "vein is missing", "bob"),
        ("state", "returned", "bob"),
        ("state", "approved", "eve"),
    ]
    assert store.version(version.id).state == "approved"
    assert store.version(version.id).note == ""


def test_events_that_make_no_sense_are_refused(store: Store, label: Make) -> None:
    version = _add(store, label(LIVER))
    for kind, value in (("state", "great"), ("state", "draft"), ("verdict", "approved")):
        with pytest.raises(StoreError):
            store.add_event(version.id, kind, value, "ann")
    assert len(store.events(version.id)) == 1


def test_restore_makes_a_draft_with_the_old_content(store: Store, label: Make, tmp_path: Path) -> None:
    first = _add(store, label(LIVER), origin="lung@1.0.0")
    second = _add(store, label(TUMOUR), base=first.id, origin="edited")
    packs = sorted((tmp_path / "store").rglob("packs/*"))
    back = store.restore(first.id, author="bob", note="second was wrong")
    assert back.parents == (second.id,)
    assert (back.number, back.digest, back.origin, back.author) == (3, first.digest, "lung@1.0.0", "bob")
    assert back.meta["restored"] == first.id
    assert (back.state, store.head("image-1")) == ("draft", second)
    store.add_event(back.id, "state", "submitted", "bob")
    assert store.head("image-1").id == back.id
    assert np.array_equal(store.labels(back.id).array, store.labels(first.id).array)
    assert sorted((tmp_path / "store").rglob("packs/*")) == packs


def test_restoring_a_branch_names_it_as_parent(store: Store, label: Make) -> None:
    first = _add(store, label(LIVER))
    branch = _add(store, label(TUMOUR))
    assert store.restore(branch.id, author="ann").parents == (first.id, branch.id)


def test_diff_counts_what_changed(store: Store, label: Make) -> None:
    a = _add(store, label(LIVER))
    b = _add(store, label(LIVER, TUMOUR, (38, 40, 32, 34, 31, 33, 1)), base=a.id)
    diff = store.diff(a.id, b.id)
    assert diff.changed == 64 + 8
    assert diff.transitions == {(1, 7): 64, (0, 1): 8}
    assert diff.box == ((10, 40), (8, 34), (8, 33))
    assert diff.dice[1] == pytest.approx(2 * (8800 - 64) / (8800 + 8744))
    assert diff.dice[7] == 0
    assert store.diff(b.id, b.id).to_dict() == {
        "a": b.id, "b": b.id, "changed": 0, "transitions": [], "box": None, "dice": {"1": 1.0, "7": 1.0},
    }  # fmt: skip


def test_forty_edits_pass_a_full_manifest_and_all_stay_readable(store: Store, label: Make) -> None:
    version = _add(store, label(LIVER))
    made = [version]
    for n in range(40):
        made.append(_add(store, label(LIVER, (n % 38, n % 38 + 2, 1, 9, 1, 9, 7)), base=made[-1].id))
    for n in (0, 30, 31, 32, 33, 39):
        expected = label(LIVER, (n % 38, n % 38 + 2, 1, 9, 1, 9, 7))
        assert np.array_equal(store.labels(made[n + 1].id).array, expected.array)
    assert store.head("image-1").number == 41


@pytest.mark.parametrize("kind", ["packs", "manifests"])
def test_a_changed_byte_is_found(store: Store, label: Make, tmp_path: Path, kind: str) -> None:
    version = _add(store, label(LIVER, TUMOUR))
    (path,) = (tmp_path / "store").rglob(f"{kind}/*")
    data = path.read_bytes()
    for at in (0, 11, len(data) // 3):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(Corrupt):
            store.labels(version.id)
    path.write_bytes(data[: len(data) // 3])
    with pytest.raises(Corrupt):
        store.labels(version.id)
    path.unlink()
    with pytest.raises(Corrupt, match="missing"):
        store.labels(version.id)
    path.write_bytes(data)
    assert store.labels(version.id).counts == version.counts


def test_no_chunk_is_shared_across_patients_or_tenants(
    store: Store, label: Make, volume: Volume, tmp_path: Path
) -> None:
    _add(store, label(LIVER))
    store.add_study(Study("study-2", "pseudo-2", "", ""))
    store.add_series(Series("image-2", "study-2", "CT", "", "", "", {}), volume)
    _add(store, label(LIVER), image="image-2")
    with Store.open(tmp_path / "store", tenant="elsewhere") as other:
        assert other.studies() == []
        with pytest.raises(NotFound):
            other.versions("image-1")
        other.add_study(Study("study-1", "pseudo-1", "", ""))
        other.add_series(Series("image-1", "study-1", "CT", "", "", "", {}), volume)
        _add(other, label(LIVER))
        assert len(other.versions("image-1")) == 1
    assert len(list((tmp_path / "store").rglob("packs/*"))) == 3
    assert len(list((tmp_path / "store").rglob("images/*"))) == 3
    assert len(store.versions("image-1")) == 1


def test_meta_that_is_not_json_is_refused(store: Store, label: Make) -> None:
    with pytest.raises(MedHeartError, match="not JSON serializable"):
        _add(store, label(LIVER), meta={"array": np.zeros(3)})
    assert store.versions("image-1") == []


def _submit_five(folder: Path, author: str, array: np.ndarray) -> None:
    with Store.open(folder) as store:
        first = store.labels(store.head("image-1").id)
        done = 0
        while done < 5:
            head = store.head("image-1")
            try:
                store.add_version(
                    first.with_array(array), image="image-1", author=author, origin="edited",
                    base=head.id, expect_head=True, note=f"{done}",
                )  # fmt: skip
            except Conflict:
                continue
            done += 1


def test_eight_writers_of_one_image_lose_nothing(store: Store, label: Make, tmp_path: Path) -> None:
    _add(store, label(LIVER))
    store.close()
    context = multiprocessing.get_context("fork")
    arrays = [label((n, n + 4, 0, 8, 0, 8, 7)).array for n in range(8)]
    writers = [
        context.Process(target=_submit_five, args=(tmp_path / "store", f"writer-{n}", arrays[n])) for n in range(8)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 8
    versions = store.versions("image-1")
    assert [version.number for version in versions] == list(range(1, 42))
    assert len({(version.author, version.note) for version in versions[1:]}) == 40
    assert len(store.lineage(store.head("image-1").id)) == 41
    for version in versions[1:]:
        assert np.array_equal(store.labels(version.id).array, arrays[int(version.author[-1])])
