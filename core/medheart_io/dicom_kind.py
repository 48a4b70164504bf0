"""Which DICOM objects are volumes of grey values, and what the others are."""

from __future__ import annotations

from collections.abc import Sequence

from medheart_io.boundary import reject
from medheart_io.dicom_file import DicomFile
from medheart_io.dicom_frames import Frame

__all__ = ["kind_of", "refuse_other_kinds"]

_OTHER = {
    "SEG": ("segmentation", "a DICOM segmentation; it is read as labels of its image"),
    "RTSTRUCT": ("structures", "a set of contours, not an image"),
    "RTDOSE": ("other", "a dose, not an image"),
    "RTPLAN": ("other", "a treatment plan, not an image"),
    "SR": ("report", "a structured report, not an image"),
    "PR": ("other", "a presentation state, not an image"),
    "KO": ("other", "a selection of key images, not an image"),
    "REG": ("other", "a registration, not an image"),
    "RWV": ("other", "a mapping of values, not an image"),
    "ANN": ("other", "annotations, not an image"),
    "DOC": ("report", "a document, not an image"),
    "SM": ("picture", "a microscopy slide, not a volume"),
}
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def kind_of(file: DicomFile) -> str:
    """Return `volume`, `localizer`, `picture`, `segmentation`, `structures`, `report` or `other`; for a sound file."""
    modality = file.text("Modality")
    if modality in _OTHER:
        return _OTHER[modality][0]
    if "LOCALIZER" in file.text("ImageType").upper():
        return "localizer"
    return "volume" if _grey(file) and any(frame.position or frame.orientation for frame in file.frames) else "picture"


def _grey(file: DicomFile) -> bool:
    return file.number("SamplesPerPixel", 1) == 1 and file.text("PhotometricInterpretation") in {
        "MONOCHROME1",
        "MONOCHROME2",
    }


def refuse_other_kinds(file: DicomFile, frames: Sequence[Frame]) -> None:
    """Raise `ImageRejected` with a clear reason for whatever is no volume of grey values."""
    path, modality, image_type = file.path, file.text("Modality"), file.text("ImageType").upper()
    if modality in _OTHER:
        raise reject(path, f"is {_OTHER[modality][1]}", "not_an_image")
    if not _grey(file):
        colours = file.text("PhotometricInterpretation") or "unknown"
        raise reject(path, f"is a picture in colours ({colours}), a volume needs grey values", "color")
    if "LOCALIZER" in image_type:
        raise reject(path, "is a localizer (scout), which is not for reading", "localizer")
    if "MOSAIC" in image_type:
        raise reject(path, "is a mosaic of slices in one picture; export it as single or enhanced images", "mosaic")
    if "PROJECTION IMAGE" in image_type or "\\MIP" in image_type:
        raise reject(path, "is a projection made from other images, not a volume", "projection")
    if file.text("SOPClassUID").startswith(_SECONDARY_CAPTURE):
        raise reject(path, "is a secondary capture (a picture of a screen or film), not a volume", "secondary_capture")
    if not any(frame.position or frame.orientation for frame in frames):
        raise reject(path, f"has no position in the patient (modality {modality or '?'}), not a volume", "not_a_volume")
