"""The face of the store: one object over a folder (and, where given, a database of its own)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from medheart_store.database import check_id
from medheart_store.documents import Documents
from medheart_store.engine import make_tables, open_engine
from medheart_store.maintenance import Maintenance
from medheart_store.objects import FolderObjects
from medheart_store.originals import Originals
from medheart_store.tables import VERSION, metadata
from medheart_store.versions import Versions

__all__ = ["Store"]


class Store(Maintenance, Originals, Versions, Documents):
    """Studies, images, label versions, documents and leases of one tenant.

    Safe to share between threads; any number of processes of one machine may open the same folder.
    """

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        tenant: str = "local",
        database_url: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Store:
        """Open the store in a folder; an empty or missing folder becomes a new one.

        Parameters
        ----------
        folder : pathlib.Path
            Holds `store.sqlite` and `objects/`; on a local disk.
        tenant : str
            Whose records to work with; nothing of another tenant is visible.
        database_url : str, optional
            SQLAlchemy URL of PostgreSQL, where the records lie there.
        clock : callable
            Seconds since the epoch.

        Raises
        ------
        Unavailable
            If the database cannot be opened.
        StoreError
            If the store is of another version.
        """
        check_id("tenant", tenant)
        objects = FolderObjects(folder / "objects", clock=clock)
        engine = open_engine(database_url or f"sqlite:///{folder / 'store.sqlite'}")
        make_tables(engine, metadata, version=VERSION)
        return cls(engine, objects, tenant=tenant, clock=clock)

    def close(self) -> None:
        """Close the connections to the database."""
        self._engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
