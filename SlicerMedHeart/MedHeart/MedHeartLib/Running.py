"""Work beside the main thread, as the panel shows it: state in words, a bar, a button that cancels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer

from medheart.client import Progress
from medheart.errors import Cancelled
from MedHeartLib.Background import Background, Work
from MedHeartLib.Texts import tr as _

__all__ = ["Running"]

_POLL_MS = 100


class Running:
    """Runs work and shows how it goes.

    Parameters
    ----------
    ui : object
        With `statusLabel`, `progressBar` and `cancelButton`.
    changed : callable
        Called when work has begun or ended.
    """

    def __init__(self, ui: Any, changed: Callable[[], None]) -> None:
        self._ui = ui
        self._changed = changed
        self._background = Background()
        self._timer = qt.QTimer()
        self._timer.setInterval(_POLL_MS)
        self._timer.connect("timeout()", self._background.poll)
        ui.cancelButton.connect("clicked(bool)", self.onCancel)

    @property
    def isBusy(self) -> bool:
        """Whether something runs."""
        return self._background.isRunning

    def start(self, work: Work, done: Callable[[Any], None], failure: str) -> None:
        """Run work; `done` gets its result on the main thread, an error is shown under `failure`."""

        def finished(result: Any) -> None:
            self._say(_("Done."))
            try:
                with slicer.util.tryWithErrorDisplay(failure):
                    done(result)
            except Exception:
                self._say(failure)
                raise
            finally:
                self._update()

        def failed(error: Exception) -> None:
            self._say(_("Cancelled.") if isinstance(error, Cancelled) else failure)
            self._update()
            if not isinstance(error, Cancelled):
                slicer.util.errorDisplay(f"{failure}\n\n{error}")

        self._background.start(work, progressed=self._progressed, finished=finished, failed=failed)
        self._say(_("Working …"))
        self._ui.progressBar.setRange(0, 0)
        self._update()

    def onCancel(self, _checked: bool = False) -> None:
        """Ask what runs, if anything does, to stop."""
        if self.isBusy:
            self._background.cancel()
            self._say(_("Cancelling …"))

    def close(self) -> None:
        """Stop what runs, and listen no more."""
        self._background.cancel()
        self._timer.stop()

    def _update(self) -> None:
        if self.isBusy:
            self._timer.start()
        else:
            self._timer.stop()
        self._ui.cancelButton.setVisible(self.isBusy)
        self._ui.progressBar.setVisible(self.isBusy)
        self._changed()

    def _progressed(self, state: Progress) -> None:
        self._ui.progressBar.setRange(0, state.total)
        self._ui.progressBar.setValue(state.done)
        words = [_(state.state)]
        if state.position:
            words.append(_("position {n} in the queue", n=state.position))
        if state.seconds_left is not None:
            words.append(_("about {n} s left", n=round(state.seconds_left)))
        self._say(", ".join(words))

    def _say(self, text: str) -> None:
        self._ui.statusLabel.setText(text)
