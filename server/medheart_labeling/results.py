"""The file and the parameters with which an inference is answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart.errors import MedHeartError
from medheart.volume import LabelMap, Volume

__all__ = ["DTYPES", "ENDINGS", "centroids", "label_names", "result_dtype", "result_ending", "write_result"]

ENDINGS = (".nii.gz", ".nii", ".nrrd", ".seg.nrrd", ".mha")
DTYPES = ("uint8", "uint16", "int16", "int32", "float32")


def result_ending(value: Any) -> str:
    """Return the file ending asked for as `result_extension`; `.nii.gz` where none was."""
    ending = value or ENDINGS[0]
    if ending not in ENDINGS:
        raise MedHeartError(f"result_extension must be one of {list(ENDINGS)}, got {ending!r}", code="bad_request")
    return str(ending)


def result_dtype(value: Any) -> str | None:
    """Return the type asked for as `result_dtype`, None where none was."""
    if value in (None, ""):
        return None
    if value not in DTYPES:
        raise MedHeartError(f"result_dtype must be one of {list(DTYPES)}, got {value!r}", code="bad_request")
    return str(value)


def write_result(path: Path, labels: LabelMap, *, dtype: str | None, origin: str) -> Path:
    """Write a label map in the type a client asked for.

    Parameters
    ----------
    path : pathlib.Path
        Its ending selects the format; a `.seg.nrrd` carries names and colours and has the stored type.
    labels : LabelMap
        Values are kept.
    dtype : str, optional
        One of `DTYPES`; the stored type by default.
    origin : str
        As in `LabelVersion`: the title of the file, after the research notice where one is due.

    Raises
    ------
    MedHeartError
        If a value of the schema does not fit into the type: 256 would otherwise become 0.
    """
    from medheart_io import write_labels, write_volume
    from medheart_io.nifti import write_nifti
    from medheart_models.tasks.research import notice_for_origins

    highest = max(labels.schema.values, default=0)
    if dtype is not None and dtype != "float32" and highest > np.iinfo(dtype).max:
        raise MedHeartError(
            f"label values of schema {labels.schema.id!r} go up to {highest}, which result_dtype {dtype} cannot hold",
            code="dtype_overflow",
        )
    notice = notice_for_origins([origin]).get("en")
    title = f"{notice}: {origin}" if notice else origin
    if dtype is None or path.name.endswith(".seg.nrrd"):
        return write_labels(path, labels, title=title)
    array = labels.array.astype(dtype)
    if not path.name.endswith((".nii", ".nii.gz")):
        return write_volume(path, Volume(array, labels.geometry))
    write_nifti(path, array, labels.geometry, title=title)
    return path


def label_names(labels: LabelMap) -> dict[str, int]:
    """Return label name to value, as in the schema."""
    return {label.name: label.value for label in labels.schema.labels}


def centroids(labels: LabelMap) -> dict[str, list[str]]:
    """Return the mean voxel (i, j, k), rounded, of each label that is present; as decimal strings.

    Strings, because that is what stock MONAI Label sends.
    """
    from scipy import ndimage

    found = {}
    for value, box in enumerate(ndimage.find_objects(labels.array), start=1):
        if box is not None:
            mask = labels.array[box] == value
            sides = zip(box, _mean_index(mask), strict=True)
            found[labels.schema.by_value(value).name] = [str(round(part.start + mean)) for part, mean in sides][::-1]
    return found


def _mean_index(mask: NDArray[np.bool_]) -> list[float]:
    """Return the mean index of a mask along each of its axes (K, J, I)."""
    means = []
    for axis in range(mask.ndim):
        others = tuple(n for n in range(mask.ndim) if n != axis)
        profile = np.count_nonzero(mask, axis=others)
        means.append(float(np.average(np.arange(len(profile)), weights=profile)))
    return means
