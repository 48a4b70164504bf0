"""Which case next."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medheart.errors import MedHeartError, NotFound
from medheart_labeling.strategies import STRATEGIES, rank

IMAGES = [f"case-{n}" for n in range(6)]
SCORES = {
    image: {"epistemic_entropy": score} for image, score in zip(IMAGES, (0.2, 0.9, 0.5, 0.01, 0.4, 0.3), strict=True)
}


def order(strategy, **options):
    return [candidate.image for candidate in rank(strategy, IMAGES, info=SCORES.__getitem__, **options)]


def test_first_last_and_most_uncertain():
    assert order("first") == IMAGES
    assert order("last") == IMAGES[::-1]
    assert order("epistemic")[:3] == ["case-1", "case-2", "case-4"]


def test_random_is_random_and_repeatable():
    assert order("random", seed=5) == order("random", seed=5)
    assert len({tuple(order("random", seed=seed)) for seed in range(20)}) > 10
    firsts = Counter(order("random", seed=seed)[0] for seed in range(600))
    assert set(firsts) == set(IMAGES)
    assert min(firsts.values()) > 50


@settings(deadline=None)
@given(st.sampled_from(sorted(STRATEGIES)), st.integers(1, 8), st.integers(0, 1000))
def test_k_shuffles_the_first_k_and_no_others(strategy, k, seed):
    plain, drawn = order(strategy, seed=seed), order(strategy, k=k, seed=seed)
    assert sorted(drawn) == sorted(IMAGES)
    assert set(drawn[:k]) == set(plain[:k])
    assert drawn[k:] == plain[k:]
    assert drawn == order(strategy, k=k, seed=seed)


def test_k_gives_every_one_of_the_first_k_a_chance():
    firsts = Counter(order("epistemic", k=2, seed=seed)[0] for seed in range(200))
    assert set(firsts) == {"case-1", "case-2"}
    assert min(firsts.values()) > 60


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_every_case_comes_with_its_reason_in_both_languages(strategy):
    for candidate in rank(strategy, IMAGES, info=SCORES.__getitem__, k=3, seed=7):
        assert set(candidate.reason) == {"en", "zh"}
        assert "{" not in candidate.reason["en"] + candidate.reason["zh"]


@pytest.mark.parametrize("noted", ["abc", None, [], True, float("nan"), float("inf"), -float("inf")])
def test_an_uncertainty_that_is_no_number_counts_as_none(noted):
    info = {**SCORES, "case-1": {"epistemic_entropy": noted}, "case-5": {}}
    found = [(one.image, one.score) for one in rank("epistemic", IMAGES, info=info.__getitem__)]
    assert found[0] == ("case-2", 0.5)
    assert found[-2:] == [("case-1", 0.0), ("case-5", 0.0)]


def test_no_open_case_is_an_empty_list():
    assert rank("first", [], info=SCORES.__getitem__, k=4) == []


def test_unknown_names_and_bad_k_are_refused():
    with pytest.raises(NotFound, match="first"):
        order("no-such")
    for k in (0, -1, 1.5, "2", True):
        with pytest.raises(MedHeartError):
            order("first", k=k)
