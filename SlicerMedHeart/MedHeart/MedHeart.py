"""The module MedHeart of 3D Slicer: one press from an image to a segmentation, and back to the server."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleTest

# The installed extension has the package `medheart` beside this file; a checkout has it in core/.
_CORE = Path(__file__).resolve().parents[2] / "core"
if importlib.util.find_spec("medheart") is None and _CORE.is_dir():
    sys.path.append(str(_CORE))

from MedHeartLib.Texts import tr as _  # noqa: E402
from MedHeartLib.Widget import MedHeartWidget  # noqa: E402

__all__ = ["MedHeart", "MedHeartTest", "MedHeartWidget"]


class MedHeart(ScriptedLoadableModule):
    """Title, help and sample data of the module."""

    def __init__(self, parent: object) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = "MedHeart"
        self.parent.categories = ["Segmentation"]
        self.parent.dependencies = []
        self.parent.contributors = ["The MedHeart contributors"]
        self.parent.helpText = _(
            "Segments the chosen volume on a MedHeart or MONAI Label server, and submits what you have corrected. "
            "MedHeart assists; it does not diagnose. It is not about the heart in particular."
        )
        self.parent.acknowledgementText = _("MedHeart is open source under the Apache License 2.0.")
        slicer.app.connect("startupCompleted()", _registerSamples)


def _registerSamples() -> None:
    import SampleData
    from MedHeartLib.Samples import registerSamples

    registerSamples(slicer.mrmlScene, SampleData.SampleDataLogic.registerCustomSampleDataSource)


class MedHeartTest(ScriptedLoadableModuleTest):
    """Self-test that the application runs."""

    def setUp(self) -> None:
        """Begin with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Bring oblique volumes and labels, right- and left-handed, through the scene."""
        from MedHeartLib.SelfTest import checkRoundTrip

        self.setUp()
        for seed in range(4):
            checkRoundTrip(slicer.mrmlScene, seed)
        self.delayDisplay(_("MedHeart's self-test passed."))
