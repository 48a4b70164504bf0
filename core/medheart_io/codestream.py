"""The size that a compressed frame claims, read before a codec allocates it.

JPEG and JPEG-LS: ITU-T T.81 annex B, T.87 annex C (frame header after a start-of-frame marker).
JPEG 2000: ISO/IEC 15444-1 annex A.5 (SIZ marker).
"""

from __future__ import annotations

__all__ = ["codestream_size"]

_STARTS_OF_FRAME = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
_J2K = b"\xff\x4f\xff\x51"


def codestream_size(frame: bytes) -> tuple[int, int] | None:
    """Return (rows, columns) as the codestream says, None where it has no readable header.

    Parameters
    ----------
    frame : bytes
        One encoded frame: JPEG, JPEG-LS, JPEG 2000 or HTJ2K codestream (a JP2 box before it is skipped).
    """
    if frame.startswith(b"\xff\xd8"):
        return _jpeg_size(frame)
    start = frame.find(_J2K, 0, 4096)
    if start < 0 or len(frame) < start + 24:
        return None
    x, y, x0, y0 = (int.from_bytes(frame[start + n : start + n + 4], "big") for n in (8, 12, 16, 20))
    return y - y0, x - x0


def _jpeg_size(frame: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _STARTS_OF_FRAME:
            return int.from_bytes(frame[at + 5 : at + 7], "big"), int.from_bytes(frame[at + 7 : at + 9], "big")
        at += 2 + max(2, int.from_bytes(frame[at + 2 : at + 4], "big"))
    return None
