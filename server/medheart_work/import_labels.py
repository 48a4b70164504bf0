"""Segmentations that come with the images of a study: DICOM SEG becomes a label version of its image."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom

from medheart.errors import GeometryError, ImageRejected, SchemaError
from medheart.records import LabelVersion
from medheart.schema import Code, LabelClass, LabelSchema, load_schema, schema_ids
from medheart.volume import LabelMap
from medheart_io import Candidate, read_dicom_seg
from medheart_io.dicom_file import open_dicom
from medheart_store import Store
from medheart_work.colors import color_of
from medheart_work.import_label_files import told

__all__ = ["import_segmentation", "stated_schema"]


def import_segmentation(
    store: Store, candidate: Candidate, images: Mapping[str, str]
) -> tuple[Candidate, LabelVersion | None]:
    """Keep a DICOM SEG as a version of the image that it refers to.

    Parameters
    ----------
    candidate : Candidate
        Of kind `segmentation`.
    images : mapping of str to str
        SeriesInstanceUID to series id of the images that were imported with it.

    Returns
    -------
    Candidate, LabelVersion or None
        The candidate with its answer, and the version; None where it was not taken.
    """
    (path,) = candidate.files[:1]
    try:
        header = _header(path)
        image = images.get(_referenced(header), "")
        if not image:
            message = f"{path.name}: its image is not among those imported"
            return replace(candidate, status="rejected", code="image_missing", message=message), None
        labels = _read(path, header, store.volume(image).geometry)
    except (ImageRejected, GeometryError, SchemaError) as error:
        return replace(candidate, status="rejected", code=error.code, message=error.message), None
    version = store.add_version(
        labels,
        image=image,
        author="import",
        origin="imported",
        meta={"algorithm_types": sorted({str(item.SegmentAlgorithmType) for item in header.SegmentSequence})},
        key=f"import-{image}-{labels.digest[:32]}",
    )
    message = told(store, version)
    return replace(candidate, status="accepted", code="labels", message=message, geometry=labels.geometry), version


def stated_schema(header: Any) -> LabelSchema:
    """Return the schema that a DICOM SEG states: its segments with their names and codes."""
    labels: list[LabelClass] = []
    for item in header.SegmentSequence:
        number, title = int(item.SegmentNumber), str(item.get("SegmentLabel", "")).strip()
        if number == 0:
            continue
        name = re.sub("[^A-Za-z0-9_-]+", "_", title).strip("_") or f"segment_{number}"
        taken = {label.name for label in labels}
        kind = item.SegmentedPropertyTypeCodeSequence
        labels.append(
            LabelClass(
                value=number,
                name=f"{name}_{number}" if name in taken else name,
                names={"en": title or name},
                category=_code(item.SegmentedPropertyCategoryCodeSequence),
                type=_code(kind),
                color=color_of(len(labels)),
                region=_optional(item.get("AnatomicRegionSequence")),
                modifier=_optional(kind[0].get("SegmentedPropertyTypeModifierCodeSequence")),
            )
        )
    return LabelSchema("stated", "1", tuple(labels))


def _read(path: Path, header: Any, grid: Any) -> LabelMap:
    """Read with the shipped schema that has all segments, else with the one that the file states."""
    for schema_id in schema_ids():
        try:
            return read_dicom_seg(path, load_schema(schema_id), like=grid)
        except SchemaError:
            continue
    return read_dicom_seg(path, stated_schema(header), like=grid)


def _header(path: Path) -> Any:
    try:
        with open_dicom(path) as stream:
            return pydicom.dcmread(stream, stop_before_pixels=True, force=True)
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise ImageRejected(f"{path.name}: its header cannot be read: {error}", path=str(path)) from error


def _referenced(header: Any) -> str:
    series = header.get("ReferencedSeriesSequence")
    return str(series[0].SeriesInstanceUID) if series else ""


def _code(sequence: Any) -> Code:
    """Return a coded entry; codes of more than 16 characters and URNs stand in attributes of their own (PS3.3, 8.1)."""
    item = sequence[0]
    values = (item.get(name) for name in ("CodeValue", "LongCodeValue", "URNCodeValue"))
    value = next((str(value) for value in values if value), "")
    return Code(str(item.get("CodingSchemeDesignator", "")), value, str(item.get("CodeMeaning", "")))


def _optional(sequence: Any) -> Code | None:
    return _code(sequence) if sequence else None
