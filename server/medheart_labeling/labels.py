"""Labels as a MONAI Label client sees them: one per image and tag, over immutable label versions.

A label's id is its image's id, as in stock MONAI Label; the id of a version is accepted, too. Which
version a tag means is `catalogue`'s to say.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any

from medheart.errors import NotFound
from medheart.records import LabelVersion
from medheart.schema import load_schema, schema_ids
from medheart_labeling.cases import Cases
from medheart_labeling.catalogue import Catalogue, tag_of
from medheart_labeling.files import FileCache
from medheart_labeling.ids import check_id
from medheart_labeling.notes import Notes
from medheart_labeling.segments import write_segments
from medheart_store import Store

__all__ = ["SEGMENTS", "Labels"]

SEGMENTS = ".dcm"


class Labels:
    """The labels of the store.

    Parameters
    ----------
    store : Store
        Where versions are.
    cases : Cases
        The images.
    notes : Notes
        Who was shown which version.
    files : FileCache
        Where label files are made.
    """

    def __init__(self, store: Store, cases: Cases, notes: Notes, files: FileCache) -> None:
        self._store = store
        self._cases = cases
        self._notes = notes
        self._files = files
        self._catalogue = Catalogue(store, notes)

    def tags(self, image: str) -> dict[str, LabelVersion]:
        """Return the label of each tag of an image; drafts and hidden versions are left out."""
        return self._catalogue.tags(image)

    def all_tags(self) -> dict[str, dict[str, LabelVersion]]:
        """Return the same for every image, oldest first."""
        return self._catalogue.all_tags(self._cases.ids())

    def find(self, label: str, tag: str) -> LabelVersion:
        """Return the version that a client means by label id and tag; raises NotFound."""
        check_id("label", label)
        if self._is_image(label):
            tags = self.tags(label)
            if tag in tags:
                return tags[tag]
            raise NotFound(f"image {label!r} has no label {tag!r}; it has {sorted(tags)}", tags=sorted(tags))
        return self._store.version(label)

    def file(self, version: LabelVersion, *, ending: str = ".nii.gz") -> Path:
        """Return a file of a version, values as stored, with the research notice where one is due.

        `ending` is one of `results.ENDINGS`, or `.dcm` for DICOM SEG.
        """
        from medheart_models.tasks.research import label_title, research_notice

        lineage = self._store.lineage(version.id)
        title = label_title(lineage)

        def make(path: Path) -> Path:
            from medheart_io import write_labels

            labels = self._store.labels(version.id)
            if ending != SEGMENTS:
                return write_labels(path, labels, title=title)
            return write_segments(
                path,
                labels,
                origin=version.origin,
                author=version.author,
                store=self._store,
                image=version.image,
                model=str(version.meta.get("model", "")),
                description=research_notice(lineage).get("en", "Segmentation"),
            )

        # A file never changes its meaning: with another title it is another file.
        mark = hashlib.sha256(title.encode()).hexdigest()[:8]
        return self._files.get(f"{version.id}-{mark}{ending}", make)

    def info(self, version: LabelVersion) -> dict[str, Any]:
        """Return what is known of a label, with what clients noted on it."""
        known = {
            "ts": int(datetime.fromisoformat(version.created).timestamp()),
            "name": f"{version.image}.nii.gz",
            "version": version.id,
            "number": version.number,
            "author": version.author,
            "origin": version.origin,
            "schema": version.schema_id,
            "state": version.state,
        }
        sent = {**version.meta.get("params", {}), **self._notes.info("label", version.id)}
        return {**sent, **known, **_stock_params(version, sent)}

    def update_info(self, version: LabelVersion, info: dict[str, Any]) -> None:
        """Note something on a label; the version itself never changes."""
        self._notes.update_info("label", version.id, info)

    def hide(self, image: str, tag: str) -> None:
        """Take the label of a tag away from clients; the versions stay in the store."""
        self.find(image, tag)
        hidden = [version.id for version in self._store.versions(image) if tag_of(version) == tag]
        self._notes.hide(*hidden)

    def shown(self, annotator: str, image: str, version: LabelVersion | None) -> None:
        """Remember what an annotator was shown last for an image."""
        self._notes.note_served(annotator, image, version.id if version else None)

    def shown_image(self, annotator: str, image: str) -> None:
        """Remember that an annotator was given an image: with its current label, unless they were shown a version."""
        if annotator not in self._notes.served(image):
            self.shown(annotator, image, self._store.current(image))

    def shown_prediction(self, annotator: str, image: str, origin: str) -> None:
        """Remember that an annotator was given a model's result that is no version."""
        self.shown_image(annotator, image)
        self._notes.update_info("prediction", image, {annotator: origin})

    def _is_image(self, label: str) -> bool:
        try:
            self._cases.series(label)
        except NotFound:
            return False
        return True


def _stock_params(version: LabelVersion, sent: dict[str, Any]) -> dict[str, Any]:
    """Return what stock MONAI Label notes on a label: the model, and `params` with the names of its values.

    The stock plug-in names the segments of a downloaded label by them. Where they are missing it takes the
    first labels that `/info/` tells, which are another organ's.
    """
    model = {"model": version.origin.partition("@")[0]} if version.automatic else {}
    if version.schema_id not in schema_ids():
        return model
    names = {label.name: label.value for label in load_schema(version.schema_id).labels}
    given = sent.get("params")
    return {**model, "params": {**(given if isinstance(given, dict) else {}), "label_names": names}}
