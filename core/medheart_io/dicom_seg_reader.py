"""Reading DICOM SEG as a label map.

Segments are matched to the schema by their label or their codes, never by number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from medheart.errors import SchemaError
from medheart.geometry import Geometry
from medheart.schema import LabelClass, LabelSchema
from medheart.volume import LabelMap
from medheart_io.boundary import reject, rejecting
from medheart_io.checks import MAX_DIMENSION, grid
from medheart_io.dicom_file import dcmread, open_dicom
from medheart_io.dicom_pixels import READ_HERE
from medheart_io.placing import place
from medheart_io.sniff import sniff
from medheart_io.voxels import label_dtype

__all__ = ["read_dicom_seg"]

_BINARY = "1.2.840.10008.5.1.4.1.1.66.4"
_LABELMAP = "1.2.840.10008.5.1.4.1.1.66.7"
_MAX_PIXELS = 2**33


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
        `not_a_segmentation`, `fractional`, `overlapping_segments`, `unsupported_compression`, `unreadable`, …
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
        dataset = dcmread(stream, path, force=True)
    if dataset.get("SOPClassUID") not in {_BINARY, _LABELMAP}:
        raise reject(path, "is no DICOM segmentation", "not_a_segmentation")
    if dataset.get("SegmentationType") not in {"BINARY", "LABELMAP"}:
        raise reject(path, "holds fractions per voxel, a label map has whole labels", "fractional")
    rows, columns, frames = (int(dataset[name].value) for name in ("Rows", "Columns", "NumberOfFrames"))
    if not (0 < rows <= MAX_DIMENSION and 0 < columns <= MAX_DIMENSION and 0 < frames * rows * columns <= _MAX_PIXELS):
        raise reject(path, f"has {frames} frames of {rows} x {columns}", "bad_shape")
    syntax = str(dataset.file_meta.get("TransferSyntaxUID", ""))
    if syntax not in READ_HERE:
        text = f"is compressed as {syntax!r}, a segmentation may be uncompressed, deflated or RLE"
        raise reject(path, text, "unsupported_compression")
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
