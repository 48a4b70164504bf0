"""The tables of a report."""

from __future__ import annotations

import numpy as np
import pytest

from medheart import Volume
from medheart_reports.phrases import load_phrases
from medheart_reports.tables import details, findings, method_rows

SAY = load_phrases("en")


def test_many_labels_list_the_largest_first_and_count_the_rest(many, build):
    table = findings(build(many, Volume(many.array, many.geometry, "CT"), task=None), SAY)
    assert [label["name"] for label in table["labels"]] == [f"Box {v}" for v in range(11, 3, -1)]
    assert table["more"] == "3 more labels: see All measurements."
    assert table["found"] == "11 of 12 labels found"


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "3 of the labels not detected, does not exclude disease: Box 2 · Box 5 · Box 12."),
        ("zh", "以下 3 个标签模型未检出，不能排除病变：Box 2 · Box 5 · Box 12。"),
    ],
)
def test_many_labels_name_those_that_are_absent(many, build, language, said):
    fewer = many.with_array(np.where(np.isin(many.array, (2, 5)), 0, many.array).astype(np.uint8))
    table = findings(build(fewer, Volume(many.array, many.geometry, "CT"), task=None), load_phrases(language))
    assert table["absent"] == said
    assert not any(label["absent"] for label in table["labels"])


def test_few_labels_say_of_each_whether_it_is_absent(hippocampus, build):
    assert findings(build(*hippocampus, task=None), SAY)["absent"] == ""


def test_many_labels_share_one_table_of_details(many, build):
    table = details(build(many, Volume(many.array, many.geometry, "CT"), task=None), SAY)
    assert table["labels"] == []
    assert [row["name"] for row in table["compact"]["rows"]] == [f"Box {v}" for v in range(1, 12)]
    assert {len(row["cells"]) for row in table["compact"]["rows"]} == {len(table["compact"]["head"])}


def test_an_absent_label_is_said_not_to_exclude_disease(hippocampus, build):
    labels, image = hippocampus
    only_posterior = labels.with_array(np.where(labels.array == 2, labels.array, 0).astype(np.uint8))
    content = build(only_posterior, image, task=None)
    first, second = findings(content, SAY)["labels"]
    assert first["absent"] == "not detected, does not exclude disease"
    assert first["rows"] == []
    assert second["absent"] == ""
    assert [label["name"] for label in details(content, SAY)["labels"]] == [second["name"]]


def test_a_label_of_several_parts_lists_them(nodules, build):
    (label,) = findings(build(*nodules, task=None), SAY)["labels"]
    assert [row["name"] for row in label["rows"]] == ["all", "1", "2", "3"]
    assert label["rows"][0]["cells"][1:] == ["", ""]
    volumes = [float(row["cells"][0].split()[0]) for row in label["rows"]]
    assert volumes[0] == pytest.approx(sum(volumes[1:]), abs=2)


def test_every_quantity_measured_is_defined(nodules, build):
    content = build(*nodules, task=None)
    measured = {m["code"] for m in content.measurements["labels"][0]["measurements"]}
    rows = method_rows(content, SAY)
    assert len(rows) == len(measured)
    assert all(all(row) for row in rows)
