"""One DICOM file: its checked header, its frames with their place, and where its pixels lie.

pydicom parses the header up to the pixels. Deflated files are inflated here, because pydicom inflates
them whole without a limit.
"""

from __future__ import annotations

import io
import warnings
import zlib
from collections.abc import Iterator, Mapping, MutableSequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

from medheart.errors import ImageRejected
from medheart_io.boundary import readable, reject, rejecting
from medheart_io.checks import check_shape, check_voxels
from medheart_io.dicom_frames import Frame, frames_of
from medheart_io.dicom_values import header_numbers, whole_number
from medheart_io.streams import inflate

__all__ = ["NO_IMAGE", "DicomFile", "dcmread", "open_dicom", "read_dicom_file"]

NO_IMAGE = {"SEG", "RTSTRUCT", "RTDOSE", "RTPLAN", "SR", "PR", "KO", "REG", "RWV", "ANN", "DOC", "SM"}
"""Modalities whose objects are never read as volumes."""
_DIRECTORY = "1.2.840.10008.1.3.10"
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_PLAIN = b"1.2.840.10008.1.2.1\0\0\0"
_UNDEFINED = 0xFFFFFFFF
_MAX_FRAMES = 65536
_MAX_READS = 2_000_000
_LARGE_READ = 1 << 20
_LEAST_ENCODED = 8
_PIXEL_ELEMENTS = {0x0008: "OF", 0x0009: "OD", 0x0010: "OW"}
"""Float, double float and integer pixels, each with its VR where the file does not spell it out."""
_TEXTS = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "ImageType",
    "StudyDate",
    "StudyDescription",
    "SeriesDescription",
    "ProtocolName",
    "SequenceName",
    "BodyPartExamined",
    "AccessionNumber",
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "IssuerOfPatientID",
    "ConvolutionKernel",
    "PhotometricInterpretation",
)
_NUMBERS = (
    "NumberOfFrames",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)
_FRAME_TAGS = (
    "SpecificCharacterSet",
    "SliceThickness",
    "PixelSpacing",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "AcquisitionNumber",
    "EchoNumbers",
    "EchoTime",
    "TemporalPositionIdentifier",
    "DiffusionBValue",
    "TriggerTime",
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
    "WindowCenter",
    "WindowWidth",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)


@dataclass(frozen=True)
class DicomFile:
    """The header of one file, as plain values.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    texts, numbers : mapping
        Attributes by keyword; those the file lacks are absent.
    syntax : str
        Transfer syntax UID, empty where the file does not say.
    pixel_offset, pixel_length : int
        Where the value of the pixel element lies, and its length in bytes; -1 for encapsulated pixels.
    pixel_vr : str
        VR of the pixel element, empty where there are no pixels.
    frames : tuple of Frame
        Empty where the file holds no image, or a damaged one.
    window : tuple of float, optional
        First display window: center, width.
    damage, damage_code : str
        What is wrong with it, empty if nothing.
    """

    path: Path
    texts: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)
    syntax: str = ""
    pixel_offset: int = 0
    pixel_length: int = 0
    pixel_vr: str = ""
    frames: tuple[Frame, ...] = ()
    window: tuple[float, float] | None = None
    damage: str = ""
    damage_code: str = ""

    def text(self, keyword: str) -> str:
        """Return an attribute as stripped text, empty where missing."""
        return self.texts.get(keyword, "")

    def number(self, keyword: str, default: int) -> int:
        """Return an attribute as a whole number."""
        return self.numbers.get(keyword, default)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.numbers["Rows"], self.numbers["Columns"]


class _Counted:
    """A stream that gives up on endless headers: a few kilobytes, deflated, can hold millions of empty elements."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self._read, self.seek, self.tell = stream.read, stream.seek, stream.tell
        self._path, self._left = path, _MAX_READS

    def read(self, size: int = -1) -> bytes:
        """Read, unless that was done too often; pydicom does it once or twice per element.

        A stream makes room for all that it is asked for, and an element may claim 4 GiB: no more is asked for
        than there is.
        """
        self._left -= 1
        if self._left < 0:
            raise reject(self._path, f"its header takes more than {_MAX_READS} reads", "bomb")
        if size > _LARGE_READ:
            here = self.tell()
            size = min(size, max(0, self.seek(0, io.SEEK_END) - here))
            self.seek(here)
        return self._read(size)


def dcmread(stream: BinaryIO, path: Path, **options: Any) -> Any:
    """Call `pydicom.dcmread` without its warnings of odd values: what matters is checked here.

    Raises
    ------
    ImageRejected
        `bomb`, naming `path`, if the header has a million elements or more.
    """
    import pydicom

    warnings.filterwarnings("ignore", category=UserWarning, module=r"pydicom\.")
    return pydicom.dcmread(_Counted(stream, path), **options)


@contextmanager
def open_dicom(path: Path) -> Iterator[BinaryIO]:
    """Open a DICOM file; a deflated one is inflated in memory, up to its budget.

    Raises
    ------
    ImageRejected
        `bomb` or `truncated`.
    """
    with path.open("rb") as stream:
        if _DEFLATED not in stream.read(4096):
            stream.seek(0)
            yield stream
            return
        stream.seek(0)
        data = stream.read()
    start = data.index(b"\x02\x00\x00\x00UL", 128)
    body = start + 12 + int.from_bytes(data[start + 8 : start + 12], "little")
    plain = data[:body].replace(_DEFLATED, _PLAIN, 1)
    yield io.BytesIO(plain + inflate(data[body:], path, wbits=-zlib.MAX_WBITS))


def read_dicom_file(path: Path) -> DicomFile:
    """Read and check the header of one file, without its pixels.

    A header that can be read but not used comes back with `damage`, so that its series knows of it.

    Raises
    ------
    ImageRejected
        `truncated` if it ends inside the header, `not_an_image` for a DICOMDIR, `bomb`, `unreadable`.
    """
    with rejecting(path), open_dicom(path) as stream:
        tags = [*_TEXTS, *_NUMBERS, *_FRAME_TAGS]
        dataset = dcmread(stream, path, stop_before_pixels=True, specific_tags=tags, force=True)
        offset, length, vr = _pixel_element(stream, dataset)
        size = stream.seek(0, io.SEEK_END)
        declared = bool(dataset.get("SpecificCharacterSet"))
        present = [name for name in _TEXTS if dataset.get(name) not in (None, "")]
        texts = {name: _text(dataset[name].value, declared=declared) for name in present}
        if str(dataset.file_meta.get("MediaStorageSOPClassUID", "")) == _DIRECTORY:
            raise reject(path, "is the table of contents of a disc (DICOMDIR), not an image", "not_an_image")
        if not vr and "SOPClassUID" not in texts:
            raise reject(path, "ends inside its header", "truncated")
        inflated = isinstance(stream, io.BytesIO)
        syntax = _DEFLATED.decode() if inflated else str(dataset.file_meta.get("TransferSyntaxUID", ""))
        file = DicomFile(path, texts, syntax=syntax, pixel_offset=offset, pixel_length=length, pixel_vr=vr)
        if file.text("Modality") in NO_IMAGE:
            return file
        try:
            return _with_frames(file, dataset, size)
        except ImageRejected as error:
            return replace(file, damage=error.message.removeprefix(f"{readable(path.name)}: "), damage_code=error.code)


def _text(value: Any, *, declared: bool) -> str:
    parts = value if isinstance(value, MutableSequence) else [value]
    text = "\\".join(str(part).strip().strip("\0") for part in parts)
    return text if declared or text.isascii() else _undeclared(text)


def _undeclared(text: str) -> str:
    """Guess the encoding of text whose file declares none: UTF-8, else GB18030, as Chinese scanners write it."""
    for encoding in ("utf-8", "gb18030"):
        try:
            return text.encode("latin-1").decode(encoding)
        except UnicodeError:
            continue
    return text


def _with_frames(file: DicomFile, dataset: Any, size: int) -> DicomFile:
    with rejecting(file.path):
        found = {name: whole_number(dataset, name, file.path) for name in _NUMBERS}
        numbers = {name: number for name, number in found.items() if number is not None}
        if not file.pixel_vr or "Rows" not in numbers or "Columns" not in numbers:
            raise reject(file.path, "has no pixels", "no_pixels")
        file = replace(file, numbers=numbers)
        count = numbers.get("NumberOfFrames", 1)
        if not 1 <= count <= _MAX_FRAMES:
            raise reject(file.path, f"NumberOfFrames is {count}, expected 1 to {_MAX_FRAMES}", "bad_shape")
        check_shape(file.size, file.path)
        check_voxels((count, *file.size), file.path)
        _check_length(file, count, size)
        return replace(file, frames=frames_of(dataset, count, file.path), window=_window(dataset, file.path))


def _pixel_element(stream: BinaryIO, dataset: Any) -> tuple[int, int, str]:
    """Return offset, length and VR of the pixel element at which pydicom stopped."""
    implicit, little = dataset.original_encoding
    order: Literal["little", "big"] = "little" if little else "big"
    head = stream.read(8 if implicit else 12)
    tag = int.from_bytes(head[0:2], order), int.from_bytes(head[2:4], order)
    if len(head) < (8 if implicit else 12) or tag[0] != 0x7FE0 or tag[1] not in _PIXEL_ELEMENTS:
        return 0, 0, ""
    length = int.from_bytes(head[-4:], order)
    vr = _PIXEL_ELEMENTS[tag[1]] if implicit else head[4:6].decode("latin-1")
    return stream.tell(), -1 if length == _UNDEFINED else length, vr


def _check_length(file: DicomFile, count: int, size: int) -> None:
    if file.pixel_length < 0:
        if size - file.pixel_offset < count * _LEAST_ENCODED:
            raise reject(file.path, f"is too short for {count} encoded frames", "truncated")
        return
    bits = file.number("BitsAllocated", 16) * file.number("SamplesPerPixel", 1)
    needed = (count * file.size[0] * file.size[1] * bits + 7) // 8
    there = min(file.pixel_length, size - file.pixel_offset)
    if there < needed:
        raise reject(file.path, f"has {there} of {needed} bytes of pixels", "truncated")


def _window(dataset: Any, path: Path) -> tuple[float, float] | None:
    center, width = (header_numbers(dataset, f"Window{word}", None, path) for word in ("Center", "Width"))
    return (center[0], width[0]) if center and width else None
