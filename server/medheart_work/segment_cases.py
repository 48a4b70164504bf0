"""Segment image files, one case or all of a folder, with an engine or on a label server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from medheart.client import LabelServer
from medheart.errors import Cancelled, MedHeartError
from medheart.task import Task
from medheart_work.batch import cases_in
from medheart_work.segment_files import assign_inputs, segment_files, segment_on_server
from medheart_work.segmenting import Engine

__all__ = ["Segmenting", "segment_cases"]


@dataclass(frozen=True)
class Segmenting:
    """Segments one case.

    Parameters
    ----------
    on : Engine or LabelServer
        What does the work.
    progress : callable
        Called with the task's id, and done and total tiles.
    prepare : callable
        Called with the task before it is run.
    """

    on: Engine | LabelServer
    progress: Callable[[str, int, int], None]
    prepare: Callable[[Task], None] = lambda _task: None

    def __call__(
        self, images: Sequence[Path], named: Mapping[str, Path], task_id: str | None, output: Path
    ) -> dict[str, Any]:
        """Segment a case into a label file; see `assign_inputs` and `segment_files`."""
        task, paths = assign_inputs(images, named, task_id)
        if output.exists() and any(output.samefile(path) for path in paths):
            raise MedHeartError(f"{output} is the image itself; choose another --output", code="usage")

        def tell(done: int, total: int) -> None:
            self.progress(task.id, done, total)

        self.prepare(task)
        work = segment_on_server if isinstance(self.on, LabelServer) else segment_files
        return work(self.on, task, paths, output, progress=tell).to_dict()  # type: ignore[arg-type]


def segment_cases(
    segment: Segmenting,
    images: Sequence[Path],
    folder: Path,
    *,
    task_id: str | None,
    once: Callable[[str, Callable[[], dict[str, Any]]], dict[str, Any]] = lambda _name, work: work(),
) -> list[dict[str, Any]]:
    """Segment every case of files and folders on its own; one that fails becomes `{"image", "error"}`.

    Parameters
    ----------
    once : callable
        Gets a case's name and what does it; returns what that gives, or gave before.

    Raises
    ------
    MedHeartError
        `no_image` if there is no case.
    """
    results: list[dict[str, Any]] = []
    for path, name in cases_in(images):
        try:
            results.append(once(name, partial(segment, [path], {}, task_id, folder / f"{name}.nii.gz")))
        except Cancelled:
            raise
        except MedHeartError as error:
            results.append({"image": str(path), "error": error.to_dict()})
    if not results:
        raise MedHeartError(f"no image in {', '.join(map(str, images))}", code="no_image")
    return results
