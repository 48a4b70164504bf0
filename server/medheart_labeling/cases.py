"""Images as a MONAI Label client sees them: every series of the store is an image of the same id."""

from __future__ import annotations

import tempfile
import uuid
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medheart.errors import MedHeartError, NotFound
from medheart.records import Series, Study
from medheart.volume import Volume
from medheart_labeling.files import FileCache
from medheart_labeling.ids import check_id
from medheart_labeling.notes import Notes
from medheart_store import Store

if TYPE_CHECKING:
    from medheart_io import Candidate

__all__ = ["Cases", "read_upload"]

_ENDING = ".nii.gz"
_MODALITIES = frozenset({"CT", "MR", "PT", "US", "NM", "CR", "DX", "MG", "XA"})


class Cases:
    """The images of the store.

    Parameters
    ----------
    store : Store
        Where they are.
    notes : Notes
        What clients noted on them.
    files : FileCache
        Where their files are made.
    """

    def __init__(self, store: Store, notes: Notes, files: FileCache) -> None:
        self._store = store
        self._notes = notes
        self._files = files

    def ids(self) -> list[str]:
        """Return the ids of all images, oldest first."""
        hidden = self._notes.hidden()
        return [image for image in self._store.series_ids() if image not in hidden]

    def series(self, image: str) -> Series:
        """Return the record of an image; raises NotFound."""
        check_id("image", image)
        if image in self._notes.hidden():
            raise NotFound(f"there is no image {image!r}", image=image)
        return self._store.series(image)

    def volume(self, image: str) -> Volume:
        """Return the voxels of an image; raises NotFound."""
        self.series(image)
        return self._store.volume(image)

    def file(self, image: str) -> Path:
        """Return a NIfTI file of an image; its name is made from the image's digest."""
        from medheart_io import write_volume

        digest = self.series(image).image_digest
        return self._files.get(f"{digest}{_ENDING}", lambda path: write_volume(path, self._store.volume(image)))

    def info(self, image: str) -> dict[str, Any]:
        """Return what is known of an image, with what clients noted on it; free of identity."""
        series = self.series(image)
        noted = self._notes.info("image", image)
        known = {"modality": series.modality, "description": series.description, "name": f"{image}{_ENDING}"}
        return {"ts": _seconds(noted.pop("ts", None)), **known, **noted}

    def update_info(self, image: str, info: dict[str, Any]) -> None:
        """Note something on an image; keys that are given replace those noted before."""
        self.series(image)
        self._notes.update_info("image", image, info)

    def hide(self, image: str) -> None:
        """Take an image out of what clients see; the store keeps it with all its versions."""
        self.series(image)
        self._notes.hide(image)

    def add(
        self, path: Path, *, image: str | None = None, name: str | None = None, params: dict[str, Any] | None = None
    ) -> str:
        """Import an uploaded file as a study of its own.

        Parameters
        ----------
        path : pathlib.Path
            An image, a DICOM file, or a zip of a DICOM series.
        image : str, optional
            Id to give. The same image under the same id is no error.
        name : str, optional
            Id to give if it is free, where `image` is None; else one is made.
        params : dict, optional
            What the client says; `modality` is taken where the file does not say.

        Returns
        -------
        str
            Id of the image.

        Raises
        ------
        ImageRejected, NeedsChoice
            If the file cannot be used, or holds several images.
        Conflict
            If another image has this id.
        """
        if image is not None:
            check_id("image", image)
        with tempfile.TemporaryDirectory(prefix="medheart-") as folder:
            volume, candidate = read_upload(path, Path(folder))
            image = image or self._free_id(name, volume)
            self._keep(image, volume, candidate, _stated_modality(params or {}))
        self._notes.show(image)
        noted = {key: value for key, value in (params or {}).items() if key not in {"modality", "path", "name"}}
        self._notes.update_info("image", image, {**noted, "ts": datetime.now().timestamp()})
        return image

    def _free_id(self, name: str | None, volume: Volume) -> str:
        if name is None:
            return uuid.uuid4().hex
        try:
            taken = self._store.series(name).image_digest != volume.digest
        except NotFound:
            taken = False
        return uuid.uuid4().hex if taken else name

    def _keep(self, image: str, volume: Volume, candidate: Candidate | None, modality: str) -> None:
        # Who the patient is stays in the original files; here every upload is a patient of its own.
        study = Study(image, f"upload-{image}", candidate.study_date if candidate else "", "")
        series = Series(
            id=image,
            study=self._store.add_study(study).id,
            modality=volume.modality or modality,
            body_part=str(volume.meta.get("body_part", "")),
            description=str(volume.meta.get("series_description", "")),
            image_digest=volume.digest,
            geometry=volume.geometry.to_dict(),
            meta=volume.meta,
        )
        self._store.add_series(series, volume)
        if candidate is not None and candidate.series_uid:
            self._store.add_originals(image, candidate.files)


def read_upload(path: Path, folder: Path) -> tuple[Volume, Candidate | None]:
    """Read the one image of an uploaded file; of DICOM also return which files it came in.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    folder : pathlib.Path
        Empty folder for what a zip holds; the returned files may lie in it.
    """
    from medheart_io import load, read_image, scan, unpack_zip
    from medheart_io.sniff import sniff

    kind = sniff(path)
    if kind not in {"dicom", "zip"}:
        return read_image(path), None
    if kind == "zip":
        unpack_zip(path, folder)
    usable = [found for found in scan([folder if kind == "zip" else path]) if found.status == "accepted"]
    if len(usable) == 1:
        return load(usable[0]), usable[0]
    # None or several: the reader of single cases says which, and what to do.
    return read_image(path), None


def _stated_modality(params: dict[str, Any]) -> str:
    modality = params.get("modality", "")
    if modality and modality not in _MODALITIES:
        raise MedHeartError(f"modality must be one of {sorted(_MODALITIES)}, got {modality!r}", code="bad_request")
    return str(modality)


def _seconds(value: Any) -> int:
    return int(value) if isinstance(value, (int, float)) else 0
