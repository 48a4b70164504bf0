"""What a report may be made of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medheart import Geometry
from medheart.errors import GeometryError


def test_a_research_task_cannot_be_reported_as_anything_else(nodules, build, make_task):
    task = make_task("lung-nodule", "CT", status="research")
    assert build(*nodules, task=task, research=False).research
    assert not build(*nodules, task=replace(task, status="active")).research


def test_a_version_made_by_a_research_model_stays_research_without_its_task(nodules, build):
    content = build(*nodules, task=None)
    assert not content.research
    assert replace(content, version=replace(content.version, meta={"status": "research"})).research


def test_unknown_language_is_refused(nodules, build):
    with pytest.raises(ValueError, match="language must be one of"):
        build(*nodules, task=None, language="de")


def test_labels_without_measurements_are_refused(nodules, build):
    with pytest.raises(ValueError, match="must come together"):
        build(*nodules, task=None, measurements=None)


def test_labels_of_another_grid_are_refused(nodules, build):
    labels, _ = nodules
    moved = Geometry.from_parts(shape=labels.geometry.shape, spacing=labels.geometry.spacing, origin=(0, 0, 0))
    with pytest.raises(GeometryError, match="grid"):
        replace(build(*nodules, task=None), labels=replace(labels, geometry=moved))
