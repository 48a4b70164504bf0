"""Which label every image has under every tag, kept in memory and brought up to date by what changed.

`/info/` is asked for all the time and counts labels: it must not read the versions of every image.
One lock guards the table; it is held while what changed is read from the store.
"""

from __future__ import annotations

import threading
from typing import Any

from medheart.errors import MedHeartError
from medheart.records import LabelVersion
from medheart_labeling.ids import check_id
from medheart_labeling.notes import Notes
from medheart_store import Store

__all__ = ["FINAL", "ORIGINAL", "Catalogue", "draft_tag", "tag_of"]

FINAL, ORIGINAL = "final", "original"


def tag_of(version: LabelVersion) -> str:
    """Return the tag under which stock clients see a version.

    The one it was submitted with; else `original` for a model's, `final` for others.
    """
    return str(version.meta.get("tag") or (ORIGINAL if version.automatic else FINAL))


def draft_tag(tag: Any) -> str:
    """Return the tag of a model's label, `original` where none was named; raises MedHeartError for `final`.

    With a final label a case leaves the worklist: that is for a person to say.
    """
    wanted = check_id("label_tag", tag or ORIGINAL)
    if wanted == FINAL:
        raise MedHeartError(f"label_tag of a model's label cannot be {FINAL!r}; a person submits it", code="bad_tag")
    return wanted


class Catalogue:
    """Image and tag to label version; drafts that people made and what is hidden are left out.

    An image's label of a tag is the head where the head has that tag, else the newest version with it.

    Parameters
    ----------
    store : Store
        Where versions are.
    notes : Notes
        Says what is hidden.
    """

    def __init__(self, store: Store, notes: Notes) -> None:
        self._store = store
        self._notes = notes
        self._lock = threading.Lock()
        self._mark = (0, 0)
        self._versions: dict[str, list[LabelVersion]] = {}

    def tags(self, image: str) -> dict[str, LabelVersion]:
        """Return the label of each tag of an image."""
        return self.all_tags([image])[image]

    def all_tags(self, images: list[str]) -> dict[str, dict[str, LabelVersion]]:
        """Return the label of each tag of each of the images."""
        hidden = self._notes.hidden()
        with self._lock:
            self._refresh()
            known = {image: self._versions.get(image, []) for image in images}
        return {
            image: {tag_of(version): version for version in versions if version.id not in hidden}
            for image, versions in known.items()
        }

    def _refresh(self) -> None:
        changed, self._mark = self._store.changed_images(self._mark)
        for image in changed:
            found = [
                version for version in self._store.versions(image) if version.automatic or version.state != "draft"
            ]
            head = self._store.head(image)
            # In this order a later one of a tag counts, and the head before all.
            self._versions[image] = [*found, *([head] if head is not None else [])]
