"""Segment image files into label files: in this process, or on the label server."""

from __future__ import annotations

import hashlib
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medheart.client import LabelServer
from medheart.client import Progress as ServerProgress
from medheart.errors import MedHeartError, TaskError
from medheart.schema import load_schema
from medheart.task import Task
from medheart.volume import LabelMap, Volume
from medheart_io import read_image, read_labels, write_dicom_seg, write_labels
from medheart_models.facts import SeriesFacts
from medheart_models.fit import choose_task
from medheart_models.tasks import load_task
from medheart_models.tasks.research import notice_for_origins
from medheart_work.segmenting import Engine, Tiles

__all__ = ["SegmentedFile", "assign_inputs", "segment_files", "segment_on_server", "write_result"]


@dataclass(frozen=True)
class SegmentedFile:
    """A label file and how it came about.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    task, status : str
        `task@version` and the task's status.
    counts : dict of str to int
        Voxels by label name, 0 where nothing was found.
    device : str
        Where the network ran.
    seconds : float
        Wall time of everything but writing.
    warnings : tuple of dict
        What was not known of the images: `{"code", "values", "text"}`.
    """

    path: Path
    task: str
    status: str
    counts: dict[str, int]
    device: str
    seconds: float
    warnings: tuple[dict[str, Any], ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serialisable dict."""
        names = ("task", "status", "counts", "device", "seconds")
        own = {name: getattr(self, name) for name in names}
        return {"path": str(self.path), **own, "warnings": list(self.warnings)}


def assign_inputs(paths: Sequence[Path], named: Mapping[str, Path], task_id: str | None) -> tuple[Task, list[Path]]:
    """Return the task and its input files in the task's order.

    Parameters
    ----------
    paths : sequence of path
        In the task's order, or in any order where names tell them apart.
    named : mapping of str to path
        By role; then `paths` must be empty.
    task_id : str, optional
        Chosen from the images otherwise.

    Raises
    ------
    TaskError
        If the number or the roles of the inputs are not the task's, or no task fits.
    """
    if named:
        task = _task_of_roles(named, task_id)
        return task, [named[item.role] for item in task.inputs]
    if task_id is not None:
        task = load_task(task_id)
        if len(paths) != len(task.inputs):
            roles = [item.role for item in task.inputs]
            raise TaskError(f"task {task.id!r} reads {len(roles)} image(s) {roles}, {len(paths)} were given")
        return task, list(paths)
    facts = [SeriesFacts.from_volume(str(path), read_image(path), description=path.name) for path in paths]
    choice = choose_task(facts)
    if choice.task is None:
        why = {task: "; ".join(map(str, reasons)) for task, reasons in choice.refused.items()}
        raise TaskError(f"no task fits {', '.join(map(str, paths))}: {' | '.join(why.values())}", refused=why)
    return choice.task, [Path(choice.inputs[item.role]) for item in choice.task.inputs]


def _task_of_roles(named: Mapping[str, Path], task_id: str | None) -> Task:
    if task_id is None:
        raise TaskError("inputs given by role need a task; name it with --task", code="usage")
    task = load_task(task_id)
    roles = [item.role for item in task.inputs]
    if set(roles) != set(named):
        raise TaskError(f"task {task.id!r} reads {roles}, inputs were given for {sorted(named)}", code="usage")
    return task


def segment_files(
    engine: Engine, task: Task, inputs: Sequence[Path], output: Path, *, progress: Tiles
) -> SegmentedFile:
    """Segment with an engine of this process and write the label file.

    Raises
    ------
    ImageRejected, TaskError, ModelError
        As reader, task and network say.
    """
    started = time.perf_counter()
    volumes = [read_image(path) for path in inputs]
    prediction = engine.segment(volumes, task, progress=progress, cancelled=None)
    seconds = time.perf_counter() - started
    write_result(output, prediction.labels, prediction.origin, source=inputs[0], image=volumes[0])
    warnings = tuple(warning.to_dict() for warning in prediction.warnings)
    return SegmentedFile(
        output, prediction.origin, prediction.status, _counts(prediction.labels), prediction.device, seconds, warnings
    )


def segment_on_server(
    server: LabelServer, task: Task, inputs: Sequence[Path], output: Path, *, progress: Tiles
) -> SegmentedFile:
    """Segment on a label server through its REST interface and write the label file."""
    started = time.perf_counter()
    images = [_upload(server, path) for path in inputs]

    def tell(state: ServerProgress) -> None:
        progress(state.done, state.total)

    roles = {item.role: image for item, image in zip(task.inputs, images, strict=True)}
    extra = {"inputs": roles} if len(images) > 1 else {}
    result = server.infer(task.id, images[0], params={**extra, "save_label": False}, progress=tell)
    if result.label is None:
        raise MedHeartError(f"the label server at {server.url} sent no label for task {task.id!r}", code="bad_reply")
    seconds = time.perf_counter() - started
    with tempfile.TemporaryDirectory(prefix="medheart-") as folder:
        received = Path(folder) / "label.nii.gz"
        received.write_bytes(result.label)
        labels = read_labels(received, load_schema(task.schema_id))
    origin = str(result.params.get("origin", task.origin))
    write_result(output, labels, origin, source=inputs[0], image=None)
    said = result.params
    return SegmentedFile(
        output,
        origin,
        str(said.get("status", task.status)),
        _counts(labels),
        f"{server.url} {said.get('device', '')}".strip(),
        seconds,
        tuple(said.get("warnings", ())),
    )


def write_result(output: Path, labels: LabelMap, origin: str, *, source: Path, image: Volume | None) -> None:
    """Write a label map in the format of the output's ending; `.dcm` refers to `source` where that is DICOM."""
    if not output.name.endswith(".dcm"):
        notice = notice_for_origins([origin]).get("en", "")
        write_labels(output, labels, title=f"{notice}: {origin}" if notice else origin)
        return
    volume = image or read_image(source)
    is_dicom = volume.meta.get("provenance", {}).get("format") == "dicom"
    write_dicom_seg(
        output,
        labels,
        origin=origin,
        source=source if is_dicom else None,
        modality=volume.modality or "CT",
        description=notice_for_origins([origin]).get("en", "Segmentation"),
    )


def _upload(server: LabelServer, path: Path) -> str:
    """Upload a file, or a folder as a zip; the same content always gets the same id."""
    if path.is_file():
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return server.upload_image(path, image_id=f"file-{digest[:24]}")
    with tempfile.TemporaryDirectory(prefix="medheart-") as folder:
        archive = Path(folder) / "series.zip"
        content = hashlib.sha256()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as target:
            for n, file in enumerate(sorted(file for file in path.rglob("*") if file.is_file())):
                data = file.read_bytes()
                content.update(hashlib.sha256(data).digest())
                target.writestr(f"{n:06d}{file.suffix}", data)
        return server.upload_image(archive, image_id=f"file-{content.hexdigest()[:24]}")


def _counts(labels: LabelMap) -> dict[str, int]:
    return {label.name: labels.counts.get(label.value, 0) for label in labels.schema.labels}
