"""What a report speaks of: facts, label version, measurements and images, without identity beyond the pseudonym."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medheart.errors import GeometryError
from medheart.records import LabelVersion, Series, Study
from medheart.task import Task
from medheart.volume import LabelMap, Volume

__all__ = ["LANGUAGES", "ReportContent", "Text"]

LANGUAGES = ("en", "zh")
Text = Mapping[str, str]
"""A sentence by language (`en`, `zh`)."""


@dataclass(frozen=True, eq=False)
class ReportContent:
    """Everything that a report is made of.

    Parameters
    ----------
    study : Study
        Its `patient` is the pseudonym.
    series : Series
        The image that was labelled, and is shown.
    image : Volume
        That image, (K, J, I).
    language : str
        `en` or `zh`.
    created : str
        When the report was made, ISO 8601 in UTC; the same content and time give the same files.
    labels : LabelMap, optional
        On the grid of `image`; None where nothing was segmented.
    version : LabelVersion, optional
        The version that `labels` is; None where nothing was segmented, or for a label file outside the store.
    measurements : mapping, optional
        `MeasurementTable.to_dict()` of the labels.
    task : Task, optional
        What the model does, with its card and the licence of its weights; None where no model took part.
    inputs : tuple of Series
        Further series that the model read.
    reasons : tuple of Text
        Why this task and these series were taken, or why none was.
    warnings : tuple of Text
        What was not known or did not fit quite; said before the numbers.
    research : bool
        Marks the report as for research only. True in any case if the task's status is `research`.

    Raises
    ------
    ValueError
        If the language is unknown, or labels come without measurements.
    GeometryError
        If labels and image are not on one grid.
    """

    study: Study
    series: Series
    image: Volume
    language: str
    created: str
    labels: LabelMap | None = None
    version: LabelVersion | None = None
    measurements: Mapping[str, Any] | None = None
    task: Task | None = None
    inputs: tuple[Series, ...] = ()
    reasons: tuple[Text, ...] = ()
    warnings: tuple[Text, ...] = ()
    research: bool = False

    def __post_init__(self) -> None:
        if self.language not in LANGUAGES:
            raise ValueError(f"language must be one of {LANGUAGES}, got {self.language!r}")
        if (self.labels is None) != (self.measurements is None):
            raise ValueError("labels and measurements must come together, got one without the other")
        if self.labels is not None and not self.labels.geometry.matches(self.image.geometry):
            raise GeometryError(
                f"the label map's grid (shape {self.labels.geometry.shape}) is not that of the image "
                f"(shape {self.image.geometry.shape}), or lies elsewhere in space"
            )
        status = (self.version.meta.get("status") if self.version else None) == "research"
        if status or (self.task is not None and self.task.status == "research"):
            object.__setattr__(self, "research", True)

    @property
    def empty(self) -> bool:
        """Whether there are labels, but without a single voxel."""
        return self.labels is not None and not self.labels.counts

    @property
    def oriented(self) -> bool:
        """Whether the image says how it lies in the patient; else nothing is called left or right."""
        return "orientation-assumed" not in self.image.meta.get("warnings", ())
