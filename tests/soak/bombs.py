"""Files that are small on disk and huge, endless or sly inside."""

from __future__ import annotations

import bz2
import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator

import nibabel
import numpy as np

_ZEROS = bytes(32 * 2**20)
_REPEATS = 80


def bombs() -> Iterator[tuple[str, bytes]]:
    """Yield (file name, bytes) of each bomb."""
    bombed = gzip.compress(_ZEROS, 6) * _REPEATS  # 2.5 GiB of zeros
    yield "declares-and-holds.nii.gz", gzip.compress(_nifti((4000, 4000, 160)), 1) + bombed
    yield "declares-little-holds-much.nii.gz", gzip.compress(_nifti((4, 4, 4)), 1) + bombed
    yield "declares-much-holds-little.nii.gz", gzip.compress(_nifti((4000, 4000, 4000)) + bytes(64), 1)
    yield "plain-huge.nii", _nifti((4096, 4096, 4096)) + bytes(64)
    yield "many-members.nii.gz", gzip.compress(_nifti((64, 64, 64)), 1) + gzip.compress(b"", 1) * 40_000
    yield "zeros.gz", bombed
    for encoding, body in (("gzip", bombed), ("bzip2", bz2.compress(_ZEROS) * _REPEATS), ("raw", bytes(64))):
        yield f"{encoding}.nrrd", _nrrd("4000 4000 160", encoding) + body
        yield f"{encoding}-small.nrrd", _nrrd("4 4 4", encoding) + body
        yield f"{encoding}-wild.nrrd", _nrrd("9999999999 9999999999 9999999999", encoding) + body
    yield "skips.nrrd", _nrrd("4 4 4", "gzip", "byte skip: 4000000000\nline skip: 4000000000\n") + bombed
    yield "lines.nrrd", b"NRRD0005\n" + b"# comment\n" * 2_000_000
    yield "keys.nrrd", b"NRRD0005\n" + b"".join(b"key%d:=value\n" % n for n in range(300_000))
    deflated = zlib.compress(_ZEROS, 6)
    yield "deflated.mha", _mha("4000 4000 160") + deflated
    yield "deflated-small.mha", _mha("4 4 4") + deflated
    yield "names.mhd", _mha("4 4 4", file="/dev/zero")
    yield "names-up.mhd", _mha("4 4 4", file="../../../etc/passwd")
    yield "list.mhd", _mha("4 4 4", file="LIST")
    yield "deflated.dcm", _deflated_dicom()
    yield "nested.dcm", _nested_dicom(20_000)
    yield "preamble.dcm", bytes(128) + b"DICM"
    yield from _archives()


def _nifti(shape: tuple[int, int, int]) -> bytes:
    header = nibabel.Nifti1Header()
    header.set_data_shape(shape)
    header.set_data_dtype(np.uint8)
    header.set_sform(np.eye(4), code=1)
    header["magic"], header["vox_offset"] = b"n+1", 352
    return bytes(header.binaryblock) + bytes(4)


def _nrrd(sizes: str, encoding: str, more: str = "") -> bytes:
    return (
        f"NRRD0004\ntype: uchar\ndimension: 3\nspace: left-posterior-superior\nsizes: {sizes}\n"
        f"space directions: (1,0,0) (0,1,0) (0,0,1)\nkinds: domain domain domain\nencoding: {encoding}\n"
        f"space origin: (0,0,0)\n{more}\n"
    ).encode()


def _mha(sizes: str, *, file: str = "LOCAL") -> bytes:
    return (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = True\n"
        "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\nElementSpacing = 1 1 1\n"
        f"DimSize = {sizes}\nElementType = MET_UCHAR\nElementDataFile = {file}\n"
    ).encode()


def _element(group: int, element: int, vr: bytes, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    head = struct.pack("<HH", group, element) + vr
    long = vr in {b"OB", b"OW", b"SQ", b"UN"}
    return head + (struct.pack("<HI", 0, len(value)) if long else struct.pack("<H", len(value))) + value


def _meta(syntax: bytes) -> bytes:
    rest = _element(2, 2, b"UI", b"1.2.840.10008.5.1.4.1.1.2") + _element(2, 3, b"UI", b"1.2.3")
    rest += _element(2, 0x10, b"UI", syntax)
    return bytes(128) + b"DICM" + _element(2, 0, b"UL", struct.pack("<I", len(rest))) + rest


def _deflated_dicom() -> bytes:
    engine = zlib.compressobj(1, zlib.DEFLATED, -15)
    body = engine.compress(_element(8, 0x16, b"UI", b"1.2.840.10008.5.1.4.1.1.2"))
    body += b"".join(engine.compress(_ZEROS) for _ in range(8)) + engine.flush()
    return _meta(b"1.2.840.10008.1.2.1.99") + body


def _nested_dicom(depth: int) -> bytes:
    opening = struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    return _meta(b"1.2.840.10008.1.2.1") + opening * depth


def _archives() -> Iterator[tuple[str, bytes]]:
    yield "zeros.zip", _zip([(f"{n}.dcm", _ZEROS) for n in range(10)])
    yield "many.zip", _zip([(f"{n}.dcm", b"") for n in range(30_000)])
    inner = _zip([("a.dcm", _ZEROS)])
    yield "nested.zip", _zip([("inner.zip", inner), ("b.dcm", b"x")])
    yield "up.zip", _zip([("../../up.dcm", b"x")])
    yield "absolute.zip", _zip([("/tmp/absolute.dcm", b"x")])
    yield "same-name.zip", _zip([("a.dcm", b"x"), ("A.dcm", b"y"), ("./a.dcm", b"z")])
    yield "file-and-folder.zip", _zip([("a", b"x"), ("a/b.dcm", b"y")])
    yield "long-name.zip", _zip([("n" * 5000 + ".dcm", b"x")])
    yield "deep.zip", _zip([("d/" * 3000 + "a.dcm", b"x")])
    yield "overlapping.zip", _overlapping(inner)
    for mode, name in (("w", "zeros.tar"), ("w:gz", "zeros.tar.gz")):
        sink = io.BytesIO()
        with tarfile.open(fileobj=sink, mode=mode) as archive:  # type: ignore[call-overload]
            info = tarfile.TarInfo("../zeros.dcm")
            info.size = 2**20
            archive.addfile(info, io.BytesIO(bytes(info.size)))
        yield name, sink.getvalue()


def _zip(members: list[tuple[str, bytes]]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return sink.getvalue()


def _overlapping(archive: bytes) -> bytes:
    """Let the directory of a zip name its one member a thousand times."""
    start = archive.index(b"PK\x01\x02")
    end = archive.index(b"PK\x05\x06")
    entry, count = archive[start:end], 1000
    record = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(entry) * count, start, 0)
    return archive[:start] + entry * count + record
