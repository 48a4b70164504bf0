"""What the user has chosen, and whether that is enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Parameters", "missingInput"]


@dataclass
class Parameters:
    """Settings of the module, kept in the scene.

    Parameters
    ----------
    serverAddress : str
        Address of the label server.
    annotator : str
        Name under which labels are submitted.
    task : str
        Id of the task.
    firstVolume, secondVolume : vtkMRMLScalarVolumeNode, optional
        Inputs of the task, in its order.
    segmentation : vtkMRMLSegmentationNode, optional
        What is submitted.
    """

    serverAddress: str = "http://127.0.0.1:8000"
    annotator: str = "slicer"
    task: str = ""
    firstVolume: Any = None
    secondVolume: Any = None
    segmentation: Any = None


def missingInput(parameters: Any, *, connected: bool, inputs: int) -> str | None:
    """Return what is missing before a task can run, in one sentence, or None.

    Parameters
    ----------
    parameters : Parameters
        Or anything with its fields.
    connected : bool
        Whether the server has answered.
    inputs : int
        Number of volumes that the task reads.
    """
    if not connected:
        return "Connect to a label server first."
    if not parameters.task:
        return "Choose a task."
    volumes = [parameters.firstVolume, parameters.secondVolume][:inputs]
    if inputs > len(volumes):
        return "This task reads more volumes than this module can choose."
    if any(volume is None for volume in volumes):
        return "Choose a volume for each input of the task."
    if len({volume.GetID() for volume in volumes}) < inputs:
        return "Choose different volumes for the inputs."
    return None
