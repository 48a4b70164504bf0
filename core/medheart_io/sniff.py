"""Which format a file has: by its first bytes, never by its name."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Literal

from medheart_io.boundary import reject, rejecting

__all__ = ["Format", "sniff"]

Format = Literal["nifti", "nrrd", "metaimage", "dicom", "zip"]

_HEAD = 4096
_NIFTI2_HEADER = 540
_PICTURES = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"BM": "a BMP picture",
    b"II*\0": "a TIFF picture",
    b"MM\0*": "a TIFF picture",
    b"%PDF": "a PDF document",
}
_META_KEYS = (b"ObjectType", b"NDims", b"Comment", b"ObjectSubType", b"TransformType", b"DimSize")


def _gunzip_head(data: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(data, _NIFTI2_HEADER)
    except zlib.error:
        return b""


def _is_nifti(head: bytes) -> bool:
    sizes = {int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big")}
    return (348 in sizes and head[344:347] in (b"n+1", b"ni1")) or (540 in sizes and head[4:7] in (b"n+2", b"ni2"))


def _is_bare_dicom(head: bytes) -> bool:
    # A data set without preamble starts with a small group, an even length or a VR of two capitals.
    if len(head) < 16 or head[:2] not in (b"\x02\x00", b"\x08\x00") or head[3] != 0:
        return False
    return head[4:6].isalpha() or int.from_bytes(head[4:8], "little") < 256


def sniff(path: Path) -> Format:
    """Return the format of a file.

    Raises
    ------
    ImageRejected
        `not_found`, `not_a_file`, `empty_file`, or `unknown_format` with what the file seems to be.
    """
    with rejecting(path):
        if path.exists() and not path.is_file():
            raise reject(path, "is not a regular file", "not_a_file")
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    if not head:
        raise reject(path, "the file is empty", "empty_file")
    if head[128:132] == b"DICM":
        return "dicom"
    if head.startswith(b"NRRD000"):
        return "nrrd"
    if _is_nifti(_gunzip_head(head) if head.startswith(b"\x1f\x8b") else head):
        return "nifti"
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head.lstrip().startswith(_META_KEYS):
        return "metaimage"
    if _is_bare_dicom(head):
        return "dicom"
    what = next((name for magic, name in _PICTURES.items() if head.startswith(magic)), "none of these by its content")
    text = f"expected DICOM, NIfTI, NRRD or MetaImage, this is {what}"
    raise reject(path, text, "unknown_format")
