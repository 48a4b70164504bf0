"""Every quantity is explained, coded with codes that exist, and has a golden value."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom.sr._concepts_dict import concepts

from medheart import Code, Geometry, LabelClass, LabelMap, LabelSchema, Volume
from medheart_measure import load_quantities, measure
from medheart_measure.quantities import quantity_measurement

GOLDEN = Path(__file__).parent / "golden_sarcoma.json"
QUANTITIES = list(load_quantities().values())
UNITS = {"1", "mm", "mm2", "mL", "intensity"}
CONVENTIONS = {"voxels", "voxel-centres", "voxel-corners", "outer-edges"}


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda q: q.code)
def test_quantity_is_explained(quantity):
    for language in ("en", "zh"):
        assert quantity.names[language]
        assert len(quantity.definition[language]) >= 8
    assert any("\u4e00" <= letter <= "\u9fff" for letter in quantity.names["zh"])
    assert quantity.unit in UNITS
    assert quantity.convention in CONVENTIONS
    assert quantity.method
    assert 0 <= quantity.digits <= 3


@pytest.mark.parametrize("quantity", [q for q in QUANTITIES if q.concept or q.modifier], ids=lambda q: q.code)
def test_codes_are_those_of_dicom(quantity):
    for code in filter(None, (quantity.concept, quantity.modifier)):
        known = {(value, meaning) for entry in concepts[code.scheme].values() for value, (meaning, _) in entry.items()}
        assert (code.value, code.meaning) in known


def test_every_quantity_has_a_golden_value(golden):
    assert set(golden["values"]) == set(load_quantities())


def test_golden_values_of_a_real_sarcoma(test_data, golden):
    image = nib.load(test_data(golden["image"]))
    mask = np.ascontiguousarray(np.asarray(nib.load(test_data(golden["mask"])).dataobj).astype(np.uint8).T)
    geometry = Geometry.from_ras(mask.shape, image.affine)
    code = Code("SCT", "49755003", "Morphologically Abnormal Structure")
    schema = LabelSchema("t", "1", (LabelClass(1, "sarcoma", {}, code, code, (1, 2, 3)),))
    table = measure(LabelMap(mask, geometry, schema), Volume(np.asarray(image.dataobj).T, geometry, "CT"))
    assert {m.code: m.value for m in table["sarcoma"].measurements} == pytest.approx(golden["values"], rel=1e-6)


@pytest.mark.parametrize(
    ("code", "value", "unit", "digits"),
    [
        ("volume", 0.0004, "", 6),
        ("volume", 0.0006, "", 3),
        ("volume", 0.0, "", 3),
        ("max_area_axial", 0.04, "", 4),
        ("intensity_mean", 0.0456, "1", 4),
        ("intensity_mean", 0.456, "1", 3),
        ("intensity_mean", 456.7, "1", 1),
        ("intensity_mean", -0.00082, "1", 6),
        ("intensity_mean", 0.456, "[hnsf'U]", 1),
        ("intensity_std", 1.4e-17, "1", 1),
        ("centroid_x", 0.04, "", 1),
    ],
)
def test_what_is_not_0_is_not_printed_as_0_unless_it_is_a_place_or_noise(code, value, unit, digits):
    assert quantity_measurement(code, value, unit=unit).digits == digits
