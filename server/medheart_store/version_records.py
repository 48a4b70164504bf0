"""The records of label versions: reading them, their events, and the head of each image.

Who moves the head. An image has one head per label schema. A version becomes the head if it is the
first, or if a parent of it (drafts skipped) is the head at the moment of commit; every other version
is a branch, kept and listed beside. A draft never moves the head; submitting it does, by the same
rule. The SQL transaction that inserts the row checks and moves the head: there is no other lock.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal, get_args

from sqlalchemy import Connection, RowMapping, Select, func, insert, select, update

from medheart.errors import NotFound, StoreError
from medheart.records import LabelVersion, VersionEvent, VersionState
from medheart.schema import LabelSchema
from medheart_store.database import Database
from medheart_store.tables import events, heads, schemas, versions

__all__ = ["VersionRecords", "schema_digest"]

_OVERLAP = 16


def schema_digest(schema: LabelSchema) -> str:
    """Return the hex SHA-256 of a schema's canonical JSON."""
    return hashlib.sha256(json.dumps(schema.to_dict(), sort_keys=True).encode()).hexdigest()


class VersionRecords(Database):
    """The part of the store that reads label versions and appends events."""

    def version(self, version_id: str) -> LabelVersion:
        """Return a version with its latest state; raises NotFound."""
        with self._read() as connection:
            return _to_version(self._version_row(connection, version_id))

    def versions(self, image: str) -> list[LabelVersion]:
        """Return all versions of an image, branches and drafts too, by number; raises NotFound."""
        with self._read() as connection:
            self._series_row(connection, image)
            query = self._versions_query().where(versions.c.image == image).order_by(versions.c.number)
            return [_to_version(row) for row in connection.execute(query).mappings()]

    def head(self, image: str, *, schema_id: str | None = None) -> LabelVersion | None:
        """Return the head of an image.

        Parameters
        ----------
        image : str
            Series id; raises NotFound if there is none.
        schema_id : str, optional
            Head of the versions of this schema; by default the newest of all heads.

        Returns
        -------
        LabelVersion or None
            None where nothing was submitted yet.
        """
        query = (
            self._versions_query()
            .join(heads, heads.c.version == versions.c.id)
            .where(heads.c.tenant == self._tenant, heads.c.image == image)
        )
        if schema_id is not None:
            query = query.where(heads.c.schema_id == schema_id)
        with self._read() as connection:
            self._series_row(connection, image)
            row = connection.execute(query.order_by(versions.c.number.desc()).limit(1)).mappings().one_or_none()
        return _to_version(row) if row else None

    def shown(self, image: str) -> list[LabelVersion]:
        """Return what a reader is shown of an image: of each schema one version, by number.

        It is the head, or the newest draft of a model where nobody submitted a label of that schema yet.

        Parameters
        ----------
        image : str
            Series id; raises NotFound if there is none.
        """
        with self._read() as connection:
            self._series_row(connection, image)
            head_of = self._heads(connection, image)
            query = self._versions_query().where(versions.c.image == image).order_by(versions.c.number)
            known = [_to_version(row) for row in connection.execute(query).mappings()]
        found = {
            version.schema_id: version
            for version in known
            if version.id == head_of.get(version.schema_id)
            or (version.schema_id not in head_of and version.automatic and version.state == "draft")
        }
        return sorted(found.values(), key=lambda version: version.number)

    def current(self, image: str, *, schema_id: str | None = None) -> LabelVersion | None:
        """Return the one that a reader is shown first: a label that a person submitted before a model's draft.

        Parameters
        ----------
        image : str
            Series id; raises NotFound if there is none.
        schema_id : str, optional
            Of this schema only; by default of any.
        """
        found = [version for version in self.shown(image) if schema_id in (None, version.schema_id)]
        return max(found, key=lambda version: (version.state != "draft", version.number), default=None)

    def changed_images(self, since: tuple[int, int] = (0, 0)) -> tuple[set[str], tuple[int, int]]:
        """Return the images with new versions or events, and the mark to ask with next time.

        Cheap where nothing changed. An image may be named again though nothing changed since.

        Parameters
        ----------
        since : tuple of int
            Mark that an earlier call returned; (0, 0) names every image that has versions.
        """
        with self._read() as connection:
            count, last = connection.execute(select(func.count(events.c.id), func.max(events.c.id))).one()
            mark = (int(count), int(last or 0))
            if mark == since:
                return set(), mark
            query = select(versions.c.image).join(events, versions.c.id == events.c.version).distinct()
            # Events of transactions that overlap may become visible out of order.
            newer = events.c.id > since[1] - _OVERLAP
            rows = connection.execute(query.where(versions.c.tenant == self._tenant, newer))
            return {str(row.image) for row in rows}, mark

    def lineage(self, version_id: str) -> list[LabelVersion]:
        """Return a version and all it comes from, the version first, then by falling number."""
        known = {version.id: version for version in self.versions(self.version(version_id).image)}
        found: dict[str, LabelVersion] = {}
        waiting = [version_id]
        while waiting:
            version = known[waiting.pop()]
            if version.id not in found:
                found[version.id] = version
                waiting += version.parents
        return sorted(found.values(), key=lambda version: -version.number)

    def add_event(self, version_id: str, kind: Literal["state", "note"], value: str, author: str) -> VersionEvent:
        """Append a state or a note to a version.

        A draft that becomes `submitted` or `approved` may become the head.

        Raises
        ------
        NotFound
            If there is no such version.
        StoreError
            If the kind or the state is unknown, a submitted version would become a draft, or a draft
            `returned` or `flagged`: those are said of what was submitted.
        """
        if kind not in ("state", "note"):
            raise StoreError(f"an event is of kind 'state' or 'note', got {kind!r}", code="bad_event")
        if kind == "state" and value not in get_args(VersionState):
            raise StoreError(f"a state is one of {list(get_args(VersionState))}, got {value!r}", code="bad_event")
        with self._write() as connection:
            self._series_row(connection, self._version_row(connection, version_id)["image"], lock=True)
            row = self._version_row(connection, version_id)
            if kind == "state":
                _check_step(version_id, row["state"], value)
            event = self._insert_event(connection, version_id, kind, value, author)
            if kind == "state" and row["state"] == "draft" and value != "draft":
                self._move_head(connection, row)
        return event

    def events(self, version_id: str) -> list[VersionEvent]:
        """Return what was said of a version, oldest first; raises NotFound."""
        with self._read() as connection:
            self._version_row(connection, version_id)
            rows = connection.execute(select(events).where(events.c.version == version_id).order_by(events.c.id))
            names = ("version", "kind", "value", "author", "created")
            return [VersionEvent(**{name: row[name] for name in names}) for row in rows.mappings()]

    def _insert_event(
        self, connection: Connection, version_id: str, kind: Literal["state", "note"], value: str, author: str
    ) -> VersionEvent:
        event = VersionEvent(version_id, kind, value, author, self._now())
        values = {"version": version_id, "kind": kind, "value": value, "author": author, "created": event.created}
        connection.execute(insert(events).values(values))
        return event

    def _heads(self, connection: Connection, image: str) -> dict[str, str]:
        query = select(heads.c.schema_id, heads.c.version).where(heads.c.tenant == self._tenant, heads.c.image == image)
        return {row.schema_id: row.version for row in connection.execute(query)}

    def _head_id(self, connection: Connection, image: str, schema_id: str) -> str | None:
        return self._heads(connection, image).get(schema_id)

    def _anchors(self, connection: Connection, row: Any) -> set[str | None]:
        """Return the parents of a version; of a parent that is a draft, its parents in its place."""
        found: set[str | None] = set()
        waiting = _parents(row)
        while waiting:
            parent = waiting.pop()
            below = self._version_row(connection, parent) if parent is not None else None
            if below is not None and below["state"] == "draft":
                waiting += _parents(below)
            else:
                found.add(parent)
        return found

    def _follows_head(self, connection: Connection, row: Any, head: str | None) -> bool:
        """Whether a version with the parents of `row` comes directly after `head`."""
        return head in self._anchors(connection, row)

    def _move_head(self, connection: Connection, row: Any) -> None:
        image, schema_id = row["image"], row["schema_id"]
        head = self._head_id(connection, image, schema_id)
        if not self._follows_head(connection, row, head):
            return
        values = {"tenant": self._tenant, "image": image, "schema_id": schema_id, "version": row["id"]}
        if head is None:
            connection.execute(insert(heads).values(values))
            return
        where = (heads.c.tenant == self._tenant, heads.c.image == image, heads.c.schema_id == schema_id)
        connection.execute(update(heads).where(*where).values(version=row["id"]))

    def _version_row(self, connection: Connection, version_id: str) -> RowMapping:
        query = self._versions_query().where(versions.c.id == version_id)
        row = connection.execute(query).mappings().one_or_none()
        if row is None:
            raise NotFound(f"no label version {version_id!r} in the store", version=version_id)
        return row

    def _versions_query(self) -> Select[Any]:
        latest = (
            select(events.c.value)
            .where(events.c.version == versions.c.id, events.c.kind == "state")
            .order_by(events.c.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        return (
            select(versions, schemas.c.id.label("schema_id"), latest.label("state"))
            .join(schemas, schemas.c.digest == versions.c.schema_digest)
            .where(versions.c.tenant == self._tenant)
        )


def _parents(row: Any) -> list[str | None]:
    return [row["parent"], *([row["merged"]] if row["merged"] is not None else [])]


def _check_step(version_id: str, state: str, value: str) -> None:
    if value == "draft" and state != "draft":
        raise StoreError(f"version {version_id!r} is {state}; it cannot become a draft", code="bad_event")
    if state == "draft" and value not in ("draft", "submitted", "approved"):
        raise StoreError(f"version {version_id!r} is a draft; submit it before it is {value}", code="bad_event")


def _to_version(row: RowMapping) -> LabelVersion:
    names = (
        "id", "image", "number", "image_digest", "author", "origin", "schema_id", "created", "digest", "state",
        "note", "meta",
    )  # fmt: skip
    return LabelVersion(
        **{name: row[name] for name in names},
        parents=tuple(row[name] for name in ("parent", "merged") if row[name] is not None),
        counts={int(value): int(number) for value, number in row["counts"].items()},
    )
