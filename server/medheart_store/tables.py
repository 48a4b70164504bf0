"""The records in SQL.

Every tenant has its own studies, series and versions; ids of studies and series are unique within
a tenant. Rows of versions, events and documents are only ever inserted; `heads` and `leases` are
the only rows that change.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = [
    "VERSION",
    "documents",
    "events",
    "heads",
    "leases",
    "metadata",
    "originals",
    "schemas",
    "series",
    "store",
    "studies",
    "versions",
]

VERSION = "1"
"""Version of these tables; a store of another version is not opened."""

metadata = MetaData()

_ID = String(64)
_DIGEST = String(64)


def _series_key() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant", "image"], ["series.tenant", "series.id"])


store = Table("store", metadata, Column("name", String(64), primary_key=True), Column("value", Text, nullable=False))

studies = Table(
    "studies",
    metadata,
    Column("tenant", _ID, primary_key=True),
    Column("id", _ID, primary_key=True),
    Column("patient", Text, nullable=False),
    Column("date", String(32), nullable=False),
    Column("description", Text, nullable=False),
    Column("created", String(40), nullable=False),
)

series = Table(
    "series",
    metadata,
    Column("tenant", _ID, primary_key=True),
    Column("id", _ID, primary_key=True),
    Column("study", _ID, nullable=False),
    Column("scope", String(128), nullable=False),
    Column("modality", String(16), nullable=False),
    Column("body_part", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("image_digest", _DIGEST, nullable=False),
    Column("geometry", JSON, nullable=False),
    Column("meta", JSON, nullable=False),
    Column("created", String(40), nullable=False),
    ForeignKeyConstraint(["tenant", "study"], ["studies.tenant", "studies.id"]),
)

originals = Table(
    "originals",
    metadata,
    Column("tenant", _ID, primary_key=True),
    Column("image", _ID, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("sha256", _DIGEST, nullable=False),
    Column("size", BigInteger, nullable=False),
    _series_key(),
)

schemas = Table(
    "schemas",
    metadata,
    Column("digest", _DIGEST, primary_key=True),
    Column("id", Text, nullable=False),
    Column("body", JSON, nullable=False),
)

versions = Table(
    "versions",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("tenant", _ID, nullable=False),
    Column("image", _ID, nullable=False),
    Column("number", Integer, nullable=False),
    Column("image_digest", _DIGEST, nullable=False),
    Column("parent", _ID, ForeignKey("versions.id")),
    Column("merged", _ID, ForeignKey("versions.id")),
    Column("author", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("schema_digest", _DIGEST, ForeignKey("schemas.digest"), nullable=False),
    Column("created", String(40), nullable=False),
    Column("counts", JSON, nullable=False),
    Column("digest", _DIGEST, nullable=False),
    Column("manifest", _DIGEST, nullable=False),
    Column("geometry_digest", _DIGEST, nullable=False),
    Column("note", Text, nullable=False),
    Column("meta", JSON, nullable=False),
    Column("key", Text),
    _series_key(),
    UniqueConstraint("tenant", "image", "number"),
    UniqueConstraint("tenant", "key"),
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("version", _ID, ForeignKey("versions.id"), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("value", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("created", String(40), nullable=False),
)

heads = Table(
    "heads",
    metadata,
    Column("tenant", _ID, primary_key=True),
    Column("image", _ID, primary_key=True),
    Column("schema_id", String(128), primary_key=True),
    Column("version", _ID, ForeignKey("versions.id"), nullable=False),
    _series_key(),
)

documents = Table(
    "documents",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("version", _ID, ForeignKey("versions.id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("sha256", _DIGEST, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("created", String(40), nullable=False),
    Column("meta", JSON, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("tenant", _ID, primary_key=True),
    Column("image", _ID, primary_key=True),
    Column("annotator", Text, nullable=False),
    Column("expires", Float, nullable=False),
    _series_key(),
)
