"""Small studies to report on, and reports that are drawn once and read by many tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from medheart import Code, Geometry, LabelClass, LabelMap, LabelSchema, Volume
from medheart.records import LabelVersion, Series, Study
from medheart.schema import load_schema
from medheart.task import FieldOfView, ModelCard, Task, TaskInput, Weights
from medheart_measure import measure
from medheart_reports import ReportContent, draw_figures, render_html, render_pdf

CREATED = "2026-11-21T09:30:00+00:00"
ANYTHING = FieldOfView((0.0, 0.0, 0.0), (9999.0, 9999.0, 9999.0))


def task_of(schema_id: str, modality: str, *, status: str = "candidate") -> Task:
    """Return a task with a full card."""
    return Task(
        id="finder",
        version="3",
        titles={"en": "Finder of things", "zh": "目标查找"},
        kind="segmentation",
        status=status,  # type: ignore[arg-type]
        modality=modality,
        body_parts=(),
        anatomy={"en": "a body", "zh": "人体"},
        inputs=(TaskInput("image", modality),),
        field_of_view=ANYTHING,
        max_slice_thickness_mm=9.0,
        schema_id=schema_id,
        weights=Weights("finder.safetensors", "0123456789abcdef" * 4, "CC-BY-4.0", "trained in a test"),
        card=ModelCard(
            {"en": "A summary of the finder.", "zh": "查找器简介。"},
            {"en": "twelve phantoms", "zh": "十二个体模"},
            {"en": "three phantoms", "zh": "三个体模"},
            {"dice_mean": {"lung_nodule": 0.875}, "real: P7": {"nodule found": True, "lung_nodule": 0.5}},
            {"en": "Not for children.", "zh": "不适用于儿童。"},
        ),
    )


def content_of(labels: LabelMap, image: Volume, *, task: Task | None, **changes: object) -> ReportContent:
    """Return the content of a report on one label version."""
    version = LabelVersion(
        id="v-0042",
        image="series-1",
        number=7,
        image_digest=image.digest,
        parents=("v-0041",),
        author="reader",
        origin=task.origin if task else "manual",
        schema_id=labels.schema.id,
        created="2026-11-20T23:15:00+00:00",
        counts=labels.counts,
        digest=labels.digest,
    )
    series = Series(
        "series-1", "study-1", image.modality, "CHEST", "thin slices", image.digest, image.geometry.to_dict()
    )
    content = ReportContent(
        study=Study("study-1", "P-0BADCAFE", "2026-11-19", "", (series,)),
        series=series,
        image=image,
        language="en",
        created=CREATED,
        labels=labels,
        version=version,
        measurements=json.loads(json.dumps(measure(labels, image, source=version.id).to_dict())),
        task=task,
    )
    return replace(content, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def nodules() -> tuple[LabelMap, Volume]:
    """A CT of 90 x 90 x 75 mm with three balls of 12, 8 and 4 mm radius."""
    geometry = Geometry.from_parts(shape=(30, 60, 60), spacing=(1.5, 1.5, 2.5), origin=(-44.25, -44.25, -36.25))
    index = np.stack(np.meshgrid(*[np.arange(n) for n in geometry.shape], indexing="ij"), axis=-1)[..., ::-1]
    points = geometry.index_to_lps(index)
    inside = np.zeros(geometry.shape, bool)
    for centre, radius in (((20, -10, 5), 12), ((-25, 15, -15), 8), ((-20, -20, 25), 4)):
        inside |= np.linalg.norm(points - np.array(centre), axis=-1) <= radius
    values = np.where(inside, 40, -850).astype(np.int16)
    values += np.random.default_rng(0).integers(-20, 20, values.shape).astype(np.int16)
    labels = LabelMap(inside.astype(np.uint8), geometry, load_schema("lung-nodule"))
    return labels, Volume(values, geometry, "CT", {"slice_thickness_mm": 2.5, "body_part": "CHEST"})


@pytest.fixture(scope="session")
def build() -> Callable[..., ReportContent]:
    return content_of


@pytest.fixture(scope="session")
def make_task() -> Callable[..., Task]:
    return task_of


@pytest.fixture(scope="session")
def written(nodules, tmp_path_factory) -> dict[str, SimpleNamespace]:
    """A research report in both languages: content, figures, folder, paths of both files."""
    content = content_of(*nodules, task=task_of("lung-nodule", "CT", status="research"))
    figures = draw_figures(content)
    reports = {}
    for language in ("en", "zh"):
        folder = tmp_path_factory.mktemp(f"report-{language}")
        spoken = replace(content, language=language)
        html = render_html(spoken, folder, figures=figures)
        pdf = render_pdf(spoken, folder / "report.pdf", figures=figures)
        reports[language] = SimpleNamespace(content=spoken, figures=figures, html=html, pdf=pdf)
    return reports


@pytest.fixture
def many() -> LabelMap:
    """Twelve labels: the first eleven are boxes of growing size, the last has no voxel."""
    code = Code("SCT", "123037004", "Anatomical Structure")
    schema = LabelSchema(
        "many", "1", tuple(LabelClass(v, f"box_{v}", {"en": f"Box {v}"}, code, code, (v, 9, 9)) for v in range(1, 13))
    )
    array = np.zeros((24, 6, 30), np.uint8)
    for value in range(1, 12):
        array[2 * value - 1, 2, 1 : 2 + value] = value
    return LabelMap(array, Geometry.from_parts(shape=array.shape, spacing=(1, 1, 1)), schema)


@pytest.fixture
def hippocampus(test_data) -> tuple[LabelMap, Volume]:
    """A real case: MR and label map."""
    image = sorted(test_data("mr/hippocampus/images").glob("*.nii.gz"))[0]
    label = next(test_data("mr/hippocampus").rglob(f"label*/{image.name}"))
    stored = nib.load(image)
    geometry = Geometry.from_ras(stored.shape[::-1], stored.affine)
    array = np.ascontiguousarray(np.asarray(nib.load(label).dataobj).astype(np.uint8).T)
    return LabelMap(array, geometry, load_schema("hippocampus")), Volume(np.asarray(stored.dataobj).T, geometry, "MR")
