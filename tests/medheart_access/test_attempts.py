"""How many wrong keys one sender may try."""

from __future__ import annotations

import pytest

from medheart.errors import Busy, NotSignedIn
from medheart_access import Access, Attempts, KeyFile


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_sender_waits_after_the_limit_and_only_as_long_as_the_window():
    clock = Clock()
    attempts = Attempts(limit=3, window_s=60, clock=clock)
    for _ in range(3):
        attempts.check("a")
        attempts.fail("a")
        clock.now += 10
    with pytest.raises(Busy) as caught:
        attempts.check("a")
    assert (caught.value.code, caught.value.details["retry_after_s"]) == ("too_many_tries", 30)
    attempts.check("b")
    clock.now += 30
    attempts.check("a")


def test_an_outdated_key_locks_out_no_other_at_the_same_address(tmp_path):
    keys = KeyFile(tmp_path / "keys.json")
    good, other = keys.add("ann", "annotator"), keys.add("bob", "annotator")
    access = Access(keys, attempts=Attempts(limit=2))
    for _ in range(2):
        with pytest.raises(NotSignedIn):
            access.check("mh_nonsense", address="10.0.0.7")
    with pytest.raises(Busy):
        access.check("mh_nonsense", address="10.0.0.7")
    assert access.check(good, address="10.0.0.7").name == "ann"
    forged = good[:-1] + ("A" if good[-1] != "A" else "B")
    for _ in range(2):
        with pytest.raises(NotSignedIn):
            access.check(forged, address="10.0.0.7")
    with pytest.raises(Busy):
        access.check(good, address="10.0.0.7")  # Guessing at ann's secret goes no further, right or wrong,
    assert access.check(other, address="10.0.0.7").name == "bob"  # bob goes on working,
    assert access.check(good, address="10.0.0.8").name == "ann"  # and so does ann at her own desk.
