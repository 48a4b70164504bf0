"""One click through the real host: image in, label map out."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from medheart.errors import Cancelled, ModelError, NotFound, TaskError, Unavailable
from medheart.wire.host import SegmentState
from medheart_models.host.client import HostClient
from medheart_models.predict import Predictor


def test_host_gives_what_the_predictor_gives(host: Any, tiny: ModuleType) -> None:
    volume = tiny.bright_cube()
    with host.client() as client:
        over_the_wire = client.segment([volume], "tiny")
    in_process = Predictor(host.settings).segment([volume], tiny.TINY)
    np.testing.assert_array_equal(over_the_wire.labels.array, in_process.labels.array)
    assert over_the_wire.labels.counts[2] > 50
    assert over_the_wire.labels.geometry == volume.geometry
    assert over_the_wire.labels.schema == in_process.labels.schema
    assert (over_the_wire.origin, over_the_wire.status) == ("tiny@1", "research")


def test_progress_counts_to_the_end(host: Any, tiny: ModuleType) -> None:
    seen: list[SegmentState] = []
    with host.client() as client:
        client.segment([tiny.bright_cube(size=30)], "tiny-slow", progress=seen.append)
    running = [state for state in seen if state.state == "running"]
    assert running[-1].total == 8
    assert any(0 < state.done < 8 and state.seconds_left is not None for state in running)
    assert [state.done for state in seen] == sorted(state.done for state in seen)
    assert seen[-1].state == "done"


def test_the_second_request_uses_the_prepared_image(host: Any, tiny: ModuleType) -> None:
    volume = tiny.bright_cube(seed=7)
    with host.client() as client:
        before = client.info()["prepared_bytes"]
        client.segment([volume], "tiny")
        after_first = client.info()["prepared_bytes"]
        client.segment([volume], "tiny")
        assert client.info()["prepared_bytes"] == after_first
    assert after_first == before + volume.array.size * 4


def test_one_image_can_be_stated_to_be_two_things(host: Any, tiny: ModuleType) -> None:
    volume = tiny.bright_cube(seed=8)
    with host.client() as client:
        client.segment([volume], "tiny")
        with pytest.raises(TaskError, match="body part is ABDOMEN") as caught:
            client.segment([volume.restated(modality="MR", meta={"body_part": "ABDOMEN"})], "tiny")
    assert caught.value.details["reasons"][0]["text"]["zh"].startswith("image：检查部位")


def test_warnings_arrive_in_both_languages(host: Any, tiny: ModuleType) -> None:
    with host.client() as client:
        result = client.segment([tiny.bright_cube().restated(modality="MR", meta={})], "tiny")
    assert [reason.code for reason in result.warnings] == ["body_part_unknown"]
    assert "未注明检查部位" in result.warnings[0].text("zh")


def test_cancel_frees_the_host_at_the_next_tile(host: Any, tiny: ModuleType) -> None:
    ticks: list[SegmentState] = []
    started = time.monotonic()
    with host.client() as client, pytest.raises(Cancelled):
        client.segment(
            [tiny.bright_cube(size=60)],
            "tiny-slow",
            progress=ticks.append,
            cancelled=lambda: any(state.done for state in ticks),
        )
    assert ticks[-1].done < ticks[-1].total
    with host.client() as client:
        client.segment([tiny.bright_cube()], "tiny")
    assert time.monotonic() - started < 20


def test_a_waiting_person_goes_before_a_running_batch(host: Any, tiny: ModuleType) -> None:
    running, stop, outcome = threading.Event(), threading.Event(), list[Cancelled]()

    def batch() -> None:
        with host.client("batch") as client:
            try:
                client.segment(
                    [tiny.bright_cube(size=60)],
                    "tiny-slow",
                    priority="batch",
                    progress=lambda state: running.set() if state.done else None,
                    cancelled=stop.is_set,
                )
            except Cancelled as error:
                outcome.append(error)

    thread = threading.Thread(target=batch)
    thread.start()
    assert running.wait(20)
    with host.client("person") as client:
        client.segment([tiny.bright_cube()], "tiny")
        assert client.info()["queue"]["running"] == ["tiny-slow for batch"]
    stop.set()
    thread.join(20)
    assert len(outcome) == 1


def test_errors_keep_their_class_and_words(host: Any, tiny: ModuleType) -> None:
    with host.client() as client:
        with pytest.raises(NotFound, match="no task 'none'"):
            client.segment([tiny.bright_cube()], "none")
        with pytest.raises(TaskError, match="needs 1 images"):
            client.segment([tiny.bright_cube()] * 2, "tiny")
        with pytest.raises(ModelError, match=r"medheart_models\.training\.export"):
            client.segment([tiny.bright_cube()], "tiny-unexported")


def test_without_a_host_it_says_how_to_start_one(tmp_path: Path, tiny: ModuleType) -> None:
    with HostClient(tmp_path / "host.sock") as client, pytest.raises(Unavailable, match="start it with"):
        client.segment([tiny.bright_cube()], "tiny")
