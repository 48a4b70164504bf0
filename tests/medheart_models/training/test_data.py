from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from medheart_models.training.data import Case, draw_window, load_split  # noqa: E402


def test_no_case_is_trained_on_and_held_out() -> None:
    split = load_split("hippocampus")
    assert not set(split.training) & set(split.held_out)
    assert (len(set(split.training)), len(set(split.held_out))) == (136, 24)


def case() -> Case:
    image = np.arange(1, 10 * 12 * 14 + 1, dtype=np.float32).reshape(1, 10, 12, 14)
    labels = np.zeros((10, 12, 14), np.uint8)
    labels[8, 10, 12] = 1
    return Case("c", image, labels)


def test_a_window_is_a_part_of_the_case() -> None:
    image, labels = draw_window(case(), (4, 5, 6), np.random.default_rng(0), foreground=0.0, fill=0.0)
    first = int(image[0, 0, 0, 0]) - 1
    k, j, i = np.unravel_index(first, (10, 12, 14))
    assert np.array_equal(image, case().image[:, k : k + 4, j : j + 5, i : i + 6])
    assert np.array_equal(labels, case().labels[k : k + 4, j : j + 5, i : i + 6])


def test_windows_on_the_foreground_hold_it() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert draw_window(case(), (4, 5, 6), rng, foreground=1.0, fill=0.0)[1].any()


def test_a_small_case_lies_whole_and_anywhere_in_its_window() -> None:
    rng, places = np.random.default_rng(0), set()
    for _ in range(20):
        image, labels = draw_window(case(), (16, 16, 16), rng, foreground=1.0, fill=-7.0)
        inside = image[0] != -7
        assert inside.sum() == case().labels.size
        assert labels.sum() == 1
        places.add(tuple(np.argwhere(inside)[0]))
    assert len(places) > 5
