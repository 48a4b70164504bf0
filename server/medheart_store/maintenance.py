"""Checking that everything is there and whole, and clearing away what nothing names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from medheart.errors import Corrupt
from medheart_store.chunks import pack_entries
from medheart_store.manifests import manifest_key, read_manifest
from medheart_store.studies import Studies
from medheart_store.tables import documents, originals, series, versions

__all__ = ["Maintenance"]

_KEEP_S = 7 * 24 * 3600.0


@dataclass
class _Named:
    """Keys of the objects that records name, and the manifests among them that cannot be read."""

    keys: set[str] = field(default_factory=set)
    damaged: list[Corrupt] = field(default_factory=list)


class Maintenance(Studies):
    """The part of the store that looks after its objects."""

    def verify(self) -> list[str]:
        """Read every object that a record names and return what is wrong, one sentence each."""
        named = self._named()
        damaged = list(named.damaged)
        for study in self.studies():
            damaged += filter(None, (self._damage_of_image(one.id) for one in study.series))
        damaged += filter(None, (self._damage_of_object(key) for key in sorted(named.keys)))
        return [error.message for error in damaged]

    def collect_garbage(self, *, older_than_s: float = _KEEP_S) -> list[str]:
        """Delete objects that no record names and half-written files, what crashes left behind.

        Parameters
        ----------
        older_than_s : float
            Seconds since the last put. A writer puts its objects before its record, so younger ones
            may be in use: keep this far longer than any submit takes.

        Returns
        -------
        list of str
            Keys of the objects deleted.

        Raises
        ------
        Corrupt
            If a manifest cannot be read: what it names is not known, so nothing is deleted.
        """
        objects = self._objects
        old = [key for key in objects.keys(self._tenant) if objects.age_s(key) > older_than_s]
        named = self._named()
        if named.damaged:
            raise named.damaged[0]
        deleted = []
        for key in (key for key in old if key not in named.keys):
            # Whoever has put it again since the records were read is about to name it.
            if objects.age_s(key) > older_than_s:
                objects.delete(key)
                deleted.append(key)
        objects.sweep(self._tenant, older_than_s=older_than_s)
        return deleted

    def _named(self) -> _Named:
        named = _Named()
        with self._read() as connection:
            named.keys |= set(self._named_by_rows(connection))
            same = (series.c.tenant == versions.c.tenant) & (series.c.id == versions.c.image)
            query = select(series.c.scope, versions.c.manifest).join_from(versions, series, same)
            query = query.where(series.c.tenant == self._tenant)
            manifests = {(row.scope, row.manifest) for row in connection.execute(query)}
        while manifests:
            scope, sha256 = manifests.pop()
            key = manifest_key(scope, sha256)
            if key not in named.keys:
                named.keys.add(key)
                manifests |= self._named_by_manifest(scope, sha256, named)
        return named

    def _named_by_manifest(self, scope: str, sha256: str, named: _Named) -> set[tuple[str, str]]:
        """Add what a manifest names to `named`; return the manifest that it builds on, if any."""
        try:
            body = read_manifest(self._objects, scope, sha256)
        except Corrupt as error:
            named.damaged.append(error)
            return set()
        named.keys |= {f"{scope}/packs/{pack}" for pack in body["packs"]}
        return {(scope, body["base"])} if body["base"] else set()

    def _named_by_rows(self, connection: Connection) -> Iterator[str]:
        mine = series.c.tenant == self._tenant
        for row in connection.execute(select(series.c.scope, series.c.image_digest).where(mine)):
            yield f"{row.scope}/images/{row.image_digest}"
        same = (series.c.tenant == originals.c.tenant) & (series.c.id == originals.c.image)
        files = select(series.c.scope, originals.c.sha256).join_from(originals, series, same)
        for row in connection.execute(files.where(mine)):
            yield f"{row.scope}/originals/{row.sha256}"
        same = (series.c.tenant == versions.c.tenant) & (series.c.id == versions.c.image)
        made = select(series.c.scope, documents.c.sha256).join_from(
            documents, versions, versions.c.id == documents.c.version
        )
        for row in connection.execute(made.join(series, same).where(mine)):
            yield f"{row.scope}/documents/{row.sha256}"

    def _damage_of_image(self, image: str) -> Corrupt | None:
        try:
            self.volume(image)
        except Corrupt as error:
            return error
        return None

    def _damage_of_object(self, key: str) -> Corrupt | None:
        *_, kind, digest = key.split("/")
        if kind in ("images", "manifests"):
            return None
        try:
            data = self._objects.get(key)
            if hashlib.sha256(data).hexdigest() != digest:
                return Corrupt(f"object {key} does not match its digest", key=key)
            if kind == "packs":
                list(pack_entries(data))
        except Corrupt as error:
            return error
        return None
