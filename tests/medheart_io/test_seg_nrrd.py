"""`.seg.nrrd`: what Slicer's own reader library sees, names, layers, overlaps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nrrd
import numpy as np
import pytest
import slicerio

from medheart.errors import ImageRejected, SchemaError
from medheart.schema import LabelSchema
from medheart.volume import LabelMap
from medheart_io import read_labels, write_labels

Locate = Callable[[str], Path]


@pytest.fixture
def written(tmp_path: Path, labels: LabelMap) -> Path:
    return write_labels(tmp_path / "labels.seg.nrrd", labels)


def rewrite(path: Path, changes: dict[str, str | None], array: np.ndarray | None = None, **fields: object) -> Path:
    """Change header fields, as another program would have written them."""
    data, header = nrrd.read(str(path))
    for name, value in changes.items():
        if value is None:
            del header[name]
        else:
            header[name] = value
    header.update(fields)
    nrrd.write(str(path), data if array is None else array, header)
    return path


def test_slicerio_reads_segments_and_voxels(written: Path, labels: LabelMap, schema: LabelSchema) -> None:
    found = slicerio.read_segmentation(str(written))
    np.testing.assert_array_equal(np.transpose(found["voxels"]), labels.array)
    np.testing.assert_allclose(found["ijkToLPS"], labels.geometry.affine)
    for segment, label in zip(found["segments"], schema.labels, strict=True):
        assert (segment["id"], segment["name"], segment["labelValue"]) == (label.name, label.name, label.value)
        assert segment["color"] == pytest.approx([c / 255 for c in label.color], abs=1e-6)
        assert segment["terminology"]["category"] == label.category.to_list()
        assert segment["terminology"]["type"] == label.type.to_list()
        assert segment["terminology"].get("typeModifier") == (label.modifier.to_list() if label.modifier else None)
        assert segment["terminology"].get("anatomicRegion") == (label.region.to_list() if label.region else None)
        assert segment["layer"] == 0
        i0, i1, j0, j1, k0, k1 = segment["extent"]
        k, j, i = np.nonzero(labels.mask(label.value))
        assert (i0, i1, j0, j1, k0, k1) == (i.min(), i.max(), j.min(), j.max(), k.min(), k.max())


def test_header_is_ascii(written: Path) -> None:
    assert written.read_bytes().split(b"\n\n")[0].isascii()


def test_a_chinese_title_is_refused_and_leaves_nothing(tmp_path: Path, labels: LabelMap) -> None:
    with pytest.raises(ImageRejected, match="ASCII") as caught:
        write_labels(tmp_path / "labels.seg.nrrd", labels, title="分割")
    assert caught.value.code == "not_ascii"
    assert list(tmp_path.iterdir()) == []


def test_empty_labels_are_listed_too(tmp_path: Path, labels: LabelMap) -> None:
    empty = labels.with_array(np.zeros_like(labels.array))
    path = write_labels(tmp_path / "empty.seg.nrrd", empty)
    assert len(slicerio.read_segmentation(str(path))["segments"]) == 3
    assert read_labels(path, labels.schema).counts == {}


def test_digest_survives(written: Path, labels: LabelMap) -> None:
    assert read_labels(written, labels.schema).digest == labels.digest


def test_renumbered_segments_are_refused_with_the_differing_labels(written: Path, schema: LabelSchema) -> None:
    data, _ = nrrd.read(str(written))
    rewrite(written, {"Segment0_LabelValue": "1"}, np.where(data == 7, 1, data).astype(np.uint8))
    with pytest.raises(SchemaError, match=r"kidney_left.*: 1") as caught:
        read_labels(written, schema)
    assert caught.value.details["differing"] == {"kidney_left": 1}


def test_unknown_segments_are_refused(written: Path, schema: LabelSchema) -> None:
    rewrite(written, {"Segment1_ID": "Segment_1", "Segment1_Name": "spleen"})
    with pytest.raises(SchemaError, match="spleen"):
        read_labels(written, schema)


def test_names_in_either_language_are_known(written: Path, schema: LabelSchema) -> None:
    rewrite(written, {"Segment0_ID": "Segment_1", "Segment0_Name": "left kidney"})
    assert read_labels(written, schema).schema == schema


def test_values_of_no_segment_are_refused(written: Path, schema: LabelSchema) -> None:
    rewrite(written, {name: None for name in nrrd.read_header(str(written)) if name.startswith("Segment2_")})
    with pytest.raises(SchemaError, match="belong to no segment"):
        read_labels(written, schema)


def _two_layers(written: Path, labels: LabelMap, *, overlap: bool) -> Path:
    first, second = (np.where(labels.array == value, labels.array, 0) for value in (7, 3))
    if overlap:
        second = np.where(first > 0, 3, second)
    stacked = np.stack([first, second]).astype(np.uint8).T
    directions = np.vstack([np.full(3, np.nan), labels.geometry.affine[:3, :3].T])
    changes: dict[str, str | None] = {"Segment1_Layer": "1"}
    changes |= {name: None for name in nrrd.read_header(str(written)) if name.startswith("Segment2_")}
    stacked = np.moveaxis(stacked, 3, 0)
    kinds = ["list", "domain", "domain", "domain"]
    return rewrite(written, changes, stacked, **{"space directions": directions, "kinds": kinds})


def test_layers_are_merged(written: Path, labels: LabelMap, schema: LabelSchema) -> None:
    back = read_labels(_two_layers(written, labels, overlap=False), schema)
    np.testing.assert_array_equal(back.array, np.where(labels.array == 200, 0, labels.array))


def test_overlapping_segments_are_refused(written: Path, labels: LabelMap, schema: LabelSchema) -> None:
    path = _two_layers(written, labels, overlap=True)
    with pytest.raises(ImageRejected, match="overlap") as caught:
        read_labels(path, schema)
    assert caught.value.code == "overlapping_segments"
