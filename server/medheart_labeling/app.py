"""The MONAI Label application: our datastore, models, trainers, strategies and scoring in its classes."""

# ruff: noqa: ARG002  the signatures are MONAI Label's

from __future__ import annotations

from typing import Any

from monailabel.interfaces.app import MONAILabelApp

from medheart.errors import MedHeartError
from medheart.settings import Settings
from medheart_labeling.backend import Backend
from medheart_labeling.datastore import MedHeartDatastore
from medheart_labeling.ids import check_id
from medheart_labeling.info import NAME, app_info, language_of, tasks
from medheart_labeling.scoring import METHODS
from medheart_labeling.stock_tasks import BatchRun, HostInferTask, JobTrainTask, LeasingStrategy, StoredScoring
from medheart_labeling.strategies import STRATEGIES
from medheart_labeling.texts import text

__all__ = ["MedHeartApp"]


class MedHeartApp(MONAILabelApp):  # type: ignore[misc]
    """MedHeart as a MONAI Label application.

    MONAI Label's loader takes the first class whose direct base is `MONAILabelApp`, and gives it three
    arguments.

    Parameters
    ----------
    app_dir, studies : str
        As MONAI Label gives them; the store of the settings is what counts.
    conf : dict
        May hold `backend`, a `Backend` that is open already; else one is opened by the settings.
    """

    def __init__(self, app_dir: str, studies: str, conf: dict[str, Any]) -> None:
        self.backend: Backend = conf.get("backend") or Backend.open(Settings.load())
        self._language = language_of(self.backend.settings)
        super().__init__(app_dir, studies, {}, name=NAME, description=text("app", self._language))

    def init_datastore(self) -> MedHeartDatastore:
        """Return our datastore."""
        return MedHeartDatastore(self.backend)

    def init_infers(self) -> dict[str, HostInferTask]:
        """Return one inference task per task of ours."""
        return {task.id: HostInferTask(self.backend, task, self._language) for task in tasks()}

    def init_trainers(self) -> dict[str, JobTrainTask]:
        """Return one trainer per task of ours."""
        return {task.id: JobTrainTask(self.backend, task, self._language) for task in tasks()}

    def init_strategies(self) -> dict[str, LeasingStrategy]:
        """Return our strategies."""
        return {name: LeasingStrategy(self.backend, name, self._language) for name in STRATEGIES}

    def init_scoring_methods(self) -> dict[str, StoredScoring]:
        """Return our scoring methods."""
        return {name: StoredScoring(self.backend, name, self._language) for name in METHODS}

    def init_batch_infer(self) -> BatchRun:
        """Return batch inference by job workers."""
        return BatchRun(self.backend)

    def info(self) -> dict[str, Any]:
        """Return what `/info/` tells."""
        return app_info(self.backend)

    def on_init_complete(self) -> None:
        """Start nothing: what MONAI Label would run on timers is the door's and the job workers'."""

    def infer(self, request: dict[str, Any], datastore: Any = None) -> dict[str, Any]:
        """Run a model on an image of the store; a path, which stock MONAI Label would open, is refused.

        Parameters
        ----------
        request : dict
            `model`, `image` (an id), and parameters as `/infer/` takes them.
        datastore : Datastore, optional
            Not used: there is one.
        """
        if not isinstance(request.get("image"), str):
            raise MedHeartError("name an image of the datastore by its id", code="bad_request")
        check_id("image", request["image"])
        model = check_id("model", request.get("model"))
        if model not in self._infers:
            raise MedHeartError(f"there is no model {model!r}; there are {sorted(self._infers)}", code="not_found")
        file, params = self._infers[model](request)
        return {"label": file, "tag": request.get("label_tag", "original"), "file": file, "params": params}
