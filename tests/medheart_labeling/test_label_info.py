"""Label files of stock clients onto the schema."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medheart.errors import SchemaError
from medheart.geometry import Geometry
from medheart.schema import LabelSchema, load_schema
from medheart.volume import Volume
from medheart_io import write_volume
from medheart_labeling.label_info import parse_label_info, read_submission, value_table

FIRST = load_schema("hippocampus").labels[0]
SPARSE = LabelSchema(
    "sparse", "1", tuple(replace(FIRST, value=value, name=f"organ_{value}") for value in (3, 7, 300, 1000))
)
GRID = Geometry.from_parts(shape=(3, 4, 5), spacing=(1, 2, 3), origin=(4, 5, 6))


@settings(deadline=None, max_examples=60)
@given(st.permutations(SPARSE.labels), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_segments_in_any_order_get_the_values_of_their_names(tmp_path_factory, order, count, seed):
    """3D Slicer numbers segments 1..M in the order in which they stand."""
    sent = order[:count]
    rng = np.random.default_rng(seed)
    array = rng.integers(0, count + 1, GRID.shape).astype(np.uint8)
    path = write_volume(tmp_path_factory.mktemp("sent") / "label.nii.gz", Volume(array, GRID))
    info = parse_label_info([{"name": label.name, "idx": n} for n, label in enumerate(sent, start=1)])
    labels = read_submission(path, SPARSE, info, like=GRID)
    for n, label in enumerate(sent, start=1):
        assert np.array_equal(labels.array == label.value, array == n)


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({3: "organ_3", 300: "organ_300"}, {3: 3, 300: 300}),
        ({1: "organ_300", 2: "organ_3"}, {1: 300, 2: 3}),
        ({7: "organ_7"}, {7: 7}),
    ],
)
def test_value_table(info, expected):
    assert value_table(info, SPARSE) == expected


@pytest.mark.parametrize(
    "info",
    [
        {1: "organ_3", 3: "organ_7"},
        {2: "organ_3"},
        {3: "organ_7", 7: "organ_3"},
        {1: "spleen"},
    ],
)
def test_ambiguous_or_unknown_labels_are_refused_by_name(info):
    with pytest.raises(SchemaError) as caught:
        value_table(info, SPARSE)
    assert any(name in caught.value.message for name in info.values())


@pytest.mark.parametrize(
    "items",
    [
        {"name": "a", "idx": 1},
        "text",
        [{"name": "a"}],
        [{"idx": 1}],
        [{"name": "a", "idx": "1"}],
        [{"name": "a", "idx": 0}],
        [{"name": "a", "idx": 65536}],
        [{"name": "a", "idx": True}],
        [{"name": "a", "idx": 1}, {"name": "b", "idx": 1}],
        [{"name": "a", "idx": 1}, {"name": "a", "idx": 2}],
        [5],
    ],
)
def test_what_is_no_label_info_is_refused(items):
    with pytest.raises(SchemaError):
        parse_label_info(items)


def test_no_label_info_is_none():
    assert parse_label_info(None) == parse_label_info([]) == {}
