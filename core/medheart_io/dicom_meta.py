"""What a volume may know of its series: facts for task choice and reports, free of identity."""

from __future__ import annotations

import re
from typing import Any

from medheart_io import voxels
from medheart_io.candidate import Identity
from medheart_io.dicom_file import DicomFile
from medheart_io.dicom_stack import Stack

__all__ = ["free_text", "identity_of", "volume_meta"]

_BETWEEN = r"[\W_]*"


def identity_of(file: DicomFile) -> Identity:
    """Return the patient as the header says, names decoded by the header's character set."""
    return Identity(
        patient_id=file.text("PatientID"),
        issuer=file.text("IssuerOfPatientID"),
        name=file.text("PatientName").rstrip("^= "),
        birth_date=file.text("PatientBirthDate"),
        sex=file.text("PatientSex"),
    )


def free_text(file: DicomFile, keyword: str) -> str:
    """Return a free text of the header without the patient's name, id and birth date.

    Family and given name go together, in either order and however they are apart, and each alone where it has
    two characters or more: one Chinese character names nobody, but is part of words such as 平扫 (plain scan).
    """
    text, who = file.text(keyword), identity_of(file)
    names = [[re.escape(part) for part in re.split(r"[\^\s]+", spelling) if part] for spelling in who.name.split("=")]
    # Initials alone, as A^B, would be found in abdomen.
    told = [name for name in names if any(len(part) > 1 or not part.isascii() for part in name)]
    whole = [_BETWEEN.join(order) for name in told if len("".join(name)) > 1 for order in (name, name[::-1])]
    words = [who.patient_id, file.text("AccessionNumber"), *re.split(r"[\^=\s]+", who.name)]
    parts = [re.escape(word) for word in words if len(word) > 1]
    for pattern in [*_dates(who.birth_date), *sorted({*whole, *parts}, key=len, reverse=True)]:
        text = re.sub(pattern, "…", text, flags=re.IGNORECASE)
    return text.strip(" _-")


def _dates(date: str) -> list[str]:
    """Return patterns of a DICOM date: `19600102`, `1960-01-02`, `1960.1.2`, `1960年1月2日`."""
    digits = re.sub(r"\D", "", date)
    if len(digits) != 8:
        return [re.escape(date)] if len(date) > 1 else []
    # Without marks also inside of longer numbers, as those of identity cards.
    return [digits, rf"(?<!\d){digits[:4]}[\W_年]+0?{int(digits[4:6])}[\W_月]+0?{int(digits[6:])}(?!\d)日?"]


def volume_meta(file: DicomFile, stack: Stack) -> dict[str, Any]:
    """Return `Volume.meta` of a DICOM image."""
    thickness = {frame.thickness for frame in stack.frames if frame.thickness is not None}
    between = float(stack.geometry.spacing[2])
    warnings = list(stack.warnings)
    if file.text("PhotometricInterpretation") == "MONOCHROME1":
        warnings.append("monochrome1")
    if any(abs(mm - between) > 0.01 * between for mm in thickness):
        warnings.append("thickness-differs-from-spacing")
    return {
        "body_part": file.text("BodyPartExamined"),
        "series_description": free_text(file, "SeriesDescription"),
        "sequence": free_text(file, "SequenceName") or free_text(file, "ProtocolName"),
        "slice_thickness_mm": max(thickness) if thickness else None,
        "slice_spacing_mm": round(between, 6),
        "kernel": file.text("ConvolutionKernel"),
        "window": list(file.window) if file.window else None,
        "warnings": warnings,
        "provenance": _provenance(file, stack),
    }


def _provenance(file: DicomFile, stack: Stack) -> dict[str, Any]:
    import pydicom

    facts = {
        "format": "dicom",
        "files": len({frame.path for frame in stack.frames}),
        "frames": len(stack.frames),
        "sop_class": file.text("SOPClassUID"),
        "transfer_syntax": file.syntax,
        "pydicom": pydicom.__version__,
    }
    return voxels.provenance(facts)
