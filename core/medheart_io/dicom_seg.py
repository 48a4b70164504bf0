"""DICOM SEG: label maps with the schema's codes, and with how they were made.

Segment numbers must run 1, 2, 3 …, label values need not: segments follow the schema's order and are
matched by label or codes when read, never by number.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medheart import __version__
from medheart.errors import MedHeartError, SchemaError
from medheart.geometry import Geometry
from medheart.schema import Code, LabelClass, LabelSchema
from medheart.volume import LabelMap, Volume
from medheart_io.boundary import reject, rejecting
from medheart_io.checks import MAX_DIMENSION, grid
from medheart_io.dicom_file import dcmread, open_dicom
from medheart_io.dicom_writer import SeriesFacts, series_datasets
from medheart_io.placing import place
from medheart_io.sniff import sniff
from medheart_io.streams import replacing
from medheart_io.voxels import label_dtype

__all__ = ["algorithm_type", "read_dicom_seg", "write_dicom_seg"]

_BINARY = "1.2.840.10008.5.1.4.1.1.66.4"
_LABELMAP = "1.2.840.10008.5.1.4.1.1.66.7"
_ARTIFICIAL_INTELLIGENCE = Code("DCM", "123110", "Artificial Intelligence")
_MAX_PIXELS = 2**33
# highdicom 0.28 packs the bits of smaller frames wrongly.
_MIN_PIXELS = 8
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
        content_creator_name=author or None,
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
    images = _read_headers(Path(source)) if isinstance(source, str | Path) else list(source)
    for image in images:
        for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime"):
            image.setdefault(keyword, "")
        for keyword in ("AccessionNumber", "ReferringPhysicianName", "StudyID", "PositionReferenceIndicator"):
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
            headers.append(dcmread(stream, stop_before_pixels=True))
    return headers


def read_dicom_seg(path: str | Path, schema: LabelSchema, *, like: Geometry | None = None) -> LabelMap:
    """Read a DICOM SEG as a label map.

    Empty slices are usually not stored: without `like` the grid spans the stored ones.

    Parameters
    ----------
    path : path-like
        The file.
    schema : LabelSchema
        Its labels are found by SegmentLabel, else by category, type and modifier codes.
    like : Geometry, optional
        Grid of the image, see `read_labels`.

    Raises
    ------
    ImageRejected
        `not_a_segmentation`, `fractional`, `overlapping_segments`, `unreadable`, …
    SchemaError
        If a segment is none of the schema's labels; names them.
    """
    path = Path(path)
    with rejecting(path):
        segmentation = _open(path)
        table = _values(segmentation, schema, path)
        geometry = segmentation.get_volume_geometry(allow_missing_positions=True)
        if geometry is None:
            raise reject(path, "its frames do not form a regular volume", "uneven_spacing")
        affine = geometry.affine[:, [2, 1, 0, 3]]
        where = grid(geometry.spatial_shape, affine, path)
        array = table[_combined(segmentation, path)]
        labels = LabelMap(array, where, schema)
    return labels if like is None else place(labels, like)


def _open(path: Path) -> Any:
    import highdicom

    if sniff(path) != "dicom":
        raise reject(path, "is no DICOM file", "not_a_segmentation")
    with open_dicom(path) as stream:
        dataset = dcmread(stream, force=True)
    if dataset.get("SOPClassUID") not in {_BINARY, _LABELMAP}:
        raise reject(path, "is no DICOM segmentation", "not_a_segmentation")
    if dataset.get("SegmentationType") not in {"BINARY", "LABELMAP"}:
        raise reject(path, "holds fractions per voxel, a label map has whole labels", "fractional")
    rows, columns, frames = (int(dataset[name].value) for name in ("Rows", "Columns", "NumberOfFrames"))
    if not (0 < rows <= MAX_DIMENSION and 0 < columns <= MAX_DIMENSION and 0 < frames * rows * columns <= _MAX_PIXELS):
        raise reject(path, f"has {frames} frames of {rows} x {columns}", "bad_shape")
    return highdicom.seg.Segmentation.from_dataset(dataset, copy=False)


def _combined(segmentation: Any, path: Path) -> Any:
    try:
        return segmentation.get_volume(combine_segments=True, allow_missing_positions=True, dtype=np.uint16).array
    except RuntimeError as error:
        if "overlap" not in str(error).lower():
            raise
        text = "has segments that overlap, a label map has one label per voxel"
        raise reject(path, text, "overlapping_segments") from error


def _values(segmentation: Any, schema: LabelSchema, path: Path) -> Any:
    numbers = [int(item.SegmentNumber) for item in segmentation.SegmentSequence]
    table = np.zeros(max(numbers, default=0) + 1, dtype=label_dtype(schema))
    unknown = []
    for item in segmentation.SegmentSequence:
        label = _find(item, schema)
        if label is None and int(item.SegmentNumber) != 0:
            unknown.append(str(item.get("SegmentLabel", "?")))
        elif label is not None:
            table[int(item.SegmentNumber)] = label.value
    if unknown:
        names = [label.name for label in schema.labels]
        raise SchemaError(
            f"{path.name}: segments {unknown} are not in schema {schema.id!r}, which has {names}",
            differing=unknown,
            expected=names,
        )
    return table


def _find(item: Any, schema: LabelSchema) -> LabelClass | None:
    name = str(item.get("SegmentLabel", ""))
    for label in schema.labels:
        if name in {label.name, *label.names.values()}:
            return label
    codes = _codes(item)
    found = [label for label in schema.labels if _label_codes(label) == codes]
    return found[0] if len(found) == 1 else None


def _code_of(sequence: Any) -> tuple[str, str] | None:
    return (str(sequence[0].CodingSchemeDesignator), str(sequence[0].CodeValue)) if sequence else None


def _codes(item: Any) -> tuple[Any, ...]:
    kind = item.SegmentedPropertyTypeCodeSequence
    modifier = kind[0].get("SegmentedPropertyTypeModifierCodeSequence")
    return (
        _code_of(item.SegmentedPropertyCategoryCodeSequence),
        _code_of(kind),
        _code_of(modifier),
        _code_of(item.get("AnatomicRegionSequence")),
    )


def _label_codes(label: LabelClass) -> tuple[Any, ...]:
    codes = (label.category, label.type, label.modifier, label.region)
    return tuple(None if code is None else (code.scheme, code.value) for code in codes)
