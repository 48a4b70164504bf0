"""What a volume may know of its series: facts for task choice and reports, free of identity."""

from __future__ import annotations

import re
from typing import Any

from medheart_io import voxels
from medheart_io.candidate import Identity
from medheart_io.dicom_file import DicomFile
from medheart_io.dicom_stack import Stack

__all__ = ["free_text", "identity_of", "volume_meta"]


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
    """Return a free text of the header without the patient's name, id and birth date."""
    text, who = file.text(keyword), identity_of(file)
    words = [who.patient_id, who.birth_date, file.text("AccessionNumber"), *re.split(r"[\^=\s]+", who.name), who.name]
    for word in sorted({w for w in words if len(w) > 1}, key=len, reverse=True):
        text = re.sub(re.escape(word), "…", text, flags=re.IGNORECASE)
    return text.strip(" _-")


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
