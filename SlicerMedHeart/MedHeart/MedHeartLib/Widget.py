"""The panel: shows what can be done, and why not where it cannot; the logic does it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from medheart.client import LabelServer
from medheart.errors import Conflict
from MedHeartLib.Binding import Binding
from MedHeartLib.Connection import Connection, hostOf
from MedHeartLib.Dialogue import mayBeBeside, mayLeave, mayShow, outcome
from MedHeartLib.Logic import Logic, Segmented, Submission
from MedHeartLib.mrml.ParameterNode import ParameterNode
from MedHeartLib.Parameters import Parameters, missingInput
from MedHeartLib.Running import Running
from MedHeartLib.Tasks import ServerTask
from MedHeartLib.Texts import currentLanguage, setLanguage, translate
from MedHeartLib.Texts import tr as _

__all__ = ["MedHeartWidget"]

# Reloading goes from what imports nothing to what imports all.
_LOWEST_FIRST = (
    *("mrml.ParameterNode", "mrml.Volumes", "mrml.Segmentations", "Nrrd", "Tasks", "Parameters", "Texts"),
    *("Connection", "Background", "Binding", "Running", "Logic", "Dialogue", "Widget"),
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
        self._connection: Connection | None = None
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
        translate(form.findChildren(qt.QWidget))
        self.ui.cancelButton.setVisible(False)
        self.ui.progressBar.setVisible(False)
        self.ui.connectButton.connect("clicked(bool)", self.onConnect)
        self.ui.segmentButton.connect("clicked(bool)", self.onSegment)
        self.ui.submitButton.connect("clicked(bool)", self.onSubmit)
        self.ui.taskSelector.connect("currentIndexChanged(int)", self.onTaskChosen)
        self._running = Running(self.ui, self._updateButtons)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._onSceneStartClose)
        # A scene that is opened writes over the parameters: the panel lets go of them meanwhile.
        self.addObserver(scene, scene.StartImportEvent, lambda _caller, _event: self.exit())
        for event in (scene.EndCloseEvent, scene.EndImportEvent):
            self.addObserver(scene, event, self._onSceneThere)
        self._updateButtons()

    def enter(self) -> None:
        """Take up the scene's parameters; called whenever the module is opened."""
        if self._binding is None:
            self._parameters = ParameterNode(slicer.mrmlScene, self.moduleName, Parameters)
            shown = self.ui.addressEdit.text
            self._binding = Binding(self._form, self._parameters, self._parametersChanged)
            if self._parameters.serverAddress != shown:
                # The key was typed for another server.
                self.ui.keyEdit.clear()
            self._parametersChanged()
            self._chooseTask(self._parameters.task)

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

    def _onSceneThere(self, _caller: Any, _event: str) -> None:
        if self.parent.isEntered:
            self.enter()

    # What the user does

    def onConnect(self, _checked: bool = False) -> None:
        """Ask the server what it offers."""
        with slicer.util.tryWithErrorDisplay(_("The label server cannot be reached."), waitCursor=True):
            address, annotator = self._parameters.serverAddress.strip(), self._parameters.annotator
            hostOf(address)
            client = LabelServer(address, client_id=annotator, token=self.ui.keyEdit.text or None)
            logic = self._makeLogic(slicer.mrmlScene, client, language=currentLanguage())
            self._running.start(
                lambda _report, _cancelled: Connection(logic, address, annotator, tuple(logic.tasks())),
                self._connected,
                _("The label server cannot be reached."),
            )

    def onTaskChosen(self, index: int) -> None:
        """Remember the task and ask for its inputs."""
        tasks = self._connection.tasks if self._connection is not None else ()
        if self._parameters is not None and 0 <= index < len(tasks):
            self._parameters.task = tasks[index].id
        self._updateButtons()

    def onSegment(self, _checked: bool = False) -> None:
        """Segment the chosen volumes."""
        with slicer.util.tryWithErrorDisplay(_("The segmentation failed."), waitCursor=True):
            connection: Any = self._connection
            request = self._segmentRequest(connection)
            if request is not None:
                self._running.start(
                    lambda report, cancelled: connection.logic.segment(request, report, cancelled),
                    lambda result: self._segmented(connection.logic, result),
                    _("The segmentation failed."),
                )

    def onSubmit(self, _checked: bool = False) -> None:
        """Submit the chosen segmentation."""
        with slicer.util.tryWithErrorDisplay(_("The label was not submitted."), waitCursor=True):
            connection: Any = self._connection
            if mayLeave(connection):
                submission = connection.logic.prepareSubmit(self._parameters.segmentation)
                self._submit(connection.logic, submission, asBranch=False)

    # What comes of it

    def _connected(self, connection: Connection) -> None:
        self._connection = connection
        wanted = self._parameters.task if self._parameters is not None else ""
        self.ui.taskSelector.clear()
        for task in connection.tasks:
            self.ui.taskSelector.addItem(task.title)
        self._say(_("Connected. Tasks: {count}.", count=len(connection.tasks)))
        self._chooseTask(wanted)
        self._parametersChanged()

    def _chooseTask(self, wanted: str) -> None:
        """Show the task that is wanted; where the server lacks it, the one that is shown is meant from now on."""
        tasks = self._connection.tasks if self._connection is not None else ()
        found = (number for number, task in enumerate(tasks) if task.id == wanted)
        self.ui.taskSelector.setCurrentIndex(next(found, self.ui.taskSelector.currentIndex))
        self.onTaskChosen(self.ui.taskSelector.currentIndex)

    def _parametersChanged(self) -> None:
        """Let go of a server that is not the one the panel now shows."""
        connection, parameters = self._connection, self._parameters
        if connection is not None and parameters is not None and not connection.serves(parameters):
            self._connection = None
            self.ui.taskSelector.clear()
            self._say(_("Not connected."))
        self._updateButtons()

    def _segmentRequest(self, connection: Connection) -> Any:
        """Return the SegmentRequest, or None where the user does not want to."""
        task: Any = self._task()
        nodes = [self._parameters.firstVolume, self._parameters.secondVolume][: len(task.inputs)]
        if not mayLeave(connection) or not mayShow(task.modality, nodes):
            return None
        return connection.logic.prepareSegment(task, nodes, modality=task.modality)

    def _segmented(self, logic: Logic, result: Segmented) -> None:
        node = logic.show(result)
        if self._parameters is not None:
            self._parameters.segmentation = node
        self.ui.segmentationSelector.setCurrentNode(node)
        self._say(outcome(result))

    def _submit(self, logic: Logic, submission: Submission, *, asBranch: bool) -> None:
        def work(_report: Any, _cancelled: Any) -> Any:
            try:
                return logic.submit(submission, asBranch=asBranch)
            except Conflict:
                return None

        def done(reply: Any) -> None:
            if reply is not None:
                logic.submitted(submission, reply)
                self._say(_("Submitted."))
            elif mayBeBeside():
                self._submit(logic, submission, asBranch=True)

        self._running.start(work, done, _("The label was not submitted."))

    # How it looks

    def _say(self, text: str) -> None:
        self.ui.statusLabel.setText(text)

    def _task(self) -> ServerTask | None:
        if self._connection is None or self._parameters is None:
            return None
        return self._connection.task(self._parameters.task)

    def _updateButtons(self) -> None:
        task, busy = self._task(), self._running.isBusy
        inputs = task.inputs if task is not None else ("image",)
        self.ui.firstVolumeLabel.setText(_("Volume") if len(inputs) == 1 else inputs[0].upper())
        self.ui.secondVolumeLabel.setText(inputs[1].upper() if len(inputs) > 1 else "")
        for widget in (self.ui.secondVolumeLabel, self.ui.secondVolumeSelector):
            widget.setVisible(len(inputs) > 1)
        connected = self._connection is not None and self._parameters is not None
        missing = missingInput(self._parameters, connected=connected, inputs=len(inputs))
        self.ui.segmentButton.setEnabled(missing is None and task is not None and not busy)
        self.ui.segmentButton.setToolTip(_(missing or "Segment the volume on the label server."))
        self.ui.connectButton.setEnabled(not busy and self._parameters is not None)
        self.ui.submitButton.setEnabled(connected and self._parameters.segmentation is not None and not busy)
