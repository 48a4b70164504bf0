"""Numbers as they are printed."""

from __future__ import annotations

import pytest

from medheart.schema import load_schema
from medheart_measure.quantities import quantity_measurement
from medheart_reports.formats import format_number, show

NODULE = load_schema("lung-nodule").by_value(1)
HIPPOCAMPUS = load_schema("hippocampus").by_value(1)


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (365.4522, 3, "365.5"),
        (23.0308, 3, "23.03"),
        (0.52366, 3, "0.524"),
        (26406.708, 1, "26407"),
        (-77.06, 1, "−77.1"),
        (0.0456, 4, "0.0456"),
        (-0.000823, 6, "−0.000823"),
    ],
)
def test_four_figures_are_enough(value, digits, text):
    assert format_number(value, digits) == text


def test_nothing_is_minus_zero():
    assert format_number(-0.01, 1) == "0.0"


@pytest.mark.parametrize(("label", "text"), [(NODULE, "524 mm³"), (HIPPOCAMPUS, "0.524 mL"), (None, "0.524 mL")])
def test_nodules_are_in_cubic_millimetres_and_organs_in_millilitres(label, text):
    measurement = {"code": "volume", "value": 0.52366, "unit": "mL", "digits": 3}
    assert str(show(measurement, label)) == text


@pytest.mark.parametrize(("value", "text"), [(0.0004, "0.400 mm³"), (0.0006, "1 mm³"), (0.0, "0 mm³")])
def test_a_nodule_of_a_part_of_a_cubic_millimetre_is_not_printed_as_none(value, text):
    assert str(show(quantity_measurement("volume", value).to_dict(), NODULE)) == text


@pytest.mark.parametrize(("value", "text"), [(0.0004, "0.000400 mL"), (0.0, "0.000 mL")])
def test_a_small_label_is_not_printed_as_none(value, text):
    assert str(show(quantity_measurement("volume", value).to_dict(), HIPPOCAMPUS)) == text


def test_an_image_of_values_from_0_to_1_is_printed_in_three_figures():
    measurement = quantity_measurement("intensity_mean", 0.04561, unit="1").to_dict()
    assert str(show(measurement)) == f"{measurement['value']:.{measurement['digits']}f}" == "0.0456"


@pytest.mark.parametrize(("unit", "text"), [("[hnsf'U]", "40.0 HU"), ("1", "40.0"), ("mm2", "40.0 mm²")])
def test_units_are_written_as_people_write_them(unit, text):
    assert str(show({"code": "x", "value": 40, "unit": unit, "digits": 1})) == text


@pytest.mark.parametrize(("value", "text"), [(14.13, "14130 mm³"), (14.137, "14.14 mL"), (69.408, "69.41 mL")])
def test_beyond_three_centimetres_it_is_no_nodule(value, text):
    assert str(show({"code": "volume", "value": value, "unit": "mL", "digits": 3}, NODULE)) == text
