"""The logic on a real scene, against a real HTTP server that speaks MONAI Label's wire format."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from label_server import LABELS, Server

from medheart.client import LabelServer, Progress
from medheart.errors import Cancelled, Conflict, GeometryError, MedHeartError, SchemaError
from medheart.phantom import random_geometry
from medheart.schema import load_schema
from medheart.volume import Volume


@pytest.fixture
def logic(slicer: Any, scene: Any, server: Server) -> Any:
    from MedHeartLib.Logic import Logic

    return Logic(scene, LabelServer(f"http://127.0.0.1:{server.server_port}", client_id="ann", timeout_s=10))


@pytest.fixture
def volumes(slicer: Any, scene: Any) -> list[Any]:
    from MedHeartLib.mrml.Volumes import nodeFromVolume

    rng = np.random.default_rng(0)
    grid = random_geometry(rng, (7, 8, 9), left_handed=True)
    arrays = [rng.integers(0, 100, grid.shape).astype(np.int16) for _ in range(2)]
    return [nodeFromVolume(scene, Volume(array, grid), f"series {n}") for n, array in enumerate(arrays)]


def run(logic: Any, volumes: list[Any], **options: Any) -> Any:
    (task,) = logic.tasks()
    request = logic.prepareSegment(task, volumes, modality="MR")
    return logic.segment(request, options.get("report", lambda _: None), options.get("cancelled", lambda: False))


def test_one_press_leads_from_volumes_to_a_segmentation(logic: Any, volumes: list[Any], server: Server) -> None:
    from MedHeartLib.mrml.Segmentations import labelMapFromNode
    from MedHeartLib.mrml.Volumes import volumeFromNode

    result = run(logic, volumes)
    node = logic.show(result)
    image = volumeFromNode(volumes[0])
    found = labelMapFromNode(node, volumes[0], load_schema("brain-tumour"))
    np.testing.assert_array_equal(found.array == 2, image.array > 50)
    sent, grid = server.images[result.image]
    np.testing.assert_array_equal(sent, image.array)
    assert grid.matches(image.geometry)
    assert not result.isEmpty
    assert (server.params["result_extension"], server.params["result_dtype"]) == (".nrrd", "uint16")
    assert list(server.params["inputs"]) == ["flair", "t1c"]
    assert server.params["inputs"]["flair"] == result.image
    assert [upload["modality"] for upload in server.uploads] == ["MR", "MR"]
    assert node.GetName() == "series 0 Brain tumour"


def test_an_image_goes_up_once(logic: Any, volumes: list[Any], server: Server) -> None:
    run(logic, volumes)
    states: list[Progress] = []
    run(logic, volumes, report=states.append)
    assert len(server.uploads) == 2
    assert all(state.state != "uploading" for state in states)


def test_a_second_run_makes_a_new_segmentation_and_leaves_the_first(logic: Any, volumes: list[Any], scene: Any) -> None:
    first = logic.show(run(logic, volumes))
    second = logic.show(run(logic, volumes))
    assert first.GetID() != second.GetID()
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 2


def test_progress_arrives_and_cancel_ends_the_wait(logic: Any, volumes: list[Any], server: Server) -> None:
    server.hold.clear()
    states: list[Progress] = []
    with pytest.raises(Cancelled):
        run(logic, volumes, report=states.append, cancelled=lambda: len(states) > 3)
    assert [state.state for state in states][:2] == ["uploading", "uploading"]
    assert states[-1] == Progress("running", done=1, total=4)


def test_a_label_on_another_grid_is_refused(logic: Any, volumes: list[Any], server: Server) -> None:
    server.shift_mm = 0.01
    with pytest.raises(GeometryError, match="grid of the volume"):
        run(logic, volumes)


def test_the_wrong_number_of_volumes_is_refused_before_anything_is_sent(
    logic: Any, volumes: list[Any], server: Server
) -> None:
    with pytest.raises(MedHeartError, match=r"reads \['flair', 't1c'\], got 1"):
        run(logic, volumes[:1])
    assert not server.images


def test_a_volume_removed_meanwhile_is_said(logic: Any, volumes: list[Any], scene: Any) -> None:
    result = run(logic, volumes)
    scene.RemoveNode(volumes[0])
    with pytest.raises(MedHeartError, match="removed from the scene"):
        logic.show(result)


def test_what_was_corrected_is_submitted_with_values_names_and_base(
    logic: Any, volumes: list[Any], server: Server
) -> None:
    node = logic.show(run(logic, volumes))
    submission = logic.prepareSubmit(node)
    logic.submitted(submission, logic.submit(submission))
    array, grid, params = server.labels[0]
    np.testing.assert_array_equal(array, submission.labels.array)
    assert grid.matches(submission.labels.geometry)
    assert params["label_info"] == [{"name": name, "idx": value} for name, value in LABELS.items()]
    assert (params["schema"], params["base"], params["model"]) == ("brain-tumour", "v1", "brain-tumour")
    assert params["client_id"] == "ann"
    second = logic.prepareSubmit(node)
    assert second.base == "v2"


def test_a_moved_head_is_a_conflict_and_a_branch_is_possible(logic: Any, volumes: list[Any], server: Server) -> None:
    submission = logic.prepareSubmit(logic.show(run(logic, volumes)))
    server.head = "v9"
    with pytest.raises(Conflict):
        logic.submit(submission)
    assert not server.labels
    logic.submit(submission, asBranch=True)
    assert "base" not in server.labels[0][2]


def test_a_segmentation_from_elsewhere_is_not_submitted(logic: Any, scene: Any) -> None:
    logic.tasks()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "mine")
    with pytest.raises(SchemaError, match="'mine' does not come from a task"):
        logic.prepareSubmit(node)


def test_a_stock_server_hears_its_own_names_and_nothing_of_schemas_or_bases(
    logic: Any, volumes: list[Any], server: Server
) -> None:
    labels = {"left kidney": 2, "肝": 3}
    server.models = {"organs": {"type": "segmentation", "labels": labels, "description": "Organs"}}
    node = logic.show(run(logic, volumes[:1]))
    logic.submit(logic.prepareSubmit(node))
    params = server.labels[0][2]
    assert params["label_info"] == [{"name": "left kidney", "idx": 2}, {"name": "肝", "idx": 3}]
    assert not {"schema", "base"} & set(params)
