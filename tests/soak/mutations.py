"""Damage that knows the format: header fields, lengths and compressed bodies of real files.

Bit flips and cuts of the raw bytes are those of `tests/medheart_io/fuzz_readers.py`.
"""

from __future__ import annotations

import gzip
import random
import re
import zlib
from collections.abc import Callable

import nibabel

Mutation = Callable[[bytes, random.Random], bytes]

_NUMBERS = ["0", "-1", "1", "nan", "inf", "-inf", "1e308", "1e-308", "4096", "4097", "65536", "2147483648"]
_NUMBERS += ["99999999999999999999", "0x10", "", "none", "(1,0,0)", "١", "1_0", "1 2 3 4 5 6 7 8 9"]
_LENGTHS = [0, 1, 2, 3, 0x7F, 0xFF, 0x7FFF, 0xFFFE, 0xFFFF]
_LONG_LENGTHS = [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF]
_TEXT_HEADER = 4096
_ELEMENT = re.compile(rb"[\x00-\xff]{4}(AE|AS|AT|CS|DA|DS|DT|FD|FL|IS|LO|LT|PN|SH|SL|SS|ST|TM|UI|UL|US|OB|OW|SQ|UN)")
_NIFTI_FIELDS = [
    (nibabel.Nifti1Header.template_dtype.fields[name][1], nibabel.Nifti1Header.template_dtype.fields[name][0].itemsize)
    for name in nibabel.Nifti1Header.template_dtype.names
]


def _overwrite(data: bytes, at: int, word: bytes) -> bytes:
    return data[:at] + word + data[at + len(word) :]


def nifti_field(data: bytes, dice: random.Random) -> bytes:
    """Fill one field of a NIfTI-1 header with bytes of a pattern."""
    for _ in range(dice.choice([1, 1, 2, 3])):
        at, size = dice.choice(_NIFTI_FIELDS)
        pattern = dice.choice(
            [b"\0", b"\xff", b"\x7f", b"\x00\x80", b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", b"\x01\0"]
        )
        data = _overwrite(data, at, (pattern * size)[:size])
    return data


def text_field(data: bytes, dice: random.Random) -> bytes:
    """Change a number, swap two lines, or repeat or drop one in the text header of NRRD or MetaImage."""
    head, body = data[:_TEXT_HEADER], data[_TEXT_HEADER:]
    numbers = list(re.finditer(rb"-?\d[\d.e+-]*", head))
    if numbers and dice.random() < 0.7:
        found = dice.choice(numbers)
        return head[: found.start()] + dice.choice(_NUMBERS).encode() + head[found.end() :] + body
    lines = head.split(b"\n")
    one, other = dice.randrange(len(lines)), dice.randrange(len(lines))
    action = dice.randrange(3)
    if action == 0:
        lines[one], lines[other] = lines[other], lines[one]
    elif action == 1:
        lines.insert(one, lines[other])
    else:
        del lines[one]
    return b"\n".join(lines) + body


def dicom_length(data: bytes, dice: random.Random) -> bytes:
    """Give one element of a DICOM file another length, or swap the lengths of two."""
    found = [match.end() for match in _ELEMENT.finditer(data[: dice.choice([600, 3000, 20000])])]
    found = [at for at in found if at + 6 < len(data)]
    if len(found) < 2:
        return data[: len(data) // 2]
    one, other = dice.sample(found, 2)
    if dice.random() < 0.4:
        first, second = data[one : one + 2], data[other : other + 2]
        return _overwrite(_overwrite(data, one, second), other, first)
    if dice.random() < 0.5:
        return _overwrite(data, one, dice.choice(_LENGTHS).to_bytes(2, "little"))
    return _overwrite(data, one, b"\0\0" + dice.choice(_LONG_LENGTHS).to_bytes(4, "little"))


def dicom_value(data: bytes, dice: random.Random) -> bytes:
    """Replace the value of one short element, or its VR, or swap two elements' values."""
    found = [match.end() for match in _ELEMENT.finditer(data[:20000])]
    if not found:
        return data
    at = dice.choice(found)
    if dice.random() < 0.3:
        return _overwrite(data, at - 2, dice.choice([b"DS", b"IS", b"US", b"SQ", b"UN", b"OB", b"PN", b"FD", b"UI"]))
    size = min(int.from_bytes(data[at : at + 2], "little"), 64)
    text = dice.choice(_NUMBERS).encode() + b"\\" + dice.choice(_NUMBERS).encode()
    value = dice.choice([text, b"\xff" * size, b"\0" * size, b"\\" * size, dice.randbytes(size)])
    return _overwrite(data, at + 2, (value + b" " * size)[:size])


def inside_gzip(data: bytes, dice: random.Random, inner: list[Mutation]) -> bytes:
    """Damage what a gzip file holds, not its envelope."""
    try:
        return gzip.compress(dice.choice(inner)(gzip.decompress(data), dice), 1)
    except (OSError, EOFError, zlib.error):
        return data


def mutations_for(name: str, raw: Mutation) -> list[Mutation]:
    """Return the ways in which a file of this name may be damaged; `raw` knows no format."""
    if name.endswith(".gz"):
        inner = [nifti_field, nifti_field, raw]
        return [raw, lambda data, dice: inside_gzip(data, dice, inner)]
    for endings, fields in (
        ((".nii",), [nifti_field]),
        ((".nrrd", ".mha", ".mhd"), [text_field, text_field]),
        ((".dcm",), [dicom_length, dicom_value, dicom_value]),
    ):
        if name.endswith(endings):
            return [raw, *fields]
    return [raw]
