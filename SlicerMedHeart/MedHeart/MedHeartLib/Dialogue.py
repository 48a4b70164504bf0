"""What the user is asked before something is done in the user's name, and told after it."""

from __future__ import annotations

from typing import Any

import slicer

from MedHeartLib.Connection import Connection
from MedHeartLib.Logic import Segmented
from MedHeartLib.mrml.Volumes import knownModality
from MedHeartLib.Texts import currentLanguage
from MedHeartLib.Texts import tr as _

__all__ = ["mayBeBeside", "mayLeave", "mayShow", "outcome"]


def mayLeave(connection: Connection) -> bool:
    """Ask before patient data leaves this computer."""
    if connection.isHere:
        return True
    question = _("The images or labels will be sent to {host}.", host=connection.host)
    key = f"MedHeart/ConfirmSendTo/{connection.host}"
    return bool(slicer.util.confirmOkCancelDisplay(question, dontShowAgainSettingsKey=key))


def mayShow(modality: str, nodes: list[Any]) -> bool:
    """Ask whether volumes of which nothing says it are of the modality that the task reads, if it reads one."""
    unknown = [node.GetName() for node in nodes if not knownModality(node)]
    if not unknown or not modality:
        return True
    question = _("Nothing says what {volumes} shows. Is it {modality}?", volumes=", ".join(unknown), modality=modality)
    return bool(slicer.util.confirmYesNoDisplay(question, windowTitle=_("Modality")))


def mayBeBeside() -> bool:
    """Ask whether a label becomes a branch, where the server has a version that it does not start from."""
    question = _("The server has a version that yours does not start from. Submit yours beside it, to be merged?")
    return bool(slicer.util.confirmYesNoDisplay(question, windowTitle=_("Another version")))


def outcome(result: Segmented) -> str:
    """Return what there is to say of a segmentation."""
    lines = [_("Not detected; this does not exclude disease.") if result.isEmpty else _("Done.")]
    if result.isDraft:
        lines.append(_("The server keeps it as a draft until you submit it."))
    if result.request.task.isResearch:
        lines.append(_("For research only."))
    return ("" if currentLanguage() == "zh" else " ").join(lines)
