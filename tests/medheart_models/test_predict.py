"""From images to a label map, in process."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from medheart.errors import Cancelled, ModelError, TaskError
from medheart.settings import Settings
from medheart_models.predict import Predictor


@pytest.fixture
def predictor(tiny: ModuleType) -> Predictor:
    settings = Settings.load(device="cpu")
    tiny.export_networks(settings)
    return Predictor(settings)


def test_segments_on_the_grid_of_the_image(tiny: ModuleType, predictor: Predictor) -> None:
    volume = tiny.bright_cube()
    seen: list[tuple[int, int]] = []
    result = predictor.segment([volume], tiny.TINY, progress=lambda *n: seen.append(n))
    assert result.labels.geometry == volume.geometry
    normalised = (volume.array - volume.array[volume.array > volume.array.min()].mean()) / volume.array.std()
    bright = normalised > 1.5
    assert bright.sum() > 50
    np.testing.assert_array_equal(result.labels.array == 2, bright)
    assert result.labels.schema.id == "hippocampus"
    assert (result.origin, result.status, result.device) == ("tiny@1", "research", "openvino:cpu")
    assert seen[0][0] == 0
    assert seen[-1] == (seen[0][1], seen[0][1])
    assert set(result.seconds) == {"load", "prepare", "infer", "restore"}
    assert result.warnings == ()


def test_what_is_not_known_is_a_warning(tiny: ModuleType, predictor: Predictor) -> None:
    volume = tiny.bright_cube().restated(modality="", meta={})
    warnings = predictor.segment([volume], tiny.TINY).warnings
    assert [reason.code for reason in warnings] == ["modality_unknown", "body_part_unknown"]
    assert "does not state its modality" in str(warnings[0])
    assert "未注明" in warnings[0].text("zh")


def test_prepared_images_are_kept_by_content(tiny: ModuleType, predictor: Predictor) -> None:
    first = predictor.segment([tiny.bright_cube()], tiny.TINY)
    used = predictor.prepared_bytes
    assert used == 12**3 * 4
    again = predictor.segment([tiny.bright_cube()], tiny.TINY)
    assert predictor.prepared_bytes == used
    np.testing.assert_array_equal(again.labels.array, first.labels.array)
    predictor.segment([tiny.bright_cube(seed=1)], tiny.TINY)
    assert predictor.prepared_bytes == 2 * used
    other = replace(tiny.TINY, preprocessing={**tiny.TINY.preprocessing, "percentiles": [1, 99]})
    predictor.segment([tiny.bright_cube()], other)
    assert predictor.prepared_bytes == 3 * used


def test_images_that_do_not_fit_are_refused(tiny: ModuleType, predictor: Predictor) -> None:
    with pytest.raises(TaskError, match="modality is CT"):
        predictor.segment([tiny.bright_cube().restated(modality="CT", meta={})], tiny.TINY)
    with pytest.raises(TaskError, match="needs 1 images"):
        predictor.segment([tiny.bright_cube()] * 2, tiny.TINY)


def test_a_network_of_another_schema_is_refused(tiny: ModuleType, predictor: Predictor) -> None:
    with pytest.raises(ModelError, match="gives 3 classes, schema 'lung-nodule' has 1 label"):
        predictor.segment([tiny.bright_cube()], replace(tiny.TINY, schema_id="lung-nodule"))


def test_other_kinds_of_task_are_refused(tiny: ModuleType, predictor: Predictor) -> None:
    with pytest.raises(TaskError, match="is a classification"):
        predictor.segment([tiny.bright_cube()], replace(tiny.TINY, kind="classification"))


def test_cancel(tiny: ModuleType, predictor: Predictor) -> None:
    with pytest.raises(Cancelled):
        predictor.segment([tiny.bright_cube()], tiny.TINY, cancelled=lambda: True)


def test_import_is_cheap() -> None:
    code = (
        "import sys, medheart_models.predict, medheart_models.fit, medheart_models.host.client;"
        "print([m for m in ('torch', 'monai', 'openvino', 'SimpleITK', 'scipy.ndimage') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
