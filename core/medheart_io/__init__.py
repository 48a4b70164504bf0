"""Safe readers and writers of medical images and label maps.

Everything that reads raises `medheart.errors.ImageRejected` (or its `NeedsChoice`) and nothing else for a
file that cannot be used. Modules with heavy libraries are imported when they are needed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medheart_io.archive import unpack_zip
    from medheart_io.candidate import Candidate, Identity
    from medheart_io.dicom_seg import write_dicom_seg
    from medheart_io.dicom_seg_reader import read_dicom_seg
    from medheart_io.dicom_writer import write_dicom_series
    from medheart_io.images import read_image, write_volume
    from medheart_io.labels import read_labels, write_labels
    from medheart_io.placing import place
    from medheart_io.scanning import load, scan
    from medheart_io.texts import explain

__all__ = [
    "Candidate",
    "Identity",
    "explain",
    "load",
    "place",
    "read_dicom_seg",
    "read_image",
    "read_labels",
    "scan",
    "unpack_zip",
    "write_dicom_seg",
    "write_dicom_series",
    "write_labels",
    "write_volume",
]

_HOMES = {
    "Candidate": "candidate",
    "Identity": "candidate",
    "explain": "texts",
    "load": "scanning",
    "place": "placing",
    "read_dicom_seg": "dicom_seg_reader",
    "read_image": "images",
    "read_labels": "labels",
    "scan": "scanning",
    "unpack_zip": "archive",
    "write_dicom_seg": "dicom_seg",
    "write_dicom_series": "dicom_writer",
    "write_labels": "labels",
    "write_volume": "images",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'medheart_io' has no attribute {name!r}")
    return getattr(import_module(f"medheart_io.{_HOMES[name]}"), name)
