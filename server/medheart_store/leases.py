"""Leases: a case given to one annotator is not given to another until it is released or runs out."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from medheart.errors import Conflict
from medheart_store.database import Database
from medheart_store.tables import leases

__all__ = ["DRAFT_LEASE_S", "Leases"]

DRAFT_LEASE_S = 8 * 3600.0
"""Seconds for which a case with a fresh draft stays with its annotator."""


class Leases(Database):
    """The part of the store that hands out cases."""

    def lease_case(self, images: Sequence[str], annotator: str, *, seconds: float) -> str | None:
        """Give the annotator the first image that nobody else holds.

        An image among them that the annotator holds already comes first.

        Parameters
        ----------
        images : sequence of str
            Image ids, the most wanted first.
        annotator : str
            Who asks.
        seconds : float
            How long the case stays theirs without `renew`.

        Returns
        -------
        str or None
            The image id, or None where all are held by others.
        """
        with self._write() as connection:
            held = self._held(connection)
            mine = [image for image in images if held.get(image) == annotator]
            for image in [*mine, *(image for image in images if image not in held)]:
                self._series_row(connection, image, lock=True)
                # Another process may have taken it between the first look and the row lock.
                if self._held(connection).get(image, annotator) == annotator:
                    self._set(connection, image, annotator, self._clock() + seconds)
                    return image
        return None

    def renew(self, image: str, annotator: str, *, seconds: float) -> None:
        """Extend a lease to `seconds` from now; raises Conflict if it is no longer the annotator's."""
        with self._write() as connection:
            self._series_row(connection, image, lock=True)
            holder = self._held(connection).get(image)
            if holder != annotator:
                raise Conflict(f"image {image!r} is not leased to {annotator!r}", image=image, holder=holder)
            self._extend(connection, image, seconds)

    def release(self, image: str, annotator: str) -> None:
        """Give a case back; nothing happens if it is not the annotator's."""
        with self._write() as connection:
            connection.execute(delete(leases).where(*self._where(image), leases.c.annotator == annotator))

    def leased(self) -> dict[str, str]:
        """Return who holds which image now."""
        with self._read() as connection:
            return self._held(connection)

    def _held(self, connection: Connection) -> dict[str, str]:
        query = select(leases.c.image, leases.c.annotator).where(
            leases.c.tenant == self._tenant, leases.c.expires > self._clock()
        )
        return {row.image: row.annotator for row in connection.execute(query)}

    def _extend(self, connection: Connection, image: str, seconds: float) -> None:
        """Move the end of a lease to `seconds` from now, never earlier than it is."""
        until = self._clock() + seconds
        connection.execute(update(leases).where(*self._where(image), leases.c.expires < until).values(expires=until))

    def _set(self, connection: Connection, image: str, annotator: str, expires: float) -> None:
        known = connection.execute(select(leases).where(*self._where(image))).mappings().one_or_none()
        if known is None:
            row = {"tenant": self._tenant, "image": image, "annotator": annotator, "expires": expires}
            connection.execute(insert(leases).values(row))
            return
        if known["annotator"] == annotator:
            expires = max(expires, known["expires"])
        connection.execute(update(leases).where(*self._where(image)).values(annotator=annotator, expires=expires))

    def _where(self, image: str) -> tuple[ColumnElement[bool], ...]:
        return leases.c.tenant == self._tenant, leases.c.image == image
