"""The cases of a batch: each has a name of its own, and no result takes the place of another file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medheart.errors import ImageRejected
from medheart.volume import Volume
from medheart_work.batch import cases_in
from medheart_work.segment_cases import Segmenting, segment_cases


@pytest.fixture
def place(oblique: Volume, nifti: Callable[[Volume, str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """Put an image at that path of a folder."""
    image = nifti(oblique, "image.nii")

    def put(name: str) -> Path:
        path = tmp_path / "cases" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(image, path))

    return put


def test_a_numbered_name_is_never_that_of_another_case(place: Callable[[str], Path], tmp_path: Path) -> None:
    paths = [place(name) for name in ("a/x.nii", "b/x.nii", "c/x-001.nii", "d/X.nii", "e/y.nii")]
    names = dict(cases_in(paths))
    assert [names[path] for path in paths] == ["x-002", "x-003", "x-001", "X-004", "y"]
    assert dict(cases_in([tmp_path / "cases"])) == names


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageRejected, match="nowhere"):
        cases_in([tmp_path / "nowhere"])


def test_a_label_never_replaces_its_image(place: Callable[[str], Path], tmp_path: Path) -> None:
    image = place("x.nii")
    compressed = image.rename(image.with_name("x.nii.gz"))  # what it holds is told by content
    before = compressed.read_bytes()

    class NeverAsked:
        def segment(self, *_: Any, **__: Any) -> Any:
            raise AssertionError("there is nothing to segment")

    run = Segmenting(NeverAsked(), lambda *_: None)
    (result,) = segment_cases(run, [compressed], compressed.parent, task_id="hippocampus")
    assert result["error"]["code"] == "usage"
    assert compressed.read_bytes() == before
