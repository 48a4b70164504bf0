"""The panel itself, in Qt, on a real scene, against a real HTTP server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_server import MODEL

from medheart.phantom import random_geometry
from medheart.volume import Volume

ORGANS = {
    "spleen": {"type": "segmentation", "labels": {"spleen": 2}, "description": "Spleen"},
    "liver": {"type": "segmentation", "labels": {"liver": 2}, "description": "Liver"},
}


@pytest.fixture
def panel(slicer: Any, scene: Any, server: Any, qtHost: Any) -> Iterator[Any]:
    """Return the open panel, connected to nothing, with the address of the server typed."""
    server.models = dict(ORGANS)
    with qtHost.openPanel(slicer, scene) as panel:
        panel.enter()
        panel.ui.addressEdit.setText(addressOf(server))
        yield panel


def addressOf(server: Any) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def addVolume(scene: Any) -> Any:
    from MedHeartLib.mrml.Volumes import nodeFromVolume

    rng = np.random.default_rng(0)
    grid = random_geometry(rng, (7, 8, 9))
    return nodeFromVolume(scene, Volume(rng.integers(0, 100, grid.shape).astype(np.int16), grid, "CT"), "series")


def saved(scene: Any, path: Path) -> Path:
    scene.SetURL(str(path))
    assert scene.Commit()
    return path


def opened(scene: Any, path: Path) -> None:
    scene.Clear(0)
    scene.SetURL(str(path))
    assert scene.Import()


def test_connect_segment_and_submit(panel: Any, scene: Any, server: Any) -> None:
    panel.press(panel.ui.connectButton)
    assert (panel.ui.taskSelector.count, panel.ui.statusLabel.text) == (2, "Connected. Tasks: 2.")
    panel.ui.firstVolumeSelector.setCurrentNode(addVolume(scene))
    panel.press(panel.ui.segmentButton)
    assert panel.ui.segmentationSelector.currentNode().GetName() == "series Spleen"
    panel.press(panel.ui.submitButton)
    assert panel.ui.statusLabel.text == "Submitted."
    assert len(server.labels) == 1


def test_a_draft_is_called_so_and_a_label_that_starts_from_elsewhere_goes_beside(
    panel: Any, scene: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("slicer.util.confirmYesNoDisplay", lambda text, **_options: not asked.append(text))
    server.models = {"brain": {**MODEL, "inputs": ["flair"]}}
    panel.press(panel.ui.connectButton)
    panel.ui.firstVolumeSelector.setCurrentNode(addVolume(scene))
    panel.press(panel.ui.segmentButton)
    assert "draft until you submit it" in panel.ui.statusLabel.text
    server.head = "a label that was there before"
    panel.ui.submitButton.click()
    panel.wait(lambda: panel.ui.statusLabel.text == "Submitted.")
    assert "a version that yours does not start from" in asked[-1]
    assert len(server.labels) == 1


def test_another_address_or_name_needs_another_connection(panel: Any, scene: Any, server: Any) -> None:
    panel.press(panel.ui.connectButton)
    panel.ui.firstVolumeSelector.setCurrentNode(addVolume(scene))
    assert panel.ui.segmentButton.isEnabled()
    panel.ui.addressEdit.setText("http://127.0.0.1:1")
    assert not panel.ui.segmentButton.isEnabled()
    assert (panel.ui.statusLabel.text, panel.ui.taskSelector.count) == ("Not connected.", 0)
    panel.ui.addressEdit.setText(addressOf(server))
    panel.press(panel.ui.connectButton)
    panel.ui.annotatorEdit.setText("someone else")
    assert not panel.ui.segmentButton.isEnabled()


def test_what_is_asked_before_sending_names_the_server_that_gets_it(
    panel: Any, scene: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("slicer.util.confirmOkCancelDisplay", lambda text, **_options: asked.append(text))
    monkeypatch.setattr("MedHeartLib.Connection._HERE", frozenset())
    panel.press(panel.ui.connectButton)
    panel.ui.firstVolumeSelector.setCurrentNode(addVolume(scene))
    panel.press(panel.ui.segmentButton)
    assert asked == ["The images or labels will be sent to 127.0.0.1."]
    assert not server.images


def test_a_scene_that_names_another_server_gets_neither_key_nor_image(panel: Any, scene: Any, tmp_path: Path) -> None:
    panel.ui.addressEdit.setText("http://elsewhere.example")
    scene_file = saved(scene, tmp_path / "their.mrml")
    panel.ui.addressEdit.setText("http://127.0.0.1:8000")
    panel.ui.keyEdit.setText("secret")
    opened(scene, scene_file)
    assert panel.ui.addressEdit.text == "http://elsewhere.example"
    assert panel.widget._parameters.serverAddress == panel.ui.addressEdit.text
    assert panel.ui.keyEdit.text == ""


def test_a_scene_that_is_opened_ends_the_connection_to_another_server(
    panel: Any, scene: Any, server: Any, tmp_path: Path
) -> None:
    panel.ui.addressEdit.setText("http://elsewhere.example")
    scene_file = saved(scene, tmp_path / "their.mrml")
    panel.ui.addressEdit.setText(addressOf(server))
    panel.press(panel.ui.connectButton)
    opened(scene, scene_file)
    assert panel.ui.statusLabel.text == "Not connected."
    assert "Connect" in panel.ui.segmentButton.toolTip


def test_closing_the_scene_keeps_address_key_and_connection(panel: Any, scene: Any, server: Any) -> None:
    panel.ui.keyEdit.setText("secret")
    panel.ui.annotatorEdit.setText("ann")
    panel.press(panel.ui.connectButton)
    panel.ui.taskSelector.setCurrentIndex(1)
    scene.Clear(0)
    assert (panel.ui.addressEdit.text, panel.ui.keyEdit.text) == (addressOf(server), "secret")
    assert panel.ui.annotatorEdit.text == "ann"
    panel.ui.firstVolumeSelector.setCurrentNode(addVolume(scene))
    assert panel.ui.taskSelector.currentText == "Liver"
    panel.press(panel.ui.segmentButton)
    assert panel.ui.segmentationSelector.currentNode().GetName() == "series Liver"


def test_the_task_of_a_scene_is_the_one_that_is_shown(panel: Any, scene: Any, tmp_path: Path) -> None:
    panel.press(panel.ui.connectButton)
    panel.ui.taskSelector.setCurrentIndex(1)
    scene_file = saved(scene, tmp_path / "liver.mrml")
    panel.ui.taskSelector.setCurrentIndex(0)
    opened(scene, scene_file)
    assert panel.widget._parameters.task == "liver"
    assert panel.ui.taskSelector.currentText == "Liver"


def test_a_segmentation_that_ends_while_another_module_is_open_is_the_one_to_submit(
    panel: Any, scene: Any, server: Any
) -> None:
    panel.press(panel.ui.connectButton)
    panel.ui.firstVolumeSelector.setCurrentNode(addVolume(scene))
    panel.press(panel.ui.segmentButton)
    older = panel.ui.segmentationSelector.currentNode()
    server.hold.clear()
    panel.ui.segmentButton.click()
    panel.exit()
    server.hold.set()
    panel.wait(lambda: not panel.widget._running.isBusy)
    panel.enter()
    newer = panel.ui.segmentationSelector.currentNode()
    assert newer.GetID() != older.GetID()
    assert panel.widget._parameters.segmentation.GetID() == newer.GetID()


def test_a_result_that_cannot_be_shown_frees_the_panel(panel: Any, scene: Any, server: Any) -> None:
    panel.press(panel.ui.connectButton)
    volume = addVolume(scene)
    panel.ui.firstVolumeSelector.setCurrentNode(volume)
    server.hold.clear()
    panel.ui.segmentButton.click()
    scene.RemoveNode(volume)
    server.hold.set()
    panel.wait(lambda: not panel.widget._running.isBusy)
    assert panel.ui.statusLabel.text == "The segmentation failed."
    assert not panel.ui.cancelButton.isVisibleTo(panel.frame)
    assert panel.ui.connectButton.isEnabled()


def test_an_address_that_is_none_is_refused_before_the_key_is_sent(panel: Any) -> None:
    from medheart.errors import MedHeartError

    for address in ("127.0.0.1:8000", "http://evil.example\\@127.0.0.1", "http://127.0.0.1@evil.example", ""):
        panel.ui.addressEdit.setText(address)
        with pytest.raises(MedHeartError, match="not the address of a server"):
            panel.widget.onConnect()
        assert not panel.widget._running.isBusy


def test_the_form_speaks_chinese(slicer: Any, scene: Any, qtHost: Any, tmp_path: Path) -> None:
    with qtHost.openPanel(slicer, scene, language="zh_CN") as panel:
        panel.enter()
        assert (panel.ui.serverPart.text, panel.ui.connectButton.text) == ("标注服务器", "连接")
        panel.picture(tmp_path / "panel.png")
        assert (tmp_path / "panel.png").stat().st_size > 1000
