"""New label versions: what clients submit and what models find.

Nothing is ever replaced. A submit takes as base the version last shown to the annotator for this image
(none, where the image was shown without a label); for an annotator who was shown nothing, the head. If
the head has moved on, the new version is a branch, to be merged.

Stock clients say who they are in some requests only: when they download they go by the name of their key,
or as the local owner, which several of them may share. What was shown last under a shared name may have been
shown to another one. The base is then the older of that and what the annotator was shown by their own name:
wrongly guessed, it makes a branch, while the newer one could hide what nobody looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medheart.errors import SchemaError
from medheart.geometry import Geometry
from medheart.records import LabelVersion
from medheart.schema import LabelSchema, load_schema, schema_ids
from medheart.volume import LabelMap
from medheart_access import LOCAL_OWNER
from medheart_labeling.cases import Cases
from medheart_labeling.catalogue import draft_tag
from medheart_labeling.ids import check_id
from medheart_labeling.label_info import parse_label_info, read_submission
from medheart_labeling.labels import Labels
from medheart_labeling.notes import Notes
from medheart_store import Store

__all__ = ["Submissions"]

_OURS = frozenset({"base", "schema", "note"})


class Submissions:
    """Adds label versions.

    Parameters
    ----------
    store : Store
        Where they go.
    cases, labels
        Images, and labels as clients see them.
    notes : Notes
        Who was shown which version.
    """

    def __init__(self, store: Store, cases: Cases, labels: Labels, notes: Notes) -> None:
        self._store = store
        self._cases = cases
        self._labels = labels
        self._notes = notes

    def submit(
        self, path: Path, image: str, *, tag: str, annotator: str, params: dict[str, Any], aliases: Sequence[str] = ()
    ) -> LabelVersion:
        """Keep a client's label file as a new version.

        Parameters
        ----------
        path : pathlib.Path
            The uploaded file.
        image : str
            Image id.
        tag : str
            `final` or any other id.
        annotator : str
            Author.
        params : dict
            As the client sent them: `label_info`, `model`, and what our own clients add: `base` (id of the
            version they started from; then a moved head is a conflict), `schema`, `note`.
        aliases : sequence of str
            Other names under which the annotator may have been shown a version: stock clients say who
            they are in some requests only.

        Raises
        ------
        NotFound, ImageRejected, GeometryError, SchemaError
            If there is no such image, or the file is not a label of it.
        Conflict
            If `params["base"]` was given and is no longer the head.
        """
        check_id("tag", tag)
        series = self._cases.series(image)
        base = self._base(image, annotator, aliases, params)
        info = parse_label_info(params.get("label_info"))
        schema = _schema(params, set(info.values()), base)
        labels = read_submission(path, schema, info, like=Geometry.from_dict(series.geometry))
        if base is not None and base.schema_id != schema.id and "base" not in params:
            # What they were shown was another organ's label; of this one they saw the head.
            base = self._store.current(image, schema_id=schema.id)
        model = self._model_behind(image, annotator, base)
        version = self._store.add_version(
            labels,
            image=image,
            author=annotator,
            origin="edited" if base is not None or model else "manual",
            base=base.id if base else None,
            expect_head="base" in params,
            note=str(params.get("note", "")),
            meta={
                "tag": tag,
                "params": {key: value for key, value in params.items() if key not in _OURS},
                **({"model": model} if model else {}),
            },
        )
        self._labels.shown(annotator, image, version)
        return version

    def add_prediction(
        self, labels: LabelMap, image: str, *, origin: str, annotator: str, tag: str, meta: dict[str, Any]
    ) -> LabelVersion:
        """Keep a model's result as a draft after the label that is shown; drafts move no head."""
        tag = draft_tag(tag)
        shown = self._store.current(image, schema_id=labels.schema.id)
        version = self._store.add_version(
            labels,
            image=image,
            author=annotator,
            origin=origin,
            base=shown.id if shown is not None else None,
            state="draft",
            meta={**meta, "tag": tag},
        )
        self._labels.shown(annotator, image, version)
        return version

    def _model_behind(self, image: str, annotator: str, base: LabelVersion | None) -> str:
        """Return the `task@version` that a label started from; empty where none is known."""
        if base is not None:
            known = base.origin if base.automatic else base.meta.get("model", "")
            if known:
                return str(known)
        return str(self._notes.info("prediction", image).get(annotator, ""))

    def _base(self, image: str, annotator: str, aliases: Sequence[str], params: dict[str, Any]) -> LabelVersion | None:
        if "base" in params:
            given = params["base"]
            return self._store.version(check_id("base", given)) if given is not None else None
        served = self._notes.served(image)
        names = [name for name in served if name in (annotator, *aliases)]
        if not names:
            return self._store.current(image)
        others = [name for name in served if name not in names]
        shared = any(_goes_by(other, alias) for other in others for alias in aliases)
        # The names are in the order of time, the latest at the end.
        counting = names if shared and names[-1] != annotator else names[-1:]
        shown = [self._store.version(version) if version else None for version in map(served.get, counting)]
        return min(shown, key=lambda version: version.number if version else 0)


def _goes_by(client: str, alias: str) -> bool:
    """Whether a client may have downloaded under this name, see `ids.annotator_name`."""
    return alias == LOCAL_OWNER.name or client.startswith(f"{alias}/")


def _schema(params: dict[str, Any], names: set[str], base: LabelVersion | None) -> LabelSchema:
    """Return the schema of a submit: as it says, else of its base, its model, or its label names."""
    if params.get("schema"):
        return load_schema(check_id("schema", params["schema"]))
    known = [load_schema(schema_id) for schema_id in schema_ids()]
    fitting = [schema for schema in known if names <= {label.name for label in schema.labels}]
    wanted = base.schema_id if base is not None else _schema_of_model(params.get("model"))
    chosen = [schema for schema in fitting if schema.id == wanted] or fitting
    if len(chosen) == 1:
        return chosen[0]
    raise SchemaError(
        f"the labels {sorted(names)} fit {len(chosen)} schemas of {[schema.id for schema in known]}; "
        "name one as `schema`, or the `model`",
        names=sorted(names),
        fitting=[schema.id for schema in chosen],
    )


def _schema_of_model(model: Any) -> str | None:
    from medheart_models.tasks import load_task, task_ids

    return load_task(model).schema_id if model in task_ids() else None
