"""Label versions: adding, reading, comparing, restoring. Rules of the head: `version_records`.

Order of writes: pack, manifest, then one SQL transaction; only after its commit is a version
acknowledged. What a crash leaves behind is at most a pack or manifest that nothing names.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, NoReturn

from sqlalchemy import Connection, RowMapping, func, insert, select

from medheart.errors import Conflict, Corrupt, NotFound, StoreError
from medheart.geometry import Geometry
from medheart.records import LabelVersion, VersionState, is_automatic
from medheart.schema import LabelSchema
from medheart.volume import LabelMap
from medheart_store.crash import crash_point
from medheart_store.diff import VersionDiff, changes, dice_per_label
from medheart_store.engine import insert_missing
from medheart_store.labels import LabelObjects
from medheart_store.leases import DRAFT_LEASE_S, Leases
from medheart_store.manifests import Manifest
from medheart_store.tables import schemas, versions
from medheart_store.version_checks import check_same_schema, fit_to_image, parent_chain
from medheart_store.version_records import VersionRecords, schema_digest

__all__ = ["Versions"]


class _HeadMoved(Exception):
    """The head was another one at the moment of commit."""


class Versions(VersionRecords, Leases):
    """The part of the store that keeps label versions."""

    def add_version(
        self,
        labels: LabelMap,
        *,
        image: str,
        author: str,
        origin: str,
        base: str | None = None,
        parents: Sequence[str] | None = None,
        expect_head: bool = False,
        note: str = "",
        state: VersionState = "submitted",
        meta: dict[str, Any] | None = None,
        key: str | None = None,
    ) -> LabelVersion:
        """Keep a label map as a new version of an image.

        The array is kept in the smallest unsigned type that holds its schema's values, so that the
        same labels always have the same chunks.

        Parameters
        ----------
        labels : LabelMap
            On the grid of the image within 1e-3 mm.
        image : str
            Series id.
        author, origin, note, meta
            As in `LabelVersion`.
        base : str, optional
            Version it started from. Without one it is the first version, or a branch.
        parents : sequence of str, optional
            One or two versions, for a merge; `(base,)` by default.
        expect_head : bool
            Refuse, instead of making a branch, if `base` is no longer the head.
        state : str
            First state; a `draft` never becomes the head before it is submitted, and one that a person
            made keeps a lease of theirs on the case for hours.
        key : str, optional
            Idempotency key: a second call with it returns the version of the first.

        Raises
        ------
        Conflict
            If the head moved; details `base`, `head` (versions), `head_changes`, `submitted_changes`
            (box and chunks since the base) and `overlapping_chunks`.
        GeometryError, SchemaError
            If the grid is not the image's, or the schema not that of the parents.
        """
        chain = parent_chain(base, parents)
        with self._read() as connection:
            series = self._series_row(connection, image)
            if (known := self._version_by_key(connection, key)) is not None:
                return self.version(known)
            rows = [self._parent_row(connection, parent, image) for parent in chain]
            newest = self._newest_manifest(connection, image)
            inherited = [self._schema(connection, row["schema_digest"]) for row in rows]
        for schema in inherited:
            check_same_schema(labels.schema, schema)
        labels = fit_to_image(labels, Geometry.from_dict(series["geometry"]), image)
        objects = self._labels_of(series["scope"])
        manifests = dict.fromkeys([row["manifest"] for row in rows] + ([newest] if newest else []))
        relatives = [objects.load(manifest) for manifest in manifests]
        content = objects.write(labels.array, geometry=labels.geometry.digest, relatives=relatives)
        values = {
            **self._lineage_values(series, chain),
            "author": author,
            "origin": origin,
            "counts": {str(value): number for value, number in labels.counts.items()},
            "digest": labels.digest,
            "note": note,
            "meta": meta or {},
            "key": key,
        }
        try:
            return self._commit(values, labels.schema, content, state=state, expect_head=expect_head)
        except _HeadMoved:
            self._raise_conflict(objects, image, chain, content, labels.schema.id)

    def labels(self, version_id: str) -> LabelMap:
        """Return the label map of a version.

        Raises
        ------
        NotFound
            If there is no such version.
        Corrupt
            If a stored chunk does not match its digest, or the content is of another grid.
        """
        with self._read() as connection:
            row = self._version_row(connection, version_id)
            series = self._series_row(connection, row["image"])
            schema = self._schema(connection, row["schema_digest"])
        objects = self._labels_of(series["scope"])
        content = objects.load(row["manifest"])
        geometry = Geometry.from_dict(series["geometry"])
        if not content.geometry == row["geometry_digest"] == geometry.digest:
            raise Corrupt(f"version {version_id!r} is bound to another grid than its image", version=version_id)
        return LabelMap(objects.read(content), geometry, schema)

    def diff(self, a: str, b: str) -> VersionDiff:
        """Return what differs from version `a` to version `b` of one image; reads only differing chunks.

        Raises
        ------
        NotFound
            If a version is not in the store.
        StoreError
            If they are of different images.
        """
        with self._read() as connection:
            old, new = self._version_row(connection, a), self._version_row(connection, b)
            series = self._series_row(connection, old["image"])
        if old["image"] != new["image"]:
            raise StoreError(f"versions {a!r} and {b!r} are of different images, {old['image']!r} and {new['image']!r}")
        objects = self._labels_of(series["scope"])
        found = changes(objects, objects.load(old["manifest"]), objects.load(new["manifest"]))
        dice = dice_per_label(_counts(old), _counts(new), found.transitions)
        return VersionDiff(a, b, sum(found.transitions.values()), found.transitions, found.box, dice)

    def restore(self, version_id: str, *, author: str, note: str = "") -> LabelVersion:
        """Make a draft with the content of an older version or of a branch.

        Its first parent is the present head; a branch becomes its second. `meta["restored"]` names
        the version. It becomes the head when somebody has looked at it and submits it. Costs a
        manifest, no voxels.
        """
        with self._read() as connection:
            row = self._version_row(connection, version_id)
            series = self._series_row(connection, row["image"])
            schema = self._schema(connection, row["schema_digest"])
        head = self.head(row["image"], schema_id=schema.id)
        chain = [version_id] if head is None else [head.id]
        if head is not None and version_id not in {version.id for version in self.lineage(head.id)}:
            chain.append(version_id)
        objects = self._labels_of(series["scope"])
        content = objects.adopt(objects.load(row["manifest"]), base=objects.load(self._manifest_of(chain[0])))
        values = {
            **self._lineage_values(series, chain),
            **{name: row[name] for name in ("origin", "counts", "digest")},
            "author": author,
            "note": note,
            "meta": {**row["meta"], "restored": version_id},
            "key": None,
        }
        try:
            return self._commit(values, schema, content, state="draft", expect_head=True)
        except _HeadMoved:
            self._raise_conflict(objects, row["image"], chain, content, schema.id)

    def _commit(
        self, values: dict[str, Any], schema: LabelSchema, content: Manifest, *, state: VersionState, expect_head: bool
    ) -> LabelVersion:
        image = values["image"]
        with self._write() as connection:
            self._series_row(connection, image, lock=True)
            if (known := self._version_by_key(connection, values["key"])) is None:
                head = self._head_id(connection, image, schema.id)
                if expect_head and not self._follows_head(connection, values, head):
                    raise _HeadMoved
                known = self._insert(connection, values, schema, content, state)
            crash_point("before_commit")
        crash_point("after_commit")
        return self.version(known)

    def _insert(
        self, connection: Connection, values: dict[str, Any], schema: LabelSchema, content: Manifest, state: str
    ) -> str:
        body = {"digest": schema_digest(schema), "id": schema.id, "body": schema.to_dict()}
        insert_missing(connection, schemas, body)
        image = values["image"]
        highest = select(func.max(versions.c.number)).where(
            versions.c.tenant == self._tenant, versions.c.image == image
        )
        row = {
            **values,
            "id": uuid.uuid4().hex,
            "number": (connection.execute(highest).scalar_one() or 0) + 1,
            "schema_digest": body["digest"],
            "manifest": content.sha256,
            "geometry_digest": content.geometry,
            "created": self._now(),
        }
        connection.execute(insert(versions).values(row))
        self._insert_event(connection, row["id"], "state", state, values["author"])
        if state != "draft":
            self._move_head(connection, {**row, "schema_id": schema.id})
        elif not is_automatic(values["origin"]) and self._held(connection).get(image) == values["author"]:
            self._extend(connection, image, DRAFT_LEASE_S)
        return str(row["id"])

    def _raise_conflict(
        self, objects: LabelObjects, image: str, chain: Sequence[str], content: Manifest, schema_id: str
    ) -> NoReturn:
        head = self.head(image, schema_id=schema_id)
        base = self.version(chain[0]) if chain else None
        details: dict[str, Any] = {"head": head.to_dict() if head else None, "base": base.to_dict() if base else None}
        if head and base:
            start = objects.load(self._manifest_of(base.id))
            theirs = changes(objects, start, objects.load(self._manifest_of(head.id)))
            mine = changes(objects, start, content)
            details["head_changes"], details["submitted_changes"] = theirs.to_dict(), mine.to_dict()
            details["overlapping_chunks"] = sorted(set(theirs.chunks) & set(mine.chunks))
        began = f"version {base.number}" if base else "no version"
        now = f"version {head.number}" if head else "none"
        raise Conflict(f"this label of image {image!r} started from {began}, but the head is now {now}", **details)

    def _lineage_values(self, series: RowMapping, chain: Sequence[str]) -> dict[str, Any]:
        return {
            "tenant": self._tenant,
            "image": series["id"],
            "image_digest": series["image_digest"],
            "parent": chain[0] if chain else None,
            "merged": chain[1] if len(chain) > 1 else None,
        }

    def _parent_row(self, connection: Connection, version_id: str, image: str) -> RowMapping:
        row = self._version_row(connection, version_id)
        if row["image"] != image:
            raise StoreError(
                f"version {version_id!r} is of image {row['image']!r}, not of {image!r}", code="bad_parent"
            )
        return row

    def _version_by_key(self, connection: Connection, key: str | None) -> str | None:
        if key is None:
            return None
        query = select(versions.c.id).where(versions.c.tenant == self._tenant, versions.c.key == key)
        return connection.execute(query).scalar_one_or_none()

    def _newest_manifest(self, connection: Connection, image: str) -> str | None:
        query = select(versions.c.manifest).where(versions.c.tenant == self._tenant, versions.c.image == image)
        return connection.execute(query.order_by(versions.c.number.desc()).limit(1)).scalar_one_or_none()

    def _manifest_of(self, version_id: str) -> str:
        with self._read() as connection:
            return str(self._version_row(connection, version_id)["manifest"])

    def _schema(self, connection: Connection, digest: str) -> LabelSchema:
        body = connection.execute(select(schemas.c.body).where(schemas.c.digest == digest)).scalar_one_or_none()
        if body is None:
            raise NotFound(f"no label schema {digest} in the store", schema=digest)
        return LabelSchema.from_dict(body)


def _counts(row: RowMapping) -> dict[int, int]:
    return {int(value): int(number) for value, number in row["counts"].items()}
