"""Pixels of DICOM files, decoded by transfer syntax.

Uncompressed pixels are read in place and RLE by pydicom, here. JPEG-LS (pyjpegls), JPEG 2000 (OpenJPEG by
pylibjpeg) and the older JPEGs (GDCM) are decoded in processes of their own, which is also faster than threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart.errors import ImageRejected
from medheart_io.boundary import reject, rejecting
from medheart_io.codestream import codestream_size
from medheart_io.decoder import decoder_pool
from medheart_io.dicom_file import DicomFile, open_dicom
from medheart_io.dicom_frames import Frame

__all__ = ["PLUGINS", "READ_HERE", "read_frames"]

_RLE = "1.2.840.10008.1.2.5"
_JPEG = "1.2.840.10008.1.2.4."
PLUGINS = {_JPEG + number: "gdcm" for number in ("50", "51", "57", "70")}
PLUGINS |= {_JPEG + number: "pyjpegls" for number in ("80", "81")}
PLUGINS |= {_JPEG + number: "pylibjpeg" for number in ("90", "91", "201", "202", "203")}
"""Compressed transfer syntax to the pydicom plug-in that reads it."""
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_NATIVE = {"", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", _BIG_ENDIAN}
READ_HERE = frozenset(_NATIVE | {_RLE})
"""Transfer syntaxes that need no foreign codec: they may be read in this process."""


def read_frames(files: dict[Path, DicomFile], frames: list[Frame]) -> NDArray[Any]:
    """Return the stored values of `frames`, in their order.

    Parameters
    ----------
    files : dict
        Header of each file that a frame names.
    frames : list of Frame
        Of equal size and pixel format.

    Returns
    -------
    numpy.ndarray
        (K, J, I), native byte order.

    Raises
    ------
    ImageRejected
        `truncated`, `unsupported_compression`, `unsupported_type`, `decoder_failed`.
    """
    first = files[frames[0].path]
    array = np.empty((len(frames), *first.size), dtype=_stored_dtype(first))
    wanted: dict[Path, list[tuple[int, int]]] = {}
    for slot, frame in enumerate(frames):
        wanted.setdefault(frame.path, []).append((slot, frame.index))

    def fill(path: Path) -> None:
        """Decode one file into its places."""
        with rejecting(path):
            for slot, pixels in _decoded(files[path], wanted[path]):
                array[slot] = pixels

    if not any(files[path].syntax in PLUGINS for path in wanted):
        for path in wanted:
            fill(path)
    else:
        with ThreadPoolExecutor(decoder_pool().size) as pool:
            try:
                for task in [pool.submit(fill, path) for path in wanted]:
                    task.result()
            except ImageRejected:
                pool.shutdown(cancel_futures=True)
                raise
    return array


def _stored_dtype(file: DicomFile) -> np.dtype[Any]:
    bits = file.number("BitsAllocated", 16)
    if file.pixel_vr in {"OF", "OD"}:
        return np.dtype("f4" if file.pixel_vr == "OF" else "f8")
    if bits not in {8, 16, 32}:
        raise reject(file.path, f"has {bits} bits per pixel, expected 8, 16 or 32", "unsupported_type")
    return np.dtype(f"{'i' if file.number('PixelRepresentation', 0) else 'u'}{bits // 8}")


def _decoded(file: DicomFile, wanted: list[tuple[int, int]]) -> Iterator[tuple[int, NDArray[Any]]]:
    if file.syntax in _NATIVE:
        return _native(file, wanted)
    if file.syntax not in PLUGINS and file.syntax != _RLE:
        raise reject(file.path, f"is compressed as {file.syntax!r}, which is not supported", "unsupported_compression")
    return _encapsulated(file, wanted)


def _native(file: DicomFile, wanted: list[tuple[int, int]]) -> Iterator[tuple[int, NDArray[Any]]]:
    dtype = _stored_dtype(file)
    stored = dtype.newbyteorder(">" if file.syntax == _BIG_ENDIAN else "<")
    size = file.size[0] * file.size[1] * dtype.itemsize
    if file.pixel_length < 0:
        raise reject(file.path, "has compressed pixels, but says that they are not", "bad_header")
    with open_dicom(file.path) as stream:
        for slot, index in wanted:
            stream.seek(file.pixel_offset + index * size)
            data = stream.read(size)
            if len(data) < size:
                raise reject(file.path, f"frame {index + 1} has {len(data)} of {size} bytes", "truncated")
            if dtype.itemsize == 1 and file.pixel_vr == "OW" and file.syntax == _BIG_ENDIAN:
                data = np.frombuffer(data[: size // 2 * 2], ">u2").astype("<u2").tobytes() + data[size // 2 * 2 :]
            pixels = np.frombuffer(data, dtype=stored).reshape(file.size).astype(dtype, copy=False)
            yield slot, _significant(pixels, file)


def _significant(pixels: NDArray[Any], file: DicomFile) -> NDArray[Any]:
    """Drop bits above BitsStored (old overlays live there) and extend the sign."""
    if pixels.dtype.kind == "f":
        return pixels
    allocated = pixels.dtype.itemsize * 8
    stored = file.number("BitsStored", allocated)
    high = file.number("HighBit", stored - 1)
    if not 1 <= stored <= allocated or high != stored - 1:
        raise reject(file.path, f"stores {stored} of {allocated} bits up to bit {high}", "unsupported_type")
    if stored == allocated:
        return pixels
    shift = allocated - stored
    return np.right_shift(np.left_shift(pixels, shift), shift)


def _encapsulated(file: DicomFile, wanted: list[tuple[int, int]]) -> Iterator[tuple[int, NDArray[Any]]]:
    from pydicom.encaps import generate_frames

    if file.pixel_length >= 0:
        raise reject(file.path, "says that it is compressed, but its pixels are not", "bad_header")
    with open_dicom(file.path) as stream:
        stream.seek(file.pixel_offset)
        encoded = list(generate_frames(stream.read(), number_of_frames=len(file.frames)))
    if len(encoded) < len(file.frames):
        raise reject(file.path, f"has {len(encoded)} of {len(file.frames)} frames", "truncated")
    request = _request(file)
    for slot, index in wanted:
        if file.syntax == _RLE:
            yield slot, _decode_rle(dict(request), encoded[index])
        else:
            size = codestream_size(encoded[index])
            if size != file.size:
                raise reject(file.path, f"its compressed frame is {size}, its header says {file.size}", "bad_shape")
            yield slot, decoder_pool().decode(request, encoded[index], file.path)


def _request(file: DicomFile) -> dict[str, Any]:
    bits = file.number("BitsAllocated", 16)
    return {
        "syntax": file.syntax,
        "decoding_plugin": PLUGINS.get(file.syntax, "pydicom"),
        "rows": file.size[0],
        "columns": file.size[1],
        "samples_per_pixel": 1,
        "photometric_interpretation": file.text("PhotometricInterpretation"),
        "bits_allocated": bits,
        "bits_stored": file.number("BitsStored", bits),
        "pixel_representation": file.number("PixelRepresentation", 0),
        "pixel_keyword": "PixelData",
    }


def _decode_rle(request: dict[str, Any], frame: bytes) -> NDArray[Any]:
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_decoder

    decoder = get_decoder(request.pop("syntax"))
    pixels, _ = decoder.as_array(encapsulate([frame]), index=0, raw=True, number_of_frames=1, **request)
    return np.asarray(pixels)
