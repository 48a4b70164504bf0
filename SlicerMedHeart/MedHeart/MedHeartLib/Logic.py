"""What the user can wish for: see the tasks, segment, submit.

Each wish that needs the server has three steps. The first and the last touch the scene and belong to
the main thread: `prepare…` copies what is needed out of it, `show` puts the result into it. The one in
between (`tasks`, `segment`, `submit`) touches no node and may take long; it belongs to a thread.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medheart.client import LabelServer, Progress
from medheart.errors import Cancelled, GeometryError, MedHeartError, SchemaError
from medheart.volume import LabelMap, Volume
from MedHeartLib.mrml.Segmentations import labelMapFromNode, nodeFromLabelMap
from MedHeartLib.mrml.Volumes import knownModality, volumeFromNode
from MedHeartLib.Nrrd import readNrrd, writeNrrd
from MedHeartLib.Tasks import ServerTask, serverTasks

__all__ = ["Logic", "SegmentRequest", "Segmented", "Submission"]

_IMAGE, _TASK, _SCHEMA, _BASE = "MedHeart.Image", "MedHeart.Task", "MedHeart.Schema", "MedHeart.Version"
_VOLUME = "MedHeart.Volume"
Report = Callable[[Progress], None]


@dataclass(frozen=True)
class SegmentRequest:
    """Everything a segmentation needs, copied out of the scene: the task and its input volumes by role."""

    task: ServerTask
    volumes: Mapping[str, Volume]
    volumeNodeID: str
    title: str


@dataclass(frozen=True)
class Segmented:
    """Result of a segmentation: labels on the grid of the first input, and the server's `params`."""

    request: SegmentRequest
    image: str
    labels: LabelMap
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def isEmpty(self) -> bool:
        """Whether no voxel has a label."""
        return not self.labels.counts

    @property
    def isDraft(self) -> bool:
        """Whether the server keeps it as a draft, as ours does with what a model made."""
        return (self.params.get("version") or {}).get("state") == "draft"


@dataclass(frozen=True)
class Submission:
    """A label to be submitted, copied out of the scene."""

    image: str
    task: str
    labels: LabelMap
    isOurs: bool
    base: str
    nodeID: str


class Logic:
    """Carries out the user's wishes.

    Parameters
    ----------
    scene : vtkMRMLScene
        Where volumes and segmentations are.
    client : LabelServer
        The label server.
    language : str
        Of the segments' names, `en` or `zh`.
    """

    def __init__(self, scene: Any, client: LabelServer, *, language: str = "en") -> None:
        self._scene = scene
        self._client = client
        self._language = language
        self._schemas: dict[str, ServerTask] = {}

    def tasks(self) -> list[ServerTask]:
        """Ask the server what it offers."""
        found = serverTasks(self._client.info())
        self._schemas = {task.schema.id: task for task in found}
        return found

    def prepareSegment(self, task: ServerTask, volumeNodes: list[Any], *, modality: str = "") -> SegmentRequest:
        """Copy the inputs of a task out of the scene.

        Parameters
        ----------
        task : ServerTask
            From `tasks`.
        volumeNodes : list of vtkMRMLScalarVolumeNode
            One per input of the task, in its order.
        modality : str
            What the user says of volumes whose modality the scene does not know.
        """
        if len(volumeNodes) != len(task.inputs):
            raise MedHeartError(f"task {task.id!r} reads {list(task.inputs)}, got {len(volumeNodes)} volumes")
        volumes = {
            role: volumeFromNode(node, modality=knownModality(node) or modality)
            for role, node in zip(task.inputs, volumeNodes, strict=True)
        }
        first = volumeNodes[0]
        return SegmentRequest(task, volumes, first.GetID(), f"{first.GetName()} {task.title}")

    def segment(self, request: SegmentRequest, report: Report, cancelled: Callable[[], bool]) -> Segmented:
        """Upload what the server does not have yet, and let it segment."""
        images = {}
        for role, volume in request.volumes.items():
            if cancelled():
                raise Cancelled("the segmentation was cancelled")
            images[role] = self._upload(volume, report)
        first = images[request.task.inputs[0]]
        # Stock servers write floats where no type is asked for.
        params: dict[str, Any] = {"result_extension": ".nrrd", "result_dtype": "uint16", "save_label": True}
        if len(images) > 1:
            params["inputs"] = images
        result = self._client.infer(request.task.id, first, params=params, progress=report, cancelled=cancelled)
        if result.label is None:
            raise MedHeartError(f"task {request.task.id!r} answered without a label", code="bad_reply")
        array, geometry = readNrrd(result.label, "the server's label")
        wanted = request.volumes[request.task.inputs[0]].geometry
        if array.dtype.kind == "f" or not geometry.matches(wanted):
            raise GeometryError("the server's label does not lie on the grid of the volume, or is not of whole numbers")
        unsigned = array.astype("u1" if array.max() < 256 else "u2")
        return Segmented(request, first, LabelMap(unsigned, wanted, request.task.schema), result.params)

    def show(self, result: Segmented) -> Any:
        """Add the labels to the scene as a new segmentation; nothing that is there is changed."""
        volumeNode = self._node(result.request.volumeNodeID)
        node = nodeFromLabelMap(self._scene, result.labels, volumeNode, result.request.title, language=self._language)
        version = result.params.get("version") or {}
        said = {
            _IMAGE: result.image,
            _TASK: result.request.task.id,
            _SCHEMA: result.request.task.schema.id,
            _BASE: str(version.get("id", "")),
        }
        for name, value in said.items():
            node.SetAttribute(name, value)
        node.SetNodeReferenceID(_VOLUME, volumeNode.GetID())
        return node

    def prepareSubmit(self, node: Any) -> Submission:
        """Copy a segmentation that was made by `show` out of the scene, as it is now.

        Raises
        ------
        SchemaError
            If it did not come from a task of this server, or its segments are not of the task's schema.
        """
        task = self._schemas.get(node.GetAttribute(_SCHEMA) or "")
        if task is None:
            raise SchemaError(f"segmentation {node.GetName()!r} does not come from a task of this server")
        labels = labelMapFromNode(node, node.GetNodeReference(_VOLUME), task.schema)
        said = {name: node.GetAttribute(name) or "" for name in (_IMAGE, _TASK, _BASE)}
        return Submission(said[_IMAGE], said[_TASK], labels, task.isOurs, said[_BASE], node.GetID())

    def submit(self, submission: Submission, *, asBranch: bool = False) -> dict[str, Any]:
        """Submit a label; raises Conflict if it does not start from what the server has, unless `asBranch`."""
        schema = submission.labels.schema
        params: dict[str, Any] = {"model": submission.task}
        if submission.isOurs:
            params["schema"] = schema.id
            if submission.base and not asBranch:
                params["base"] = submission.base
        # Another server knows its labels by its own names, not by the keys that the scene needs.
        names = {label.value: label.name if submission.isOurs else label.display_name() for label in schema.labels}
        info = [{"name": name, "idx": value} for value, name in names.items()]
        with tempfile.TemporaryDirectory(prefix="MedHeart-") as folder:
            path = Path(folder) / "label.nrrd"
            writeNrrd(path, submission.labels.array, submission.labels.geometry)
            return self._client.submit_label(submission.image, path, label_info=info, params=params)

    def submitted(self, submission: Submission, reply: Mapping[str, Any]) -> None:
        """Remember in the scene which version the segmentation now is."""
        node = self._scene.GetNodeByID(submission.nodeID)
        if node is not None and reply.get("version"):
            node.SetAttribute(_BASE, str(reply["version"]))

    def _upload(self, volume: Volume, report: Report) -> str:
        """Return the id under which the server has a volume; an id is made of the voxels, so it goes up once."""
        image = f"slicer-{volume.digest[:32]}"
        if self._client.has_image(image):
            return image
        report(Progress("uploading"))
        params = {"modality": volume.modality} if volume.modality else {}
        with tempfile.TemporaryDirectory(prefix="MedHeart-") as folder:
            path = Path(folder) / f"{image}.nrrd"
            writeNrrd(path, volume.array, volume.geometry)
            return self._client.upload_image(path, image_id=image, params=params)

    def _node(self, nodeID: str) -> Any:
        node = self._scene.GetNodeByID(nodeID)
        if node is None:
            raise MedHeartError("the volume was removed from the scene while it was segmented", code="volume_gone")
        return node
