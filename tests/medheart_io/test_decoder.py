"""The decoder's processes: answers, crashes, hangs."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames

from medheart.errors import ImageRejected
from medheart_io.decoder import DecoderPool, _start
from medheart_io.decoder_worker import receive, send

PATH = Path("frame.dcm")


@pytest.fixture
def frame(series: list[Path]) -> tuple[dict[str, object], bytes, np.ndarray]:
    dataset = pydicom.dcmread(series[0])
    plain = dataset.pixel_array.copy()
    dataset.compress(pydicom.uid.JPEGLSLossless)
    request = {
        "syntax": str(pydicom.uid.JPEGLSLossless),
        "decoding_plugin": "pyjpegls",
        "rows": 12,
        "columns": 10,
        "samples_per_pixel": 1,
        "photometric_interpretation": "MONOCHROME2",
        "bits_allocated": 16,
        "bits_stored": 16,
        "pixel_representation": 1,
        "pixel_keyword": "PixelData",
    }
    return request, next(generate_frames(dataset.PixelData, number_of_frames=1)), plain


def test_messages_survive_the_wire() -> None:
    pipe = io.BytesIO()
    send(pipe, {"a": "王"}, b"\0\1")
    pipe.seek(0)
    assert receive(pipe) == ({"a": "王"}, b"\0\1")
    with pytest.raises(EOFError):
        receive(pipe)


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    pool = DecoderPool(2)
    yield pool
    pool.close()


Frame = tuple[dict[str, object], bytes, np.ndarray]


def test_many_threads_share_few_workers(frame: Frame, pool: DecoderPool) -> None:
    request, data, plain = frame
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: pool.decode(request, data, PATH), range(12)))
    assert all((answer == plain).all() for answer in answers)
    assert pool.workers == 2


def test_nonsense_is_refused_and_the_worker_lives(frame: Frame, pool: DecoderPool) -> None:
    request, data, plain = frame
    before = pool.workers
    with pytest.raises(ImageRejected, match="cannot be decoded"):
        pool.decode(request, b"no codestream", PATH)
    assert pool.workers == before
    assert (pool.decode(request, data, PATH) == plain).all()


def test_a_frame_that_claims_too_much_memory_ends_in_an_error(frame: Frame, pool: DecoderPool) -> None:
    request, data, _ = frame
    start = data.index(b"\xff\xf7")
    # JPEG-LS header: marker, length, precision, then height and width.
    huge = data[: start + 5] + b"\xff\xff\xff\xff" + data[start + 9 :]
    with pytest.raises(ImageRejected):
        pool.decode({**request, "rows": 65535, "columns": 65535}, huge, PATH)


def test_a_dead_worker_is_replaced(frame: Frame, pool: DecoderPool) -> None:
    request, data, plain = frame
    pool.decode(request, data, PATH)
    worker = pool._idle.get()
    assert worker is not None
    worker.kill()
    pool._idle.put(worker)
    with pytest.raises(ImageRejected, match="crashed or took too long") as caught:
        pool.decode(request, data, PATH)
    assert caught.value.code == "decoder_failed"
    assert (pool.decode(request, data, PATH) == plain).all()


def test_a_frame_that_takes_too_long_is_given_up(frame: Frame) -> None:
    request, data, _ = frame
    hasty = DecoderPool(1, timeout_s=0.0)
    with pytest.raises(ImageRejected, match="crashed or took too long"):
        hasty.decode(request, data, PATH)
    assert hasty.workers == 0


def test_processor_time_is_bounded() -> None:
    code = "from medheart_io.decoder_worker import _limit; _limit(0.2)\nwhile True: pass"
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGXCPU


def test_a_worker_that_cannot_start_leaves_its_place(frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    request, data, _ = frame
    pool = DecoderPool(1)
    monkeypatch.setattr("medheart_io.decoder.sys.executable", "/nonexistent")
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            pool.decode(request, data, PATH)
    assert pool.workers == 0


def test_who_waits_for_a_worker_that_dies_gets_another(frame: Frame) -> None:
    request, data, plain = frame
    pool = DecoderPool(1)
    worker = pool._take()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(pool.decode, request, data, PATH)
        pool._drop(worker)
        assert (waiting.result(timeout=300) == plain).all()
    pool.close()
    assert pool.workers == 0


def test_an_interrupted_conversation_ends_its_worker(frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer would otherwise be taken for that to the next question."""
    request, data, _ = frame
    pool = DecoderPool(1)

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("medheart_io.decoder.receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pool.decode(request, data, PATH)
    assert pool.workers == 0


def test_a_worker_knows_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDHEART_KEY", "a-secret-key")
    worker = _start()
    try:
        assert b"a-secret-key" not in Path(f"/proc/{worker.pid}/environ").read_bytes()
    finally:
        worker.kill()
        worker.communicate()
