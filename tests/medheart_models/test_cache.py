"""The cache bounded in bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from medheart_models.cache import ByteCache


def test_forgets_what_was_used_longest_ago() -> None:
    cache: ByteCache[str] = ByteCache(10)
    cache.put("a", "A", 4)
    cache.put("b", "B", 4)
    assert cache.get("a") == "A"
    cache.put("c", "C", 4)
    assert [cache.get(key) for key in "abc"] == ["A", None, "C"]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12))))
def test_never_holds_more_than_its_limit(puts: list[tuple[int, int]]) -> None:
    cache: ByteCache[int] = ByteCache(10)
    latest: dict[int, int] = {}
    for key, size in puts:
        cache.put(key, size, size)
        latest[key] = size
        assert cache.used <= 10
        assert cache.get(key) == (size if size <= 10 else None)
    held = [key for key in latest if cache.get(key) is not None]
    assert cache.used == sum(latest[key] for key in held)
    assert len(cache) == len(held)
