"""MONAI Label's datastore interface over the store: ids only, versions instead of replaced files."""

# ruff: noqa: ARG002  the signatures are MONAI Label's

from __future__ import annotations

import io
import json
import uuid
import zipfile
from pathlib import Path
from typing import Any

from monailabel.interfaces.datastore import Datastore

from medheart.errors import MedHeartError, NotFound
from medheart_access import LOCAL_OWNER
from medheart_labeling.backend import Backend
from medheart_labeling.catalogue import FINAL
from medheart_labeling.info import datastore_status

__all__ = ["MedHeartDatastore"]

_ENDING = ".nii.gz"


class MedHeartDatastore(Datastore):  # type: ignore[misc]
    """The store as MONAI Label's endpoints see it.

    Removing hides from clients; the store keeps images and versions. Methods whose names say what they
    do are documented by `monailabel.interfaces.datastore.Datastore`.

    Parameters
    ----------
    backend : Backend
        Does the work.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def name(self) -> str:
        """Return a name for people."""
        return "medheart"

    def set_name(self, name: str) -> None:
        """Refuse: the store has no name to set."""
        raise MedHeartError("the store is named by its installation", code="not_settable")

    def description(self) -> str:
        """Return a description for people."""
        return str(self._backend.settings.store_dir.name)

    def set_description(self, description: str) -> None:
        """Refuse: the store has no description to set."""
        raise MedHeartError("the store is described by its installation", code="not_settable")

    def datalist(self) -> list[dict[str, Any]]:
        """Return image and label files of all images with a final label."""
        return [
            {"image": str(self._backend.cases.file(image)), "label": str(self._backend.labels.file(tags[FINAL]))}
            for image, tags in self._backend.labels.all_tags().items()
            if FINAL in tags
        ]

    def get_labels_by_image_id(self, image_id: str) -> dict[str, str]:
        """Return tag to label id."""
        return dict.fromkeys(self._backend.labels.tags(image_id), image_id)

    def get_label_by_image_id(self, image_id: str, tag: str) -> str:
        """Return the label id of a tag, empty where there is none."""
        return self.get_labels_by_image_id(image_id).get(tag, "")

    def get_image(self, image_id: str, params: Any = None) -> io.BytesIO:
        """Return the bytes of an image file."""
        return io.BytesIO(Path(self.get_image_uri(image_id)).read_bytes())

    def get_image_uri(self, image_id: str) -> str:
        """Return the path of an image file; raises NotFound."""
        return str(self._backend.cases.file(image_id))

    def get_label(self, label_id: str, label_tag: str, params: Any = None) -> io.BytesIO:
        """Return the bytes of a label file."""
        return io.BytesIO(Path(self.get_label_uri(label_id, label_tag)).read_bytes())

    def get_label_uri(self, label_id: str, label_tag: str) -> str:
        """Return the path of a label file; raises NotFound."""
        return str(self._backend.labels.file(self._backend.labels.find(label_id, label_tag)))

    def get_image_info(self, image_id: str) -> dict[str, Any]:
        """Return what is known of an image; raises NotFound."""
        return {**self._backend.cases.info(image_id), "path": self.get_image_uri(image_id)}

    def get_label_info(self, label_id: str, label_tag: str) -> dict[str, Any]:
        """Return what is known of a label; raises NotFound."""
        return self._backend.labels.info(self._backend.labels.find(label_id, label_tag))

    def get_labeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """Return the images with a label of the tag, `final` by default."""
        return [image for image, tags in self._backend.labels.all_tags().items() if (label_tag or FINAL) in tags]

    def get_unlabeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """Return the images without a label of the tag, `final` by default."""
        return [image for image, tags in self._backend.labels.all_tags().items() if (label_tag or FINAL) not in tags]

    def list_images(self) -> list[str]:
        """Return the ids of all images, oldest first."""
        return self._backend.cases.ids()

    def get_dataset_archive(self, limit_cases: int | None) -> str:
        """Return a zip of images, final labels and what is known of them; raises NotFound where there is none."""
        pairs = self.datalist()[: limit_cases or None]
        if not pairs:
            raise NotFound("no image has a final label yet")
        return str(self._backend.files.get(f"dataset-{uuid.uuid4().hex}.zip", lambda path: self._zip(path, pairs)))

    def refresh(self) -> None:
        """Do nothing: the store is always read anew."""

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        """Import an image file."""
        return self._backend.cases.add(Path(image_filename), image=image_id or None, params=image_info)

    def remove_image(self, image_id: str) -> None:
        """Hide an image from clients; raises NotFound."""
        self._backend.cases.hide(image_id)

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        """Keep a label file as a new version."""
        who = str(label_info.get("client_id") or LOCAL_OWNER.name)
        self._backend.submissions.submit(
            Path(label_filename), image_id, tag=label_tag, annotator=who, params=label_info
        )
        return image_id

    def remove_label(self, label_id: str, label_tag: str) -> None:
        """Hide the label of a tag from clients; raises NotFound."""
        self._backend.labels.hide(label_id, label_tag)

    def update_image_info(self, image_id: str, info: dict[str, Any]) -> None:
        """Note something on an image; raises NotFound."""
        self._backend.cases.update_info(image_id, info)

    def update_label_info(self, label_id: str, label_tag: str, info: dict[str, Any]) -> None:
        """Note something on a label; raises NotFound."""
        self._backend.labels.update_info(self._backend.labels.find(label_id, label_tag), info)

    def status(self) -> dict[str, Any]:
        """Return counts."""
        return datastore_status(self._backend)

    def json(self) -> dict[str, Any]:
        """Return everything, in the form of MONAI Label's local datastore."""
        objects = {image: self._object(image) for image in self.list_images()}
        return {"name": self.name(), "description": self.description(), "objects": objects}

    def _object(self, image: str) -> dict[str, Any]:
        labels = {
            tag: {"ext": _ENDING, "info": self._backend.labels.info(version)}
            for tag, version in self._backend.labels.tags(image).items()
        }
        return {"image": {"ext": _ENDING, "info": self._backend.cases.info(image)}, "labels": labels}

    def _zip(self, path: Path, pairs: list[dict[str, Any]]) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for pair in pairs:
                for kind, file in pair.items():
                    archive.write(file, f"{kind}/{Path(file).name}")
            archive.writestr("metadata.json", json.dumps(self.json()))
