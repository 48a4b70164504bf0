"""What a new label version must fulfil before anything is written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medheart.errors import GeometryError, SchemaError, StoreError
from medheart.geometry import Geometry
from medheart.schema import LabelSchema
from medheart.volume import LabelMap

__all__ = ["check_same_schema", "fit_to_image", "parent_chain"]


def parent_chain(base: str | None, parents: Sequence[str] | None) -> tuple[str, ...]:
    """Return the parents of a new version, the base first; raises StoreError if they make no sense."""
    chain = tuple(parents) if parents is not None else ((base,) if base else ())
    if len(chain) > 2 or len(set(chain)) != len(chain):
        raise StoreError(f"a version has at most two different parents, got {list(chain)}", code="bad_parent")
    if base is not None and base not in chain:
        raise StoreError(f"the base {base!r} is not among the parents {list(chain)}", code="bad_parent")
    return tuple(sorted(chain, key=lambda parent: parent != base))


def check_same_schema(given: LabelSchema, parent: LabelSchema) -> None:
    """Raise SchemaError unless `given` is the schema of the parent, or a later form that keeps its labels."""
    ours = {label.value: label.name for label in given.labels}
    differing = [label.value for label in parent.labels if ours.get(label.value) != label.name]
    if given.id != parent.id or differing:
        raise SchemaError(
            f"the label has schema {given.id!r}, the version it started from {parent.id!r}; "
            f"values that differ: {differing}",
            expected=parent.id,
            got=given.id,
            differing=differing,
        )


def fit_to_image(labels: LabelMap, geometry: Geometry, image: str) -> LabelMap:
    """Return the labels on the image's own grid, in the smallest type of their schema."""
    if not labels.geometry.matches(geometry):
        raise GeometryError(
            f"the label is not on the grid of image {image!r}: {_describe(labels.geometry)}, "
            f"the image has {_describe(geometry)}",
            image=image,
        )
    dtype = np.min_scalar_type(max(labels.schema.values, default=0))
    return LabelMap(labels.array.astype(dtype, copy=False), geometry, labels.schema)


def _describe(geometry: Geometry) -> str:
    spacing, origin = geometry.spacing.round(4).tolist(), geometry.origin.round(3).tolist()
    return f"shape {geometry.shape} (K, J, I), spacing {spacing} mm, origin {origin}, axes {geometry.orientation}"
