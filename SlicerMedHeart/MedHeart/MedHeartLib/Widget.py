"""The panel: shows what can be done, and why not where it cannot; the logic does it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import qt
import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from medheart.client import LabelServer
from medheart.errors import Conflict
from MedHeartLib.Binding import Binding
from MedHeartLib.Logic import Logic, Segmented, Submission
from MedHeartLib.mrml.ParameterNode import ParameterNode
from MedHeartLib.mrml.Volumes import knownModality
from MedHeartLib.Parameters import Parameters, missingInput
from MedHeartLib.Running import Running
from MedHeartLib.Tasks import ServerTask
from MedHeartLib.Texts import currentLanguage, setLanguage
from MedHeartLib.Texts import tr as _

__all__ = ["MedHeartWidget"]

# Reloading goes from what imports nothing to what imports all.
_LOWEST_FIRST = (
    *("mrml.ParameterNode", "mrml.Volumes", "mrml.Segmentations", "Nrrd", "Tasks", "Parameters", "Texts"),
    *("Background", "Binding", "Running", "Logic", "Widget"),
)


class MedHeartWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel.

    Parameters
    ----------
    parent : QWidget, optional
        As Slicer gives it.
    makeLogic : callable, optional
        Makes the logic from scene and client; another one can be given in a test.
    """

    def __init__(self, parent: Any = None, makeLogic: Callable[..., Logic] = Logic) -> None:
        self._makeLogic = makeLogic
        self._logic: Any = None
        self._tasks: list[ServerTask] = []
        self._binding: Binding | None = None
        self._parameters: Any = None
        VTKObservationMixin.__init__(self)
        # Last, because without a parent it calls `setup`.
        ScriptedLoadableModuleWidget.__init__(self, parent)

    # Life of the panel

    def setup(self) -> None:
        """Build the panel; called once."""
        ScriptedLoadableModuleWidget.setup(self)
        setLanguage(str(slicer.app.settings().value("language") or qt.QLocale().name()))
        form = slicer.util.loadUI(self.resourcePath("UI/MedHeart.ui"))
        self.layout.addWidget(form)
        self._form = form
        self.ui = slicer.util.childWidgetVariables(form)
        form.setMRMLScene(slicer.mrmlScene)
        self._translate()
        self.ui.cancelButton.setVisible(False)
        self.ui.progressBar.setVisible(False)
        for button, slot in (
            (self.ui.connectButton, self.onConnect),
            (self.ui.segmentButton, self.onSegment),
            (self.ui.submitButton, self.onSubmit),
        ):
            button.connect("clicked(bool)", slot)
        self.ui.taskSelector.connect("currentIndexChanged(int)", self.onTaskChosen)
        self._running = Running(self.ui, self._updateButtons)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self._onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self._onSceneEndClose)
        self._updateButtons()

    def enter(self) -> None:
        """Take up the scene's parameters; called whenever the module is opened."""
        if self._binding is None:
            self._parameters = ParameterNode(slicer.mrmlScene, self.moduleName, Parameters)
            self._binding = Binding(self._form, self._parameters, self._updateButtons)
            self._updateButtons()

    def exit(self) -> None:
        """Let go of the parameters; called whenever the module is left. Work that runs goes on."""
        if self._binding is not None:
            self._binding.release()
            self._binding = None

    def cleanup(self) -> None:
        """End everything; called when the application closes."""
        self._running.close()
        self.exit()
        self.removeObservers()

    def onReload(self) -> None:
        """Reload the code; the developer's button."""
        for name in _LOWEST_FIRST:
            importlib.reload(sys.modules[f"MedHeartLib.{name}"])
        ScriptedLoadableModuleWidget.onReload(self)

    def _onSceneStartClose(self, _caller: Any, _event: str) -> None:
        self._running.onCancel()
        self.exit()
        self._parameters = None
        self._updateButtons()

    def _onSceneEndClose(self, _caller: Any, _event: str) -> None:
        if self.parent.isEntered:
            self.enter()

    # What the user does

    def onConnect(self, _checked: bool = False) -> None:
        """Ask the server what it offers."""
        with slicer.util.tryWithErrorDisplay(_("The label server cannot be reached."), waitCursor=True):
            client = LabelServer(
                self._parameters.serverAddress, client_id=self._parameters.annotator, token=self.ui.keyEdit.text or None
            )
            logic = self._makeLogic(slicer.mrmlScene, client, language=currentLanguage())
            self._running.start(
                lambda _report, _cancelled: logic.tasks(),
                lambda tasks: self._connected(logic, tasks),
                _("The label server cannot be reached."),
            )

    def onTaskChosen(self, index: int) -> None:
        """Remember the task and ask for its inputs."""
        if self._parameters is not None and 0 <= index < len(self._tasks):
            self._parameters.task = self._tasks[index].id
        self._updateButtons()

    def onSegment(self, _checked: bool = False) -> None:
        """Segment the chosen volumes."""
        with slicer.util.tryWithErrorDisplay(_("The segmentation failed."), waitCursor=True):
            request = self._segmentRequest()
            if request is not None:
                logic = self._logic
                self._running.start(
                    lambda report, cancelled: logic.segment(request, report, cancelled),
                    self._segmented,
                    _("The segmentation failed."),
                )

    def onSubmit(self, _checked: bool = False) -> None:
        """Submit the chosen segmentation."""
        with slicer.util.tryWithErrorDisplay(_("The label was not submitted."), waitCursor=True):
            if self._mayLeave():
                self._submit(self._logic.prepareSubmit(self._parameters.segmentation), asBranch=False)

    # What comes of it

    def _connected(self, logic: Logic, tasks: list[ServerTask]) -> None:
        wanted = self._parameters.task if self._parameters is not None else ""
        self._logic, self._tasks = logic, tasks
        self.ui.taskSelector.clear()
        for task in tasks:
            self.ui.taskSelector.addItem(task.title)
        index = next((n for n, task in enumerate(tasks) if task.id == wanted), 0 if tasks else -1)
        self.ui.taskSelector.setCurrentIndex(index)
        self.onTaskChosen(index)
        self._say(_("Connected: {count} tasks.", count=len(tasks)))

    def _segmentRequest(self) -> Any:
        """Return the SegmentRequest, or None where the user does not want to."""
        task: Any = self._task()
        nodes = [self._parameters.firstVolume, self._parameters.secondVolume][: len(task.inputs)]
        unknown = [node.GetName() for node in nodes if not knownModality(node)]
        question = _("Nothing says what {volumes} shows. Is it {modality}?", volumes=unknown, modality=task.modality)
        if not self._mayLeave() or (
            unknown and task.modality and not slicer.util.confirmYesNoDisplay(question, windowTitle=_("Modality"))
        ):
            return None
        return self._logic.prepareSegment(task, nodes, modality=task.modality)

    def _segmented(self, result: Segmented) -> None:
        node = self._logic.show(result)
        self.ui.segmentationSelector.setCurrentNode(node)
        lines = [_("Not detected; this does not exclude disease.")] if result.isEmpty else [_("Done.")]
        if result.request.task.isResearch:
            lines.append(_("For research only."))
        self._say(" ".join(lines))

    def _submit(self, submission: Submission, *, asBranch: bool) -> None:
        logic = self._logic

        def work(_report: Any, _cancelled: Any) -> Any:
            try:
                return logic.submit(submission, asBranch=asBranch)
            except Conflict:
                return None

        def done(reply: Any) -> None:
            if reply is not None:
                logic.submitted(submission, reply)
                self._say(_("Submitted."))
            elif slicer.util.confirmYesNoDisplay(
                _("Another version was submitted meanwhile. Submit yours beside it, to be merged?"),
                windowTitle=_("Another version"),
            ):
                self._submit(submission, asBranch=True)

        self._running.start(work, done, _("The label was not submitted."))

    def _mayLeave(self) -> bool:
        """Ask before patient data leaves this computer."""
        host = urlsplit(self._parameters.serverAddress).hostname or ""
        if host in {"127.0.0.1", "localhost", "::1"}:
            return True
        question = _("The images or labels will be sent to {host}.", host=host)
        return bool(
            slicer.util.confirmOkCancelDisplay(question, dontShowAgainSettingsKey=f"MedHeart/ConfirmSendTo/{host}")
        )

    # How it looks

    def _say(self, text: str) -> None:
        self.ui.statusLabel.setText(text)

    def _task(self) -> ServerTask | None:
        wanted = self._parameters.task if self._parameters is not None else ""
        return next((task for task in self._tasks if task.id == wanted), None)

    def _updateButtons(self) -> None:
        task, busy = self._task(), self._running.isBusy
        inputs = task.inputs if task is not None else ("image",)
        self.ui.firstVolumeLabel.setText(_("Volume") if len(inputs) == 1 else inputs[0].upper())
        self.ui.secondVolumeLabel.setText(inputs[1].upper() if len(inputs) > 1 else "")
        for widget in (self.ui.secondVolumeLabel, self.ui.secondVolumeSelector):
            widget.setVisible(len(inputs) > 1)
        connected = self._logic is not None and self._parameters is not None
        missing = missingInput(self._parameters, connected=connected, inputs=len(inputs))
        self.ui.segmentButton.setEnabled(missing is None and task is not None and not busy)
        self.ui.segmentButton.setToolTip(_(missing or "Segment the volume on the label server."))
        self.ui.connectButton.setEnabled(not busy and self._parameters is not None)
        self.ui.submitButton.setEnabled(connected and self._parameters.segmentation is not None and not busy)

    def _translate(self) -> None:
        for widget in self._form.findChildren(qt.QWidget):
            if any(widget.inherits(kind) for kind in ("QLabel", "QAbstractButton", "ctkCollapsibleButton")):
                widget.setText(_(widget.text))
            if widget.toolTip:
                widget.setToolTip(_(widget.toolTip))
