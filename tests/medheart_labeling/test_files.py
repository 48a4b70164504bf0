"""Derived files: made once, bounded, never taken away from who reads."""

from __future__ import annotations

import os
import threading
import time

import pytest

from medheart_labeling.files import FileCache


def test_a_file_is_made_once_also_for_many_threads(tmp_path):
    cache, made = FileCache(tmp_path), []

    def make(path):
        made.append(path)
        time.sleep(0.05)
        path.write_bytes(b"x")

    threads = [threading.Thread(target=cache.get, args=("a.bin", make)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_a_failed_file_is_tried_again(tmp_path):
    cache = FileCache(tmp_path)
    with pytest.raises(ZeroDivisionError):
        cache.get("a.bin", lambda _: 1 / 0)
    assert cache.get("a.bin", lambda path: path.write_bytes(b"x")).read_bytes() == b"x"


def test_the_oldest_go_first_and_recent_ones_stay(tmp_path):
    cache = FileCache(tmp_path, limit_bytes=250)
    for n, age in enumerate((5000, 4000, 3000)):
        path = cache.get(f"{n}.bin", lambda path: path.write_bytes(b"x" * 100))
        os.utime(path, (time.time() - age, time.time() - age))
    cache.get("3.bin", lambda path: path.write_bytes(b"x" * 100))
    cache.get("4.bin", lambda path: path.write_bytes(b"x" * 100))
    # 3 and 4 are recent: they stay, though they alone would fill the cache.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3.bin", "4.bin"]
