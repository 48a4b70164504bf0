"""What a report speaks of, collected from the store or from files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from medheart.errors import TaskError
from medheart.records import LabelVersion, Series, Study
from medheart.task import Task
from medheart.volume import LabelMap, Volume
from medheart_io import read_image
from medheart_measure import MeasurementTable, measure
from medheart_models.fit import TaskChoice
from medheart_models.reasons import Reason
from medheart_models.tasks import load_task, task_ids
from medheart_models.tasks.research import research_notice
from medheart_reports import ReportContent
from medheart_store import Store
from medheart_work.measuring import measure_version, read_label_file
from medheart_work.segmenting import plan_study

__all__ = ["content_of_file", "content_of_version", "content_unsegmented", "now"]


def now() -> str:
    """Return the time as reports carry it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _moment(created: str) -> str:
    """Return a time, now if none is given, to the second."""
    return datetime.fromisoformat(created).replace(microsecond=0).isoformat() if created else now()


def content_of_version(
    store: Store,
    version_id: str,
    *,
    language: str,
    choice: TaskChoice | None = None,
    table: MeasurementTable | None = None,
    created: str = "",
) -> ReportContent:
    """Collect the report of a version.

    Parameters
    ----------
    choice : TaskChoice, optional
        Why the task and the series were taken; found again otherwise.
    table : MeasurementTable, optional
        Its measurements; made otherwise.
    created : str
        Time of the report; now by default.
    """
    version = store.version(version_id)
    series = store.series(version.image)
    study = store.study(series.study)
    task = _task(store, version)
    if choice is None and task is not None:
        choice = _choice_again(store, study, task, version)
    inputs = version.meta.get("inputs") or {}
    return ReportContent(
        study=study,
        series=series,
        image=store.volume(series.id),
        language=language,
        created=_moment(created),
        labels=store.labels(version.id),
        version=version,
        measurements=(table or measure_version(store, version.id)).to_dict(),
        task=task,
        inputs=tuple(store.series(one) for one in inputs.values() if one != series.id),
        reasons=_why(choice) if choice is not None else (),
        warnings=_warnings(version),
        research=bool(research_notice(store.lineage(version.id))),
    )


def content_unsegmented(
    store: Store,
    study_id: str,
    choice: TaskChoice,
    *,
    language: str,
    shown: Collection[str] = (),
    created: str = "",
) -> ReportContent:
    """Collect the report of a study for which no task fits: it shows the largest image and says why.

    Parameters
    ----------
    shown : collection of str
        Ids of the series that it speaks of; all of the study by default.
    """
    study = store.study(study_id)
    spoken = [one for one in study.series if one.id in shown] or list(study.series)
    series = max(spoken, key=_voxels)
    return ReportContent(
        study=study,
        series=series,
        image=store.volume(series.id),
        language=language,
        created=_moment(created),
        inputs=tuple(one for one in spoken if one.id != series.id),
        reasons=_why(choice),
    )


def content_of_file(label: Path, image: Path | None, *, language: str, task_id: str | None = None) -> ReportContent:
    """Collect the report of a label file that is in no store.

    Parameters
    ----------
    label : pathlib.Path
        Label file.
    image : pathlib.Path, optional
        Its image on the same grid; without it there are no intensities, and pictures show the labels alone.
    task_id : str, optional
        Task whose labels the file holds.

    Raises
    ------
    ImageRejected, GeometryError, SchemaError
        If a file cannot be used, or the two do not belong together.
    """
    given = read_image(image) if image else None
    task = load_task(task_id) if task_id else None
    labels = read_label_file(label, task.schema_id if task else None, like=given)
    volume = given or _blank(labels)
    series = _series_of_file(volume)
    return ReportContent(
        study=Study("file", "", "", "", (series,)),
        series=series,
        image=volume,
        language=language,
        created=now(),
        labels=labels,
        measurements=measure(labels, given).to_dict(),
        task=task,
    )


def _blank(labels: LabelMap) -> Volume:
    """Return an empty image on the grid of a label map, which says that it is none."""
    array = np.zeros(labels.geometry.shape, np.uint8)
    return Volume(array, labels.geometry, "", {"warnings": ("image-missing",)})


def _series_of_file(volume: Volume) -> Series:
    said = {name: str(volume.meta.get(name) or "") for name in ("body_part", "series_description")}
    return Series(
        id=f"file-{volume.digest[:12]}",
        study="file",
        modality=volume.modality,
        body_part=said["body_part"],
        description=said["series_description"],
        image_digest=volume.digest,
        geometry=volume.geometry.to_dict(),
        meta=volume.meta,
    )


def _task(store: Store, version: LabelVersion) -> Task | None:
    """Return the task of the model that a version comes from, also where a person has edited it since."""
    for ancestor in store.lineage(version.id):
        name = ancestor.origin.partition("@")[0]
        if ancestor.automatic and name in task_ids():
            return load_task(name)
    return None


def _choice_again(store: Store, study: Study, task: Task, version: LabelVersion) -> TaskChoice | None:
    read = version.meta.get("inputs") or {}
    try:
        return plan_study(store, study, task.id, first=tuple(read.values()))
    except TaskError:
        return None


def _warnings(version: LabelVersion) -> tuple[Mapping[str, str], ...]:
    found = (item.get("text") for item in version.meta.get("warnings", ()) if isinstance(item, dict))
    return tuple(text for text in found if text)


def _why(choice: TaskChoice) -> tuple[dict[str, str], ...]:
    """Return why this task, or why none."""
    refused = [reason for reasons in choice.refused.values() for reason in reasons]
    return _texts(choice.reasons if choice else [Reason("none_fits"), *refused])


def _texts(reasons: Iterable[Reason]) -> tuple[dict[str, str], ...]:
    texts = ({"en": reason.text("en"), "zh": reason.text("zh")} for reason in reasons)
    return tuple({text["en"]: text for text in texts}.values())


def _voxels(series: Series) -> Any:
    shape = series.geometry["shape"]
    return shape[0] * shape[1] * shape[2]
