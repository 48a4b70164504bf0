"""Measuring files and versions: the schema is found, or values get names of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medheart.errors import GeometryError, ImageRejected, SchemaError
from medheart.records import LabelVersion
from medheart.volume import Volume
from medheart_io import write_volume
from medheart_store import Store
from medheart_work.exporting import write_label
from medheart_work.measuring import measure_file, measure_version, measured, read_label_file


def test_measurements_are_kept_once(store: Store, version: LabelVersion) -> None:
    first = measure_version(store, version.id)
    measure_version(store, version.id)
    assert len(store.documents(version.id, kind="measurements")) == 1
    assert measured(store, version.id) is not None
    assert {m.source for label in first.labels for m in label.measurements} == {version.id}


@pytest.mark.parametrize("ending", ["seg.nrrd", "dcm"])
def test_named_segments_find_their_schema(store: Store, version: LabelVersion, tmp_path: Path, ending: str) -> None:
    path = write_label(store, version.id, tmp_path / f"label.{ending}")
    assert read_label_file(path).schema.id == "hippocampus"


@pytest.mark.parametrize("ending", ["seg.nrrd", "dcm"])
def test_a_file_that_is_cut_short_is_said_to_be_and_not_to_fit_no_schema(
    store: Store, version: LabelVersion, tmp_path: Path, ending: str
) -> None:
    path = write_label(store, version.id, tmp_path / f"label.{ending}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 9 // 10])
    with pytest.raises(ImageRejected, match=path.name):
        read_label_file(path)


def test_a_slice_of_an_image_is_said_to_be_no_segmentation(dicom: Path) -> None:
    with pytest.raises(ImageRejected) as refused:
        read_label_file(sorted(dicom.glob("*.dcm"))[0])
    assert refused.value.code == "not_a_segmentation"


def test_plain_values_get_names(oblique: Volume, tmp_path: Path) -> None:
    array = np.zeros(oblique.geometry.shape, np.uint8)
    array[3:5, 3:5, 3:5] = 7
    path = write_volume(tmp_path / "label.nii.gz", Volume(array, oblique.geometry))
    table = measure_file(path)
    assert [(label.value, label.name) for label in table.labels] == [(7, "label_7")]
    assert table["label_7"]["volume"].value == pytest.approx(8 * 2.4 / 1000)


def test_values_outside_the_schema_are_refused(oblique: Volume, tmp_path: Path) -> None:
    array = np.full(oblique.geometry.shape, 9, np.uint8)
    path = write_volume(tmp_path / "label.nii.gz", Volume(array, oblique.geometry))
    with pytest.raises(SchemaError, match="9"):
        measure_file(path, schema_id="hippocampus")


def test_an_image_of_another_grid_is_refused(oblique: Volume, tmp_path: Path) -> None:
    label = write_volume(
        tmp_path / "label.nii.gz",
        Volume(np.ones((4, 4, 4), np.uint8), oblique.geometry.__class__.from_parts(shape=(4, 4, 4), spacing=(3, 3, 3))),
    )
    image = write_volume(tmp_path / "image.nii.gz", oblique)
    with pytest.raises(GeometryError):
        measure_file(label, image)
