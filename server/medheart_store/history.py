"""Label versions as people ask for them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from medheart.errors import NotFound
from medheart.records import LabelVersion
from medheart_store.store import Store

__all__ = ["describe_version", "versions_of"]


def versions_of(store: Store, name: str | None = None) -> list[LabelVersion]:
    """Return the versions of a series, of all series of a study, or of everything.

    Raises
    ------
    NotFound
        If `name` is neither a study nor a series.
    """
    studies = store.studies()
    if name is None:
        images = [series.id for study in studies for series in study.series]
    elif any(name == study.id for study in studies):
        images = [series.id for series in store.study(name).series]
    else:
        try:
            images = [store.series(name).id]
        except NotFound as error:
            raise NotFound(f"no study or series {name!r} in the store") from error
    return [version for image in images for version in store.versions(image)]


def describe_version(store: Store, version_id: str) -> dict[str, Any]:
    """Return a version with its events and documents, JSON-serialisable."""
    version = store.version(version_id)
    return {
        **version.to_dict(),
        "events": [asdict(event) for event in store.events(version_id)],
        "documents": [asdict(document) for document in store.documents(version_id)],
    }
