"""The files an image came in, kept byte for byte: what a DICOM SEG of it must refer to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import RowMapping, insert, select

from medheart.errors import Conflict, Corrupt, StoreError
from medheart_store import tables
from medheart_store.database import Database
from medheart_store.objects import file_sha256

__all__ = ["Originals"]

_SAFE_NAME = re.compile(r"\w[\w .()+-]{0,126}")
_SAFE_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")


class Originals(Database):
    """The part of the store that keeps original files."""

    def add_originals(
        self, series_id: str, files: Iterable[Path], *, named: Callable[[Path], str] = lambda path: path.name
    ) -> int:
        """Keep the files of a series; return how many it has.

        Adding the same files again changes nothing.

        Parameters
        ----------
        named : callable
            From a file to the name to keep, which a database must be able to hold: a file's own may be in any bytes.

        Raises
        ------
        NotFound
            If there is no such series.
        Conflict
            If other files are kept for it already.
        StoreError
            If there is no file, or one cannot be read.
        """
        found = [(path, _sha256(path)) for path in files]
        if not found:
            raise StoreError(f"no original files were given for series {series_id!r}", series=series_id)
        with self._read() as connection:
            scope = self._series_row(connection, series_id)["scope"]
        for path, sha256 in found:
            self._objects.put_file(_key(scope, sha256), path, sha256=sha256)
        rows = [
            {"position": n, "name": named(path), "sha256": sha256, "size": path.stat().st_size}
            for n, (path, sha256) in enumerate(found)
        ]
        with self._write() as connection:
            self._series_row(connection, series_id, lock=True)
            known = connection.execute(self._originals_query(series_id)).mappings().all()
            if not known:
                values = [{"tenant": self._tenant, "image": series_id, **row} for row in rows]
                connection.execute(insert(tables.originals), values)
            elif sorted(row["sha256"] for row in known) != sorted(sha256 for _, sha256 in found):
                raise Conflict(f"series {series_id!r} has other original files already", series=series_id)
        return len(found)

    def originals(self, series_id: str, folder: Path) -> list[Path]:
        """Write the original files into a folder.

        Names are kept where they are unique and safe, and made from the position otherwise.

        Returns
        -------
        list of pathlib.Path
            In the order in which they were added; empty where there are none.

        Raises
        ------
        Corrupt
            If a file does not match its digest.
        """
        with self._read() as connection:
            scope = self._series_row(connection, series_id)["scope"]
            rows = connection.execute(self._originals_query(series_id)).mappings().all()
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for row, name in zip(rows, _file_names(rows), strict=True):
            data = self._objects.get(_key(scope, row["sha256"]))
            path = folder / name
            path.write_bytes(data)
            if file_sha256(path) != row["sha256"]:
                path.unlink()
                raise Corrupt(f"original file {row['name']!r} of series {series_id!r} does not match its digest")
            paths.append(path)
        return paths

    def _originals_query(self, series_id: str) -> Any:
        t = tables.originals
        query = select(t).where(t.c.tenant == self._tenant, t.c.image == series_id)
        return query.order_by(t.c.position)


def _key(scope: str, sha256: str) -> str:
    return f"{scope}/originals/{sha256}"


def _sha256(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}", path=str(path)) from error


def _file_names(rows: Sequence[RowMapping]) -> list[str]:
    names = [row["name"] for row in rows]
    folded = [name.casefold() for name in names]
    return [
        name if _SAFE_NAME.fullmatch(name) and folded.count(name.casefold()) == 1 else _numbered(n, name)
        for n, name in enumerate(names)
    ]


def _numbered(position: int, name: str) -> str:
    suffix = Path(name).suffix
    return f"original-{position:06d}{suffix if _SAFE_SUFFIX.fullmatch(suffix) else ''}"
