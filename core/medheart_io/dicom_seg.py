"""Writing DICOM SEG: label maps with the schema's codes, and with how they were made.

Segment numbers must run 1, 2, 3 …, label values need not: segments follow the schema's order.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np

from medheart import __version__
from medheart.errors import MedHeartError
from medheart.schema import Code, LabelClass
from medheart.volume import LabelMap, Volume
from medheart_io.boundary import reject, rejecting
from medheart_io.dicom_file import dcmread, open_dicom
from medheart_io.dicom_writer import SeriesFacts, series_datasets
from medheart_io.streams import replacing

__all__ = ["algorithm_type", "write_dicom_seg"]

_ARTIFICIAL_INTELLIGENCE = Code("DCM", "123110", "Artificial Intelligence")
# highdicom 0.28 packs the bits of smaller frames wrongly.
_MIN_PIXELS = 8
_NEEDED: tuple[str, ...] = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
)
_NEEDED += ("AccessionNumber", "ReferringPhysicianName", "PositionReferenceIndicator")
_NO_SOURCE = "The source was no DICOM; its references name no stored images"


def algorithm_type(origin: str) -> str:
    """Return the DICOM algorithm type of a version's origin.

    Parameters
    ----------
    origin : str
        `manual` is MANUAL; `edited` and `imported` are SEMIAUTOMATIC (a person, and perhaps a machine);
        `task@version` is AUTOMATIC.

    Raises
    ------
    MedHeartError
        `bad_argument` for any other word.
    """
    if origin == "manual":
        return "MANUAL"
    if origin in {"edited", "imported"}:
        return "SEMIAUTOMATIC"
    if all(origin.partition("@")[::2]):
        return "AUTOMATIC"
    raise MedHeartError(f"origin must be manual, edited, imported or task@version, got {origin!r}", code="bad_argument")


def write_dicom_seg(
    path: str | Path,
    labels: LabelMap,
    *,
    origin: str,
    source: str | Path | Sequence[Any] | None = None,
    model: str = "",
    modality: str = "CT",
    patient_id: str = "",
    author: str = "",
    description: str = "Segmentation",
) -> Path:
    """Write a binary DICOM SEG with one segment per label of the schema.

    Parameters
    ----------
    path : path-like
        Target.
    labels : LabelMap
        On the grid of the image, or another grid of the same patient.
    origin : str
        Origin of the label version; sets the algorithm type, see `algorithm_type`.
    source : path-like or sequence of pydicom.Dataset, optional
        Folder, file or headers of the DICOM image. Without it the references name a series that exists
        nowhere, made for `modality` and `patient_id`, and ContentDescription says so.
    model : str
        `task@version` that an edited label started from.
    author : str
        Name of the person, for ContentCreatorName.
    description : str
        SeriesDescription.

    Returns
    -------
    pathlib.Path
        The file written.

    Raises
    ------
    ImageRejected
        `several_series`, or what reading the source says.
    MedHeartError
        `bad_argument` for an unknown origin.
    """
    import highdicom
    from pydicom.uid import generate_uid

    warnings.filterwarnings("ignore", category=UserWarning, module=r"highdicom\.")
    path, kind = Path(path), algorithm_type(origin)
    if labels.geometry.shape[1] * labels.geometry.shape[2] < _MIN_PIXELS:
        raise reject(path, f"a slice of fewer than {_MIN_PIXELS} pixels cannot be a DICOM segmentation", "bad_shape")
    images = _references(labels, source, modality, patient_id)
    affine = labels.geometry.affine[:, [2, 1, 0, 3]]
    volume = highdicom.Volume(
        _numbered(labels), affine, "PATIENT", frame_of_reference_uid=str(images[0].FrameOfReferenceUID)
    )
    seed = [labels.digest, str(images[0].SeriesInstanceUID), origin, author]
    segmentation = highdicom.seg.Segmentation(
        source_images=images,
        pixel_array=volume,
        segmentation_type="BINARY",
        segment_descriptions=[
            _describe(number, label, kind, model or origin)
            for number, label in enumerate(labels.schema.labels, start=1)
        ],
        series_instance_uid=generate_uid(entropy_srcs=["seg-series", *seed]),
        series_number=300,
        sop_instance_uid=generate_uid(entropy_srcs=["seg", *seed]),
        instance_number=1,
        manufacturer="MedHeart",
        manufacturer_model_name="medheart_io",
        software_versions=__version__,
        device_serial_number="1",
        content_label="SEGMENTATION",
        content_description=None if source is not None else _NO_SOURCE,
        content_creator_name=(author if "^" in author else f"{author}^") if author else None,
        series_description=description,
    )
    with replacing(path) as temporary:
        segmentation.save_as(temporary, enforce_file_format=True)
    return path


def _numbered(labels: LabelMap) -> Any:
    table = np.zeros(max(labels.schema.values, default=0) + 1, dtype=np.uint16)
    for number, value in enumerate(labels.schema.values, start=1):
        table[value] = number
    return table[labels.array]


def _concept(code: Code) -> Any:
    from highdicom.sr import CodedConcept

    return CodedConcept(code.value, code.scheme, code.meaning)


def _describe(number: int, label: LabelClass, kind: str, made_by: str) -> Any:
    import highdicom

    algorithm = None
    if kind != "MANUAL":
        name, _, version = made_by.partition("@")
        algorithm = highdicom.AlgorithmIdentificationSequence(
            name=name, family=_concept(_ARTIFICIAL_INTELLIGENCE), version=version or __version__, source="MedHeart"
        )
    segment = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=label.name[:64],
        segmented_property_category=_concept(label.category),
        segmented_property_type=_concept(label.type),
        algorithm_type=kind,
        algorithm_identification=algorithm,
        anatomic_regions=[_concept(label.region)] if label.region else None,
        display_color=highdicom.color.CIELabColor.from_rgb(*label.color),
    )
    if label.modifier:
        item = segment.SegmentedPropertyTypeCodeSequence[0]
        item.SegmentedPropertyTypeModifierCodeSequence = [_concept(label.modifier)]
    return segment


def _references(
    labels: LabelMap, source: str | Path | Sequence[Any] | None, modality: str, patient_id: str
) -> list[Any]:
    if source is None:
        grid_only = Volume(np.broadcast_to(np.int16(0), labels.geometry.shape), labels.geometry, modality)
        facts = SeriesFacts(patient_id, series_description="reference of a segmentation")
        return series_datasets(grid_only, facts, pixels=False)
    images = _read_headers(Path(source)) if isinstance(source, str | Path) else deepcopy(list(source))
    for image in images:
        # What is copied into the segmentation must be able to stand beside Chinese names.
        image.decode()
        image.SpecificCharacterSet = "ISO_IR 192"
        for keyword in _NEEDED:
            image.setdefault(keyword, "")
        if not image.get("FrameOfReferenceUID"):
            image.FrameOfReferenceUID = image.SeriesInstanceUID
    return images


def _read_headers(path: Path) -> list[Any]:
    from medheart_io.scanning import scan

    usable = [c for c in scan([path]) if c.kind == "volume" and c.modality and c.code != "truncated"]
    if len(usable) != 1:
        raise reject(path, f"holds {len(usable)} DICOM images, the source of a segmentation is one", "several_series")
    headers = []
    for file in usable[0].files:
        with rejecting(file), open_dicom(file) as stream:
            headers.append(dcmread(stream, file, stop_before_pixels=True))
    return headers
