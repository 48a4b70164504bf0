"""Label maps that come as files beside the images of a study: each becomes a label version of its image.

NIfTI, NRRD and MetaImage do not say whether they hold an image or labels; the voxels do. Which image a
label map belongs to is told by its grid, and by its name where several images lie on that grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from medheart.errors import GeometryError, ImageRejected, SchemaError
from medheart.geometry import Geometry
from medheart.records import LabelVersion, Series
from medheart.volume import Volume
from medheart_io import Candidate
from medheart_store import Store
from medheart_work.measuring import read_label_file

__all__ = ["AS_IMAGE", "import_label_file", "looks_like_labels", "told"]

AS_IMAGE = "as-image"
"""Choice that imports what looks like a label map as an image."""

_MOST_VALUES = 256
_HIGH, _MANY = 255, 16
"""Label values above 255 come from atlases, which have many: two or three such levels are a phantom or a test image."""
_SAMPLE = 200_000
_ALIKE = 0.75
"""Share of labelled neighbours in a row that are equal: measured 0.88 and more in label maps, under 0.6 in images."""


def looks_like_labels(volume: Volume) -> bool:
    """Whether voxels are those of a label map: few whole values from 0 on, in regions of one value.

    Parameters
    ----------
    volume : Volume
        (K, J, I).
    """
    array = volume.array
    sample = np.unique(array.ravel()[:: max(1, array.size // _SAMPLE)])
    if len(sample) > _MOST_VALUES or sample[0] < 0 or not np.array_equal(sample, np.rint(sample)):
        return False
    values = np.unique(array)
    if not 2 <= len(values) <= _MOST_VALUES or values[0] != 0 or not np.array_equal(values, np.rint(values)):
        return False
    if values[-1] > _HIGH and len(values) < _MANY:
        return False
    left, right = array[..., :-1], array[..., 1:]
    labelled = (left != 0) & (right != 0)
    return not labelled.any() or bool((left == right)[labelled].mean() >= _ALIKE)


def import_label_file(
    store: Store, candidate: Candidate, images: Mapping[str, str]
) -> tuple[Candidate, LabelVersion | None]:
    """Keep a label file as a version of its image.

    Parameters
    ----------
    candidate : Candidate
        A file whose voxels look like labels.
    images : mapping of str to str
        Series id to file name of the images that were imported with it.

    Returns
    -------
    Candidate, LabelVersion or None
        The candidate with its answer, and the version; None where it was not taken. Without an image
        on its grid, or with several of different studies, a person is asked.
    """
    path, grid = candidate.path, candidate.geometry
    assert grid is not None
    found = _on_grid(path.name, grid, [(store.series(one), name) for one, name in images.items()])
    if len({series.study for series in found}) != 1:
        why = f"{len(found)} images on its grid came with it" if found else "no image on its grid came with it"
        message = f"{path.name}: looks like a label map, and {why}; give it together with its own image"
        choices = {AS_IMAGE: "import it as an image all the same"}
        return replace(candidate, status="needs_choice", code="label_map", message=message, choices=choices), None
    series = found[0]
    try:
        labels = read_label_file(candidate.files[0], like=store.volume(series.id))
    except (ImageRejected, GeometryError, SchemaError) as error:
        return replace(candidate, status="rejected", code=error.code, message=error.message), None
    key = f"import-{series.id}-{labels.digest[:32]}"
    version = store.add_version(labels, image=series.id, author="import", origin="imported", key=key)
    kept = replace(candidate, status="accepted", code="labels", kind="segmentation", message=told(store, version))
    return kept, version


def told(store: Store, version: LabelVersion) -> str:
    """Return what the importer is told of the labels that came; those that came earlier stay where they are."""
    head = store.head(version.image, schema_id=version.schema_id)
    beside = f", beside version {head.number}, which stays the current one" if head and head.id != version.id else ""
    return f"labels of {version.image}, version {version.number}{beside}"


def _on_grid(name: str, grid: Geometry, images: Sequence[tuple[Series, str]]) -> list[Series]:
    """Return the images on a grid whose names begin like `name` for as long as any does."""
    near = [
        (_shared(name, other), series) for series, other in images if grid.matches(Geometry.from_dict(series.geometry))
    ]
    most = max((shared for shared, _ in near), default=0)
    return [series for shared, series in near if shared == most]


def _shared(name: str, other: str) -> int:
    """Return how many characters two names have in common from the start."""
    return next((n for n, (a, b) in enumerate(zip(name, other, strict=False)) if a != b), min(len(name), len(other)))
