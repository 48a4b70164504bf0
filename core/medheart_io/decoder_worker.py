"""The process that decodes compressed DICOM frames: `python -m medheart_io.decoder_worker`.

Codecs are C and C++ code fed with bytes from outside. They run here, under a memory limit and without the
data of other patients; if one crashes, only this process ends.

Wire, both ways: 4 bytes big-endian length of a JSON header, the header, then `length` bytes.
Request: the keyword arguments of pydicom's decoder, `seconds` of processor time, and one encoded frame.
Reply: `dtype`, `shape` and the pixels, or `error`.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from typing import Any, BinaryIO

__all__ = ["MEMORY_LIMIT", "main", "receive", "send"]

MEMORY_LIMIT = 3 * 2**30
"""Address space of a worker in bytes; a frame of 4096 x 4096 needs a fraction of it."""


def send(stream: BinaryIO, header: dict[str, Any], payload: bytes = b"") -> None:
    """Write one message."""
    text = json.dumps({**header, "length": len(payload)}).encode()
    stream.write(len(text).to_bytes(4, "big") + text + payload)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Read one message; raises EOFError where the other side is gone."""
    size = int.from_bytes(_exactly(stream, 4), "big")
    header: dict[str, Any] = json.loads(_exactly(stream, size))
    return header, _exactly(stream, header.pop("length"))


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError("the other side of the pipe is gone")
    return data


def _limit(seconds: float | None = None) -> None:
    """Bound the address space, or the processor time from now on."""
    try:
        import resource
    except ImportError:
        return
    kind, limit = resource.RLIMIT_AS, MEMORY_LIMIT
    if seconds is not None:
        kind, limit = resource.RLIMIT_CPU, max(0, math.ceil(time.process_time() + seconds))
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(hard, limit), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _decode(request: dict[str, Any], frame: bytes) -> Any:
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_decoder

    # Libraries are loaded by now: only the frame counts.
    _limit(request.pop("seconds"))
    decoder = get_decoder(request.pop("syntax"))
    pixels, _ = decoder.as_array(encapsulate([frame]), index=0, raw=True, number_of_frames=1, **request)
    return pixels


def main() -> None:
    """Answer requests from standard input until it ends."""
    _limit()
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # A codec that prints must not write into the replies.
    os.dup2(2, 1)
    while True:
        try:
            request, frame = receive(source)
        except EOFError:
            return
        try:
            pixels = _decode(request, frame)
            reply, payload = {"dtype": pixels.dtype.str, "shape": list(pixels.shape)}, pixels.tobytes()
        except Exception as error:
            reply, payload = {"error": f"{type(error).__name__}: {error}"[:300]}, b""
        send(sink, reply, payload)


if __name__ == "__main__":
    main()
