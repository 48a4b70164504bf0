"""What every part of the store works with: engine, objects, tenant, clock."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, RowMapping, select

from medheart.errors import NotFound, StoreError
from medheart_store import tables
from medheart_store.engine import reading, writing
from medheart_store.labels import LabelObjects
from medheart_store.objects import ObjectStore

__all__ = ["Database", "check_id"]

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_id(kind: str, value: str) -> str:
    """Return `value` if it may be an id; raises StoreError naming the pattern otherwise."""
    if not _ID.fullmatch(value):
        raise StoreError(f"a {kind} id has 1 to 64 letters, digits, '-' or '_', got {value!r}", code="bad_id")
    return value


class Database:
    """Base of the parts of `Store`; holds no state of its own beyond its collaborators."""

    def __init__(self, engine: Engine, objects: ObjectStore, *, tenant: str, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._objects = objects
        self._tenant = check_id("tenant", tenant).lower()
        self._clock = clock

    def _read(self) -> AbstractContextManager[Connection]:
        return reading(self._engine)

    def _write(self) -> AbstractContextManager[Connection]:
        return writing(self._engine)

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")

    def _scope(self, patient: str) -> str:
        """Key prefix of a patient's objects: content is shared within it, never beyond."""
        return f"{self._tenant}/{hashlib.sha256(f'{self._tenant}|{patient}'.encode()).hexdigest()[:32]}"

    def _labels_of(self, scope: str) -> LabelObjects:
        return LabelObjects(self._objects, scope)

    def _series_row(self, connection: Connection, image: str, *, lock: bool = False) -> RowMapping:
        query = select(tables.series).where(tables.series.c.tenant == self._tenant, tables.series.c.id == image)
        row = connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()
        if row is None:
            raise NotFound(f"no image {image!r} in the store", image=image)
        return row
