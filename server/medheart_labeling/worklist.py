"""The next case for an annotator: chosen by a strategy, then leased, so that no two get the same one."""

from __future__ import annotations

import time
from typing import Any

from medheart.errors import MedHeartError
from medheart_labeling.cases import Cases
from medheart_labeling.catalogue import FINAL
from medheart_labeling.labels import Labels
from medheart_labeling.strategies import rank
from medheart_store import Store

__all__ = ["LEASE_S", "Worklist"]

LEASE_S = 3600.0
"""How long a case stays with an annotator who is not heard of; every request about it starts it anew."""


class Worklist:
    """Hands out cases without a final label.

    Parameters
    ----------
    store : Store
        Keeps the leases.
    cases, labels
        Images and their labels.
    """

    def __init__(self, store: Store, cases: Cases, labels: Labels) -> None:
        self._store = store
        self._cases = cases
        self._labels = labels

    def open_cases(self) -> list[str]:
        """Return the images that have no final label, oldest first."""
        return [image for image, tags in self._labels.all_tags().items() if FINAL not in tags]

    def next(self, strategy: str, annotator: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the next case of an annotator, or an empty dict where there is none left for them.

        Parameters
        ----------
        strategy : str
            See `strategies.rank`.
        annotator : str
            Who asks; a case that they hold already comes first.
        params : dict
            May hold `k` and `seed`.

        Returns
        -------
        dict
            `id`, `path` (a file on the server), `strategy`, `reason` by language, `lease_s`, and the image's info.
        """
        seed = params.get("seed")
        if seed is not None and not isinstance(seed, int):
            raise MedHeartError(f"seed must be a whole number, got {seed!r}", code="bad_request")
        ranked = rank(strategy, self.open_cases(), info=self._cases.info, k=params.get("k", 1), seed=seed)
        image = self._store.lease_case([candidate.image for candidate in ranked], annotator, seconds=LEASE_S)
        if image is None:
            return {}
        chosen = next(candidate for candidate in ranked if candidate.image == image)
        self._labels.shown_image(annotator, image)
        self._note(image, strategy, annotator)
        answer = {**self._cases.info(image), "id": image, "path": str(self._cases.file(image))}
        if chosen.score is not None:
            answer["weight"] = chosen.score
        return {**answer, "reason": chosen.reason, "lease_s": LEASE_S}

    def touch(self, image: str, annotator: str) -> None:
        """Extend the annotator's lease on an image, if they have one."""
        if self._store.leased().get(image) == annotator:
            self._store.renew(image, annotator, seconds=LEASE_S)

    def renew(self, image: str, annotator: str) -> float:
        """Extend a lease; returns its seconds. Raises Conflict if it is not the annotator's any more."""
        self._store.renew(image, annotator, seconds=LEASE_S)
        return LEASE_S

    def release(self, image: str, annotator: str) -> None:
        """Give a case back."""
        self._store.release(image, annotator)

    def _note(self, image: str, strategy: str, annotator: str) -> None:
        """Leave the hint that stock MONAI Label leaves: who was given the image, and when."""
        given = self._cases.info(image).get("strategy")
        given = dict(given) if isinstance(given, dict) else {}
        hint = {"ts": int(time.time()), "client_id": annotator}
        self._cases.update_info(image, {"strategy": {**given, strategy: hint}})
