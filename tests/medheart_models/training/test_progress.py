from __future__ import annotations

import json
from pathlib import Path

import pytest

from medheart_models.training.progress import ProgressLog, ProgressReader, TrainingProgress, mean_of


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_what_is_written_is_read(tmp_path: Path, clock: Clock) -> None:
    """Two epochs of two steps, 1 s each, with 3 s of scoring before and after."""
    path = tmp_path / "progress.jsonl"
    reader = ProgressReader(path)
    assert not reader.read()
    log = ProgressLog(path, epochs=2, clock=clock)
    log.begin("before", "scoring")
    clock.now += 3
    log.look({"a": 0.5, "b": None}, epoch=0)
    log.begin("training", "training")
    after_step = log.steps_of_phase(before=0, epochs=2)
    clock.now += 1
    after_step(1, 4, 2.0)
    assert reader.read()
    assert (reader.latest.epoch, reader.latest.epochs_done, reader.latest.epochs) == (1, 0, 2)
    assert reader.latest.share == 0.25
    assert reader.latest.loss == 2.0
    assert reader.latest.dice == {"a": 0.5, "b": None}
    assert reader.latest.best_dice is None
    assert reader.latest.seconds_left == pytest.approx(3 + 3)
    clock.now += 1
    after_step(2, 4, 1.0)
    log.look({"a": 0.9, "b": 0.7}, epoch=1)
    clock.now += 1
    after_step(3, 4, 1.0)
    log.look({"a": 0.6, "b": 0.7}, epoch=2)
    reader.read()
    assert (reader.latest.epoch, reader.latest.epochs_done, reader.latest.loss) == (2, 1, 1.0)
    assert (reader.latest.best_dice, reader.latest.best_epoch) == (pytest.approx(0.8), 1)
    assert list(reader.lines) == [
        "scoring",
        "epoch 0/2  Dice a 0.500  b -",
        "training",
        "epoch 1/2  loss 1.5000",
        "epoch 1/2  Dice a 0.900  b 0.700",
        "epoch 2/2  Dice a 0.600  b 0.700",
    ]
    clock.now += 1
    after_step(4, 4, 0.5)
    log.begin("after", "scoring again")
    log.look({"a": 1.0, "b": 1.0}, epoch=2)
    reader.read()
    assert (reader.latest.best_dice, reader.latest.best_epoch) == (pytest.approx(0.8), 1)
    assert (reader.latest.stage, reader.latest.epochs_done, reader.latest.seconds_left) == ("after", 2, 3)


def test_a_second_phase_goes_on_where_the_first_ended(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "progress.jsonl"
    log, reader = ProgressLog(path, epochs=4, clock=clock), ProgressReader(path)
    log.begin("training", "")
    after_step = log.steps_of_phase(before=3, epochs=1)
    clock.now += 10
    after_step(1, 1, 1.0)
    reader.read()
    assert (reader.latest.epoch, reader.latest.share) == (4, 1.0)


def test_quick_steps_are_not_all_written_but_the_end_of_each_epoch_is(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "progress.jsonl"
    log = ProgressLog(path, epochs=2, clock=clock)
    log.begin("training", "")
    after_step = log.steps_of_phase(before=0, epochs=2)
    for step in range(1, 201):
        clock.now += 0.01
        after_step(step, 200, 1.0)
    written = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(written) < 10
    assert [line["share"] for line in written if line["text"].startswith("epoch")] == [0.5, 1.0]


def test_half_a_line_waits_and_only_twenty_texts_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    lines = [json.dumps(TrainingProgress(text=f"line {n}").to_dict()) + "\n" for n in range(30)]
    path.write_text("".join(lines[:-1]) + lines[-1][:20])
    reader = ProgressReader(path)
    reader.read()
    assert list(reader.lines) == [f"line {n}" for n in range(9, 29)]
    with path.open("a") as stream:
        stream.write(lines[-1][20:])
    assert reader.read()
    assert reader.lines[-1] == "line 29"
    assert not reader.read()


def test_without_a_file_nothing_is_written(tmp_path: Path) -> None:
    log = ProgressLog(None, epochs=1)
    log.begin("training", "x")
    log.steps_of_phase(before=0, epochs=1)(1, 1, 0.0)
    assert not list(tmp_path.iterdir())


def test_the_mean_leaves_out_labels_without_a_value() -> None:
    assert mean_of({"a": 0.4, "b": None, "c": 0.6}) == pytest.approx(0.5)
    assert mean_of({"a": None}) is None
