"""Which images a task may read, on real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medheart import Geometry, Volume
from medheart.errors import TaskError
from medheart.task import Task
from medheart_io import read_image
from medheart_models.facts import AeratedLung, SeriesFacts
from medheart_models.fit import check_facts, check_fit, choose_task
from medheart_models.reasons import Reason
from medheart_models.tasks import load_task

Data = Callable[[str], Path]


def facts_of(path: Path, **stated: str) -> SeriesFacts:
    volume = read_image(path)
    return SeriesFacts.from_volume(path.name, volume.restated(modality=stated.pop("modality", ""), meta={**stated}))


def codes(reasons: tuple[Reason, ...]) -> set[str]:
    return {reason.code for reason in reasons}


def chest(**changes: object) -> SeriesFacts:
    """A chest CT that the lung task takes."""
    geometry = Geometry.from_parts(shape=(150, 200, 200), spacing=(1.8, 1.8, 2.0))
    facts = SeriesFacts("ct", geometry, "CT", "CHEST", "thorax 2.0", 2.0, True, AeratedLung(4000, 250))
    return replace(facts, **changes)  # type: ignore[arg-type]


def head(name: str, description: str, **changes: object) -> SeriesFacts:
    """A head MR of one sequence."""
    geometry = Geometry.from_parts(shape=(150, 180, 160), spacing=(1, 1, 1))
    facts = SeriesFacts(name, geometry, "MR", "HEAD", description, 1.0, hounsfield=False)
    return replace(facts, **changes)  # type: ignore[arg-type]


# Real images: what is chosen, and what is not.


@pytest.mark.parametrize("name", ["4dlung_p113_ct", "lidc_0314_ct"])
def test_a_chest_ct_is_known_by_its_lungs(test_data: Data, name: str) -> None:
    choice = choose_task([facts_of(test_data(f"ct/lung/{name}.nii.gz"))])
    assert choice.task is not None
    assert choice.task.id == "lung-nodule"
    assert choice.inputs == {"image": f"{name}.nii.gz"}
    assert codes(choice.reasons) == {"chosen", "lung_found"}
    assert codes(choice.warnings) == {"modality_unknown", "body_part_unknown"}


@pytest.mark.parametrize(
    "name",
    [
        "ct/abdomen/crlm_1004_ct.nii.gz",
        "ct/totalseg_example/example_ct.nii.gz",
        "ct/sts_tumour_2mm/STS_022_ct.nii.gz",
        "ct/sts_tumour_2mm/STS_001_ct.nii.gz",
        "multimodal/STS_008/PET_image.nii.gz",
        "multimodal/STS_008/MR_T1_image.nii.gz",
        "mr/ms_lesion/patient07_FLAIR.nii.gz",
        "mr/spine_sct/t2/t2.nii.gz",
        "not_patient/mouse_ct/129S1_SVLMJ_.nii.gz",
        "not_patient/iguana_ct.nii.gz",
        "odd_volumes/avg152T1_RL_nifti.nii.gz",
    ],
)
def test_for_other_images_no_task_is_chosen_and_each_says_why(test_data: Data, name: str) -> None:
    choice = choose_task([facts_of(test_data(name))])
    assert not choice
    assert choice.task is None
    assert set(choice.refused) >= {"brain-tumour", "hippocampus", "lung-nodule"}
    assert all(str(reason) and reason.text("zh") for reasons in choice.refused.values() for reason in reasons)


def test_a_thin_abdomen_with_lung_bases_is_no_chest(test_data: Data) -> None:
    facts = facts_of(test_data("ct/abdomen/crlm_1004_ct.nii.gz"))
    thin = replace(facts, geometry=chest().geometry)
    assert codes(choose_task([thin]).refused["lung-nodule"]) == {"lung_missing"}


def test_a_hippocampus_crop_is_taken_by_its_name(test_data: Data) -> None:
    path = test_data("mr/hippocampus/images/hippocampus_001.nii.gz")
    choice = choose_task([facts_of(path)])
    assert choice.task is not None
    assert choice.task.id == "hippocampus"
    nameless = replace(facts_of(path), id="1")
    assert codes(choose_task([nameless]).refused["hippocampus"]) == {"nothing_known"}
    assert codes(choose_task([replace(nameless, modality="MR")]).refused["hippocampus"]) == {"nothing_known"}
    assert choose_task([replace(nameless, modality="MR", body_part="HEAD")])
    assert choose_task([nameless], [load_task("hippocampus")], named=True), "a person named the task"
    assert choose_task([replace(nameless, description="左侧海马_01")]), "a Chinese word needs no spaces around it"
    assert choose_task([replace(nameless, modality="MR", description="HippoCrop")]), "the name of a real series"


def test_the_hippocampus_task_refuses_a_whole_head(test_data: Data) -> None:
    head = read_image(test_data("mr/brats2013/brats_2013_pat0005_1_t1c.nii.gz"))
    with pytest.raises(TaskError, match="field of view is 141 mm from left to right, hippocampus takes at most 70 mm"):
        check_fit(load_task("hippocampus"), [head.restated(modality="MR", meta={"body_part": "HEAD"})])


def test_without_a_known_orientation_no_direction_is_named() -> None:
    grid = Geometry.from_parts(shape=(141, 169, 138), spacing=(1, 1, 1))
    meta = {"body_part": "HEAD", "warnings": ["orientation-assumed"]}
    volume = Volume(np.zeros(grid.shape, np.int16), grid, "MR", meta)
    with pytest.raises(TaskError) as caught:
        check_fit(load_task("hippocampus"), [volume])
    for reason in caught.value.details["reasons"]:
        words = " ".join(reason["text"].values())
        assert not any(word in words for word in ("left", "front", "head", "左右", "前后", "头足")), words
    assert "138 mm along its first axis" in caught.value.message
    assert "第三轴方向" in caught.value.details["reasons"][2]["text"]["zh"]


def test_a_tumour_study_gives_each_sequence_its_role(test_data: Data) -> None:
    series = [
        facts_of(test_data(f"mr/brats2013/brats_2013_pat0005_1_{name}.nii.gz"), modality="MR", body_part="HEAD")
        for name in ("t1c", "flair")
    ]
    choice = choose_task([*series, chest()])
    assert choice.task is not None
    assert choice.task.id == "brain-tumour"
    assert choice.inputs == {"flair": "brats_2013_pat0005_1_flair.nii.gz", "t1c": "brats_2013_pat0005_1_t1c.nii.gz"}
    assert choice.warnings == ()
    assert "modality MR, HEAD, 141 × 169 × 138 mm" in str(choice.reasons[0])


# Single facts, on series that differ in one of them.


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"modality": "PT"}, "modality"),
        ({"modality": "", "hounsfield": False}, "not_hounsfield"),
        ({"body_part": "ABDOMEN"}, "body_part"),
        ({"body_part": "", "lung": AeratedLung(300, 60)}, "lung_missing"),
        ({"geometry": Geometry.from_parts(shape=(30, 200, 200), spacing=(1.8, 1.8, 2.0))}, "field_of_view_small"),
        ({"geometry": Geometry.from_parts(shape=(600, 200, 200), spacing=(1.8, 1.8, 2.0))}, "field_of_view_large"),
        ({"slice_thickness_mm": 5.0}, "slice_thickness"),
        ({"geometry": Geometry.from_parts(shape=(60, 200, 200), spacing=(1.8, 1.8, 5.0))}, "slice_thickness"),
    ],
)
def test_each_mismatch_has_its_reason(change: dict[str, object], code: str) -> None:
    task = load_task("lung-nodule")
    assert check_facts(task, [chest()]) == []
    with pytest.raises(TaskError) as caught:
        check_facts(task, [chest(**change)])
    assert [reason["code"] for reason in caught.value.details["reasons"]] == [code]
    assert caught.value.code == "task_unfit"
    assert codes(choose_task([chest(**change)], [task]).refused["lung-nodule"]) == {code}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"modality": ""}, "modality_unknown"),
        ({"body_part": ""}, "body_part_unknown"),
        ({"lung": AeratedLung(300, 60)}, "lung_missing"),
    ],
)
def test_what_is_not_known_is_a_warning(change: dict[str, object], code: str) -> None:
    assert [reason.code for reason in check_facts(load_task("lung-nodule"), [chest(**change)])] == [code]


def test_the_field_of_view_is_measured_along_the_patient() -> None:
    sagittal = np.array([[0, 0, 1], [1, 0, 0], [0, -1, 0]], float)
    facts = replace(chest(), geometry=Geometry.from_parts(shape=(10, 20, 30), spacing=(1, 2, 3), direction=sagittal))
    assert facts.extent_mm == (30, 30, 40)
    assert facts.thickest_mm == 3


def test_swapped_sequences_are_refused_and_unnamed_ones_reported() -> None:
    task = load_task("brain-tumour")
    flair, t1c = head("a", "AX T2 FLAIR"), head("b", "ax_T1C")
    assert check_facts(task, [flair, t1c]) == []
    with pytest.raises(TaskError, match="its description says flair, t2, input t1c of brain-tumour is"):
        check_facts(task, [t1c, flair])
    unnamed = [replace(flair, description=""), t1c]
    assert [reason.code for reason in check_facts(task, unnamed)] == ["sequence_unknown"]


@pytest.mark.parametrize("name", ["Ax T1 FLAIR", "flair t1", "FLAIR_T1W", "轴位T1加权FLAIR"])
def test_a_t1_weighted_flair_is_not_the_flair_of_a_tumour(name: str) -> None:
    t1c = head("c", "Ax T1C")
    refused = choose_task([head("a", name), t1c]).refused["brain-tumour"]
    assert codes(refused) == {"sequence_excluded"}
    assert "its description says t1" in str(refused[0])
    with pytest.raises(TaskError, match="such an image is not input flair of brain-tumour"):
        check_facts(load_task("brain-tumour"), [head("a", name), t1c])
    thick = Geometry.from_parts(shape=(30, 180, 160), spacing=(1, 1, 5))
    choice = choose_task([head("a", name), head("b", "轴位T2 FLAIR", geometry=thick), t1c])
    assert choice.inputs == {"flair": "b", "t1c": "c"}


def test_a_t2_of_the_hippocampus_is_no_t1() -> None:
    crop = Geometry.from_parts(shape=(40, 50, 40), spacing=(1, 1, 1))
    task = load_task("hippocampus")
    assert choose_task([head("a", "hippocampus", geometry=crop)], [task])
    refused = choose_task([head("a", "hippocampus T2 cor", geometry=crop)], [task]).refused["hippocampus"]
    assert codes(refused) == {"sequence_excluded"}


@pytest.mark.parametrize("description", ["3D cartilage", "T1 TSE sag", ""])
def test_a_small_mr_of_an_unknown_part_of_the_body_is_no_hippocampus(description: str) -> None:
    small = Geometry.from_parts(shape=(60, 64, 60), spacing=(1, 1, 1))
    knee = head("a", description, geometry=small, body_part="")
    assert codes(choose_task([knee]).refused["hippocampus"]) == {"nothing_known"}
    assert choose_task([knee], [load_task("hippocampus")], named=True)


def test_a_plain_t1_is_no_t1_with_contrast() -> None:
    series = [head("a", "t2 flair"), head("b", "t1 mprage sag"), head("c", "t2 tse")]
    refused = choose_task(series).refused["brain-tumour"]
    assert codes(refused) == {"role_missing"}
    assert "is t1c" in str(refused[0])


def test_images_of_different_places_are_refused() -> None:
    elsewhere = Geometry.from_parts(shape=(150, 180, 160), spacing=(1, 1, 1), origin=(0, 0, 900))
    series = [head("a", "flair"), head("b", "t1c", geometry=elsewhere)]
    assert codes(choose_task(series).refused["brain-tumour"]) == {"apart"}


def test_of_several_series_that_fit_one_is_named_with_its_reason() -> None:
    fine = Geometry.from_parts(shape=(300, 200, 200), spacing=(1.8, 1.8, 1.0))
    choice = choose_task([chest(), chest(id="thin", geometry=fine)], [load_task("lung-nodule")])
    assert choice.inputs == {"image": "thin"}
    assert "2 series fit image; thin was taken" in " ".join(map(str, choice.reasons))


def test_no_series_and_a_wrong_number_of_images() -> None:
    assert codes(choose_task([]).refused["hippocampus"]) == {"no_series"}
    with pytest.raises(TaskError, match=r"needs 2 images \(flair, t1c\), got 1"):
        check_facts(load_task("brain-tumour"), [head("a", "flair")])


def test_the_task_type_carries_fit() -> None:
    assert isinstance(load_task("lung-nodule"), Task)
    assert load_task("lung-nodule").fit["aerated_lung"] == {"minimum_ml": 1000.0, "minimum_height_mm": 180.0}
