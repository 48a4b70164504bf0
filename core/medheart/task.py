"""What a model's job is, and what its weights have seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from medheart.schema import load_schema

__all__ = ["RESEARCH_ONLY", "FieldOfView", "ModelCard", "Task", "TaskInput", "Weights"]

TaskKind = Literal["segmentation", "classification", "regression", "detection", "keypoints"]
TaskStatus = Literal["research", "candidate", "active"]

RESEARCH_ONLY = {"en": "For research only", "zh": "仅供科研"}
"""What every result of a task of status `research` bears."""


@dataclass(frozen=True)
class FieldOfView:
    """Extent in mm that the task accepts, per patient axis (x, y, z), smallest and largest."""

    minimum_mm: tuple[float, float, float]
    maximum_mm: tuple[float, float, float]


@dataclass(frozen=True)
class TaskInput:
    """One input image of a task.

    Parameters
    ----------
    role : str
        Name of the channel, e.g. `image`, `flair`, `t1c`.
    modality : str
        DICOM modality the input must have.
    hints : tuple of str
        Lower-case words in a series description or sequence name that speak for this role.
    excludes : tuple of str
        Such words that rule it out, whatever else is said: `t1` for a T2-weighted FLAIR.
    """

    role: str
    modality: str
    hints: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Weights:
    """Where the weights come from: `file` beside the task, `sha256`, `licence`, `source`."""

    file: str
    sha256: str
    licence: str
    source: str


@dataclass(frozen=True)
class ModelCard:
    """What the weights saw and what they score, in words by language (`en`, `zh`) and numbers for a reader."""

    summary: dict[str, str]
    trained_on: dict[str, str]
    evaluated_on: dict[str, str]
    scores: dict[str, Any]
    limits: dict[str, str]


@dataclass(frozen=True)
class Task:
    """A reading task, as its TOML file describes it; readable without torch.

    Parameters
    ----------
    id, version : str
        Task id (`[a-z0-9-]+`) and version of task and weights together.
    titles : dict of str to str
        Name for people, by language.
    kind : str
        `segmentation`, later also others.
    status : str
        `research` where the weights saw no real labelled case of the target: such results feed no
        rule, and cannot be signed or released.
    modality, body_parts, anatomy
        DICOM modality; DICOM BodyPartExamined values that fit; anatomy in words.
    inputs : tuple of TaskInput
        One per channel, in the network's channel order.
    field_of_view : FieldOfView
        What is accepted; anything else is refused with the reason.
    max_slice_thickness_mm : float
        Thickest slice accepted.
    schema_id : str
        Label schema of the output.
    network, preprocessing, inference, postprocessing, fit : dict
        Settings as read by `medheart_models`; see its task reference. `fit` holds what else an
        image must show to be of this task, beyond modality, body part and field of view.
    """

    id: str
    version: str
    titles: dict[str, str]
    kind: TaskKind
    status: TaskStatus
    modality: str
    body_parts: tuple[str, ...]
    anatomy: dict[str, str]
    inputs: tuple[TaskInput, ...]
    field_of_view: FieldOfView
    max_slice_thickness_mm: float
    schema_id: str
    weights: Weights
    card: ModelCard
    network: dict[str, Any] = field(default_factory=dict)
    preprocessing: dict[str, Any] = field(default_factory=dict)
    inference: dict[str, Any] = field(default_factory=dict)
    postprocessing: dict[str, Any] = field(default_factory=dict)
    fit: dict[str, Any] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """How label versions name this model: `id@version`."""
        return f"{self.id}@{self.version}"

    def title(self, language: str = "en") -> str:
        """Return the title in `language`, else in English, else the id."""
        return self.titles.get(language) or self.titles.get("en") or self.id

    def describe(self) -> dict[str, Any]:
        """Return what a reader should know as JSON-serialisable data: what it reads, its labels, its card."""
        data = asdict(self)
        for name in ("network", "preprocessing", "inference", "postprocessing", "fit"):
            data.pop(name)
        labels = load_schema(self.schema_id).labels
        data["network"] = self.network.get("family", "")
        data["labels"] = [{"value": label.value, "name": label.name, "names": label.names} for label in labels]
        return data
