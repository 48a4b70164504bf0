from __future__ import annotations

import re

import pytest

from medheart.errors import NotFound, SchemaError
from medheart.schema import Code, LabelClass, LabelSchema, load_schema, schema_ids

CODE = Code("SCT", "85756007", "Tissue")


def label(value: int, name: str) -> LabelClass:
    return LabelClass(value, name, {"en": name.title(), "zh": "组织"}, CODE, CODE, (10, 20, 30), region=CODE)


def test_dict_round_trip_keeps_values_codes_and_colours() -> None:
    schema = LabelSchema("s", "2", (label(7, "tumour"), label(3, "edema")))
    assert LabelSchema.from_dict(schema.to_dict()) == schema
    assert schema.values == (7, 3)


def test_values_outside_the_schema_are_named() -> None:
    with pytest.raises(SchemaError, match=re.escape("[5]")):
        LabelSchema("s", "1", (label(7, "a"),)).check_values([0, 7, 5])


@pytest.mark.parametrize("labels", [(label(1, "a"), label(1, "b")), (label(1, "a"), label(2, "a"))])
def test_a_value_or_name_twice_is_refused(labels: tuple[LabelClass, ...]) -> None:
    with pytest.raises(SchemaError, match="twice"):
        LabelSchema("s", "1", labels)


@pytest.mark.parametrize(("value", "name"), [(0, "a"), (70000, "a"), (1, "肿瘤"), (1, "a b")])
def test_bad_labels_are_refused(value: int, name: str) -> None:
    with pytest.raises(SchemaError):
        label(value, name)


def test_display_name_falls_back_to_english_then_key() -> None:
    assert label(1, "edema").display_name("zh") == "组织"
    assert label(1, "edema").display_name("fr") == "Edema"


def test_unknown_schema_names_those_there_are() -> None:
    with pytest.raises(NotFound, match="no-such"):
        load_schema("no-such")


@pytest.mark.parametrize("schema_id", schema_ids())
def test_every_shipped_schema_is_complete(schema_id: str) -> None:
    schema = load_schema(schema_id)
    assert schema.id == schema_id
    for item in schema.labels:
        assert {"en", "zh"} <= set(item.names)
        assert item.type.scheme == "SCT"
        assert item.type.value.isdigit()
        assert all(0 <= part <= 255 for part in item.color)
