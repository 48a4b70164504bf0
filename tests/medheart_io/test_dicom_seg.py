"""DICOM SEG: codes, algorithm type, references; frames checked bit by bit without highdicom's reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from medheart.errors import ImageRejected, MedHeartError, SchemaError
from medheart.geometry import Geometry
from medheart.schema import Code, LabelClass, LabelSchema
from medheart.volume import LabelMap, Volume
from medheart_io import read_dicom_seg, read_image, read_labels, write_dicom_seg, write_dicom_series

Locate = Callable[[str], Path]
TISSUE = Code("SCT", "85756007", "Tissue")


@pytest.fixture
def source(tmp_path: Path, volume: Volume) -> Path:
    return write_dicom_series(tmp_path / "ct", volume, patient_id="P7", patient_name="王^小明")[0].parent


@pytest.fixture
def on_image(source: Path, labels: LabelMap) -> LabelMap:
    """Labels on the grid as the DICOM image is read: slices ascending."""
    image = read_image(source)
    return LabelMap(labels.array[::-1].copy(), image.geometry, labels.schema)


def one(sequence: Any) -> tuple[str, str, str]:
    return sequence[0].CodingSchemeDesignator, sequence[0].CodeValue, sequence[0].CodeMeaning


def test_codes_are_the_schemas(source: Path, on_image: LabelMap, tmp_path: Path) -> None:
    path = write_dicom_seg(tmp_path / "seg.dcm", on_image, origin="hippocampus@1.2", source=source)
    dataset = pydicom.dcmread(path)
    assert dataset.SegmentationType == "BINARY"
    assert [int(item.SegmentNumber) for item in dataset.SegmentSequence] == [1, 2, 3]
    for item, label in zip(dataset.SegmentSequence, on_image.schema.labels, strict=True):
        assert item.SegmentLabel == label.name
        assert one(item.SegmentedPropertyCategoryCodeSequence) == tuple(label.category.to_list())
        assert one(item.SegmentedPropertyTypeCodeSequence) == tuple(label.type.to_list())
        modifier = item.SegmentedPropertyTypeCodeSequence[0].get("SegmentedPropertyTypeModifierCodeSequence")
        assert (one(modifier) if modifier else None) == (tuple(label.modifier.to_list()) if label.modifier else None)
        region = item.get("AnatomicRegionSequence")
        assert (one(region) if region else None) == (tuple(label.region.to_list()) if label.region else None)
        assert item.SegmentAlgorithmType == "AUTOMATIC"
        identification = item.SegmentationAlgorithmIdentificationSequence[0]
        assert (identification.AlgorithmName, identification.AlgorithmVersion) == ("hippocampus", "1.2")


@pytest.mark.parametrize(
    ("origin", "kind"),
    [("manual", "MANUAL"), ("edited", "SEMIAUTOMATIC"), ("imported", "SEMIAUTOMATIC"), ("a@1", "AUTOMATIC")],
)
def test_algorithm_type_follows_the_origin(
    origin: str, kind: str, on_image: LabelMap, source: Path, tmp_path: Path
) -> None:
    path = write_dicom_seg(tmp_path / "seg.dcm", on_image, origin=origin, source=source, model="lung@2")
    items = pydicom.dcmread(path).SegmentSequence
    assert {item.SegmentAlgorithmType for item in items} == {kind}
    assert all(("SegmentAlgorithmName" in item) == (kind != "MANUAL") for item in items)


def test_unknown_origins_are_refused(on_image: LabelMap, tmp_path: Path) -> None:
    with pytest.raises(MedHeartError, match="task@version"):
        write_dicom_seg(tmp_path / "seg.dcm", on_image, origin="robot")


def test_references_name_the_image(source: Path, on_image: LabelMap, tmp_path: Path) -> None:
    path = write_dicom_seg(tmp_path / "seg.dcm", on_image, origin="manual", source=source, author="Li^Wei")
    dataset = pydicom.dcmread(path)
    images = {pydicom.dcmread(p).SOPInstanceUID for p in source.iterdir()}
    referenced = dataset.ReferencedSeriesSequence[0]
    assert {item.ReferencedSOPInstanceUID for item in referenced.ReferencedInstanceSequence} <= images
    image = pydicom.dcmread(next(source.iterdir()))
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert dataset[keyword].value == image[keyword].value
    assert dataset.ContentCreatorName == "Li^Wei"
    assert not dataset.get("ContentDescription")


@pytest.mark.parametrize("name", ["good", "gb18030"])
def test_chinese_authors_beside_any_character_set(
    name: str, test_data: Locate, schema: LabelSchema, tmp_path: Path
) -> None:
    folder = test_data(f"dicom/defects/{name}")
    image = read_image(folder)
    labels = LabelMap(np.zeros(image.geometry.shape, np.uint8), image.geometry, schema)
    path = write_dicom_seg(tmp_path / "s.dcm", labels, origin="manual", source=folder, author="李伟")
    dataset, original = pydicom.dcmread(path), pydicom.dcmread(next(folder.iterdir()))
    assert str(dataset.ContentCreatorName) == "李伟^"
    assert str(dataset.PatientName) == str(original.PatientName)
    assert dataset.PatientID == original.PatientID


def test_without_a_dicom_source_it_says_so(labels: LabelMap, tmp_path: Path) -> None:
    path = write_dicom_seg(tmp_path / "seg.dcm", labels, origin="manual", patient_id="P9")
    dataset = pydicom.dcmread(path)
    assert dataset.ContentDescription == "The source was no DICOM; its references name no stored images"
    assert dataset.PatientID == "P9"


def test_every_bit_lies_where_it_belongs(source: Path, on_image: LabelMap, tmp_path: Path) -> None:
    """Unpack the frames by hand and look each one up in the label map by its position."""
    path = write_dicom_seg(tmp_path / "seg.dcm", on_image, origin="manual", source=source)
    dataset = pydicom.dcmread(path)
    rows, columns, count = dataset.Rows, dataset.Columns, int(dataset.NumberOfFrames)
    bits = np.unpackbits(np.frombuffer(dataset.PixelData, np.uint8), bitorder="little")
    frames = bits[: count * rows * columns].reshape(count, rows, columns).astype(bool)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    row, column = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float).reshape(2, 3)
    down, across = (float(s) for s in shared.PixelMeasuresSequence[0].PixelSpacing)
    found = np.zeros(on_image.array.shape, int)
    for item, frame in zip(dataset.PerFrameFunctionalGroupsSequence, frames, strict=True):
        number = int(item.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        corner = np.array(item.PlanePositionSequence[0].ImagePositionPatient, float)
        j, i = np.nonzero(frame)
        points = corner + np.outer(i * across, row) + np.outer(j * down, column)
        index = on_image.geometry.lps_to_index(points)
        assert np.abs(index - np.rint(index)).max(initial=0) < 1e-3
        x, y, z = np.rint(index).astype(int).T
        found[z, y, x] = on_image.schema.labels[number - 1].value
    np.testing.assert_array_equal(found, on_image.array)


def test_read_back(source: Path, on_image: LabelMap, tmp_path: Path) -> None:
    path = write_dicom_seg(tmp_path / "seg.dcm", on_image, origin="manual", source=source)
    assert read_labels(path, on_image.schema, like=on_image.geometry).digest == on_image.digest
    alone = read_dicom_seg(path, on_image.schema)
    assert alone.counts == on_image.counts
    assert alone.geometry.shape[0] == 4


def test_an_empty_label_map(on_image: LabelMap, source: Path, tmp_path: Path) -> None:
    empty = on_image.with_array(np.zeros_like(on_image.array))
    path = write_dicom_seg(tmp_path / "seg.dcm", empty, origin="manual", source=source)
    assert read_dicom_seg(path, empty.schema, like=empty.geometry).counts == {}


def test_the_same_call_writes_the_same_uids(on_image: LabelMap, source: Path, tmp_path: Path) -> None:
    names = [write_dicom_seg(tmp_path / f"{n}.dcm", on_image, origin="manual", source=source) for n in range(2)]
    assert len({pydicom.dcmread(path).SOPInstanceUID for path in names}) == 1


def test_tiny_slices_are_refused(schema: LabelSchema, tmp_path: Path) -> None:
    grid = Geometry.from_parts(shape=(2, 2, 3), spacing=(1, 1, 1))
    with pytest.raises(ImageRejected, match="fewer than 8 pixels"):
        write_dicom_seg(tmp_path / "s.dcm", LabelMap(np.zeros(grid.shape, np.uint8), grid, schema), origin="manual")


def test_segments_of_others_are_found_by_code(test_data: Locate) -> None:
    """A real SEG of another program: the schema has another name and value, but the same codes."""
    path = test_data("dicom/dcmqi/segmentations/liver.dcm")
    item = pydicom.dcmread(path).SegmentSequence[0]
    category, kind = (
        Code(*one(item[name].value))
        for name in ("SegmentedPropertyCategoryCodeSequence", "SegmentedPropertyTypeCodeSequence")
    )
    schema = LabelSchema("x", "1", (LabelClass(42, "my_liver", {"en": "my liver"}, category, kind, (1, 2, 3)),))
    image = read_image(test_data("dicom/dcmqi/segmentations/ct-3slice"))
    labels = read_labels(path, schema, like=image.geometry)
    assert labels.array.shape == (3, 512, 512)
    assert labels.counts[42] > 1000
    other = LabelSchema("y", "1", (LabelClass(1, "bone", {"en": "bone"}, TISSUE, TISSUE, (1, 2, 3)),))
    with pytest.raises(SchemaError, match="Liver"):
        read_labels(path, other)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("highdicom/seg_image_ct_true_fractional.dcm", "fractional"),
        ("highdicom/ct_image.dcm", "not_a_segmentation"),
    ],
)
def test_other_files_are_refused(name: str, code: str, test_data: Locate, schema: LabelSchema) -> None:
    with pytest.raises(ImageRejected) as caught:
        read_labels(test_data(f"dicom/{name}"), schema)
    assert caught.value.code == code


def test_overlapping_segments_are_refused(test_data: Locate) -> None:
    path = test_data("dicom/dcmqi/segmentations/partial_overlaps.dcm")
    items = pydicom.dcmread(path).SegmentSequence
    labels = tuple(
        LabelClass(n, f"s{n}", {"en": item.SegmentLabel}, TISSUE, TISSUE, (1, 2, 3)) for n, item in enumerate(items, 1)
    )
    with pytest.raises(ImageRejected, match="overlap") as caught:
        read_labels(path, LabelSchema("o", "1", labels))
    assert caught.value.code == "overlapping_segments"


def test_foreign_codecs_are_not_run_on_a_segmentation(source: Path, on_image: LabelMap, tmp_path: Path) -> None:
    path = write_dicom_seg(tmp_path / "seg.dcm", on_image, origin="manual", source=source)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
    dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51" + bytes(60)] * int(dataset.NumberOfFrames))
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    with pytest.raises(ImageRejected, match="uncompressed, deflated or RLE") as caught:
        read_dicom_seg(path, on_image.schema)
    assert caught.value.code == "unsupported_compression"
