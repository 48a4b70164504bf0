"""Documents made of a label version: reports, measurements; never changed, only added."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from sqlalchemy import RowMapping, insert, select

from medheart.errors import Corrupt, NotFound
from medheart.records import Document
from medheart_store import tables
from medheart_store.database import Database
from medheart_store.tables import documents, series, versions

__all__ = ["Documents"]


class Documents(Database):
    """The part of the store that keeps documents."""

    def add_document(
        self, version_id: str, kind: str, media_type: str, data: bytes, meta: dict[str, Any] | None = None
    ) -> Document:
        """Keep a document of a label version.

        Parameters
        ----------
        version_id : str
            The version it speaks of.
        kind : str
            Stable word: `report`, `measurements`, …
        media_type : str
            E.g. `application/pdf`.
        data : bytes
            Its content.
        meta : dict, optional
            JSON-serialisable facts, e.g. language.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        with self._read() as connection:
            scope = connection.execute(self._scope_query(version_id)).scalar_one_or_none()
        if scope is None:
            raise NotFound(f"no label version {version_id!r} in the store", version=version_id)
        self._objects.put(_key(scope, sha256), data)
        record = Document(
            id=uuid.uuid4().hex,
            version=version_id,
            kind=kind,
            media_type=media_type,
            sha256=sha256,
            size=len(data),
            created=self._now(),
            meta=meta or {},
        )
        with self._write() as connection:
            connection.execute(insert(documents).values(record.to_dict()))
        return record

    def documents(self, version_id: str, *, kind: str | None = None) -> list[Document]:
        """Return the documents of a version, oldest first; `kind` keeps one kind."""
        query = self._documents_query().where(documents.c.version == version_id)
        if kind is not None:
            query = query.where(documents.c.kind == kind)
        with self._read() as connection:
            rows = connection.execute(query.order_by(documents.c.created)).mappings().all()
        return [_to_document(row) for row in rows]

    def document(self, document_id: str) -> Document:
        """Return a document's record; raises NotFound."""
        return _to_document(self._document_row(document_id))

    def document_data(self, document_id: str) -> bytes:
        """Return a document's content; raises NotFound, or Corrupt if it does not match its digest."""
        row = self._document_row(document_id)
        data = self._objects.get(_key(row["scope"], row["sha256"]))
        if hashlib.sha256(data).hexdigest() != row["sha256"]:
            raise Corrupt(f"document {document_id!r} does not match its digest", document=document_id)
        return data

    def _document_row(self, document_id: str) -> RowMapping:
        query = self._documents_query().where(documents.c.id == document_id)
        with self._read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            raise NotFound(f"no document {document_id!r} in the store", document=document_id)
        return row

    def _documents_query(self) -> Any:
        joined = documents.join(versions, versions.c.id == documents.c.version).join(
            series, (series.c.tenant == versions.c.tenant) & (series.c.id == versions.c.image)
        )
        return select(documents, series.c.scope).select_from(joined).where(versions.c.tenant == self._tenant)

    def _scope_query(self, version_id: str) -> Any:
        same = (series.c.tenant == versions.c.tenant) & (series.c.id == versions.c.image)
        return (
            select(series.c.scope)
            .join(versions, same)
            .where(versions.c.tenant == self._tenant, versions.c.id == version_id)
        )


def _key(scope: str, sha256: str) -> str:
    return f"{scope}/documents/{sha256}"


def _to_document(row: RowMapping) -> Document:
    return Document(**{column.name: row[column.name] for column in tables.documents.columns})
