"""Studies, series, and the voxels of their images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, func, insert, or_, select, update

from medheart.errors import Conflict, Corrupt, NotFound, StoreError
from medheart.geometry import Geometry
from medheart.records import Series, Study
from medheart.volume import Volume
from medheart_store.database import Database, check_id
from medheart_store.images import decode_image, encode_image
from medheart_store.tables import series as series_table
from medheart_store.tables import studies as studies_table
from medheart_store.tables import versions

__all__ = ["Studies"]


class Studies(Database):
    """The part of the store that keeps studies, series and image voxels."""

    def add_study(self, study: Study) -> Study:
        """Keep a study; one that is there already stays as it is.

        Series are added by `add_series`; those of `study` are not looked at.

        Raises
        ------
        Conflict
            If the id belongs to a study of another patient.
        """
        check_id("study", study.id)
        with self._write() as connection:
            known = connection.execute(self._study_query(study.id)).mappings().one_or_none()
            if known is None:
                values = {"patient": study.patient, "date": study.date, "description": study.description}
                row = {"tenant": self._tenant, "id": study.id, "created": self._now(), **values}
                connection.execute(insert(studies_table).values(row))
            elif known["patient"] != study.patient:
                raise Conflict(f"study {study.id!r} belongs to another patient", code="other_patient", study=study.id)
        return self.study(study.id)

    def add_series(self, series: Series, volume: Volume) -> Series:
        """Keep a series and its voxels; one that is there already with the same image stays as it is.

        Only a description that was missing is taken over: a file may come again under a name that tells more.

        Parameters
        ----------
        series : Series
            Its study must be in the store. `image_digest`, `geometry` and `meta` are taken from `volume`.
        volume : Volume
            The image; stored once per patient and digest.

        Raises
        ------
        NotFound
            If the study is not in the store.
        Conflict
            If the id names another image.
        StoreError
            If `series.image_digest` is given and is not the digest of `volume`.
        """
        check_id("series", series.id)
        if series.image_digest not in ("", volume.digest):
            raise StoreError(
                f"series {series.id!r} names image {series.image_digest}, the voxels given are {volume.digest}"
            )
        scope = self._scope(self.study(series.study).patient)
        key = _image_key(scope, volume.digest)
        if not self._objects.refresh(key):
            self._objects.put(key, encode_image(volume.array))
        with self._write() as connection:
            known = connection.execute(self._series_query(series.id)).mappings().one_or_none()
            if known is None:
                connection.execute(insert(series_table).values(self._series_values(series, volume, scope)))
            elif (known["image_digest"], known["study"]) != (volume.digest, series.study):
                raise Conflict(f"series {series.id!r} is in the store with another image or study", series=series.id)
            elif series.description and not known["description"]:
                told = {"description": series.description, "meta": {**known["meta"], **series.meta}}
                connection.execute(update(series_table).where(*self._is_series(series.id)).values(told))
        return self.series(series.id)

    def studies(self, query: str | None = None, *, limit: int | None = None, offset: int = 0) -> list[Study]:
        """Return the studies, newest first.

        Parameters
        ----------
        query : str, optional
            Keep those with this text in id, patient, date or description, of the study or of a series;
            upper and lower case are the same.
        limit, offset : int
            At most so many, after so many that are left out; all by default.
        """
        chosen = select(studies_table).where(*self._fitting(query))
        chosen = chosen.order_by(studies_table.c.created.desc(), studies_table.c.id).limit(limit).offset(offset)
        # Not by their ids: a database takes only so many values in one statement.
        ids = chosen.with_only_columns(studies_table.c.id).subquery()
        series = (
            select(series_table)
            .join(ids, ids.c.id == series_table.c.study)
            .where(series_table.c.tenant == self._tenant)
            .order_by(series_table.c.created, series_table.c.id)
        )
        with self._read() as connection:
            rows = connection.execute(chosen).mappings().all()
            members = connection.execute(series).mappings()
            by_study: dict[str, list[Series]] = {row["id"]: [] for row in rows}
            for member in members:
                by_study[member["study"]].append(_to_series(member))
        return [_to_study(row, by_study[row["id"]]) for row in rows]

    def study_count(self, query: str | None = None) -> int:
        """Return how many studies there are, or how many fit a query as in `studies`."""
        with self._read() as connection:
            statement = select(func.count()).select_from(studies_table).where(*self._fitting(query))
            return int(connection.execute(statement).scalar_one())

    def version_counts(self, study_ids: Sequence[str]) -> dict[str, int]:
        """Return the number of label versions by study, of those that have any; for a page of studies."""
        statement = (
            select(series_table.c.study, func.count())
            .join(versions, (versions.c.tenant == series_table.c.tenant) & (versions.c.image == series_table.c.id))
            .where(series_table.c.tenant == self._tenant, series_table.c.study.in_(study_ids))
            .group_by(series_table.c.study)
        )
        with self._read() as connection:
            return {str(study): int(number) for study, number in connection.execute(statement)}

    def study(self, study_id: str) -> Study:
        """Return a study with its series; raises NotFound."""
        with self._read() as connection:
            row = connection.execute(self._study_query(study_id)).mappings().one_or_none()
            if row is None:
                raise NotFound(f"no study {study_id!r} in the store", study=study_id)
            members = connection.execute(
                select(series_table)
                .where(series_table.c.tenant == self._tenant, series_table.c.study == study_id)
                .order_by(series_table.c.created, series_table.c.id)
            ).mappings()
            return _to_study(row, [_to_series(member) for member in members])

    def series_ids(self) -> list[str]:
        """Return the ids of all series, oldest first; cheap, also for many."""
        query = select(series_table.c.id).where(series_table.c.tenant == self._tenant)
        with self._read() as connection:
            rows = connection.execute(query.order_by(series_table.c.created, series_table.c.id))
            return [str(row.id) for row in rows]

    def series(self, series_id: str) -> Series:
        """Return a series; raises NotFound."""
        with self._read() as connection:
            return _to_series(self._series_row(connection, series_id))

    def volume(self, series_id: str) -> Volume:
        """Return the image of a series.

        Returns
        -------
        Volume
            Array (K, J, I) as it was added.

        Raises
        ------
        NotFound
            If there is no such series.
        Corrupt
            If the voxels do not match the digest.
        """
        with self._read() as connection:
            row = self._series_row(connection, series_id)
        array = decode_image(self._objects.get(_image_key(row["scope"], row["image_digest"])), name=series_id)
        volume = Volume(array, Geometry.from_dict(row["geometry"]), row["modality"], row["meta"])
        if volume.digest != row["image_digest"]:
            raise Corrupt(f"image {series_id!r} does not match its digest", image=series_id)
        return volume

    def _series_values(self, series: Series, volume: Volume, scope: str) -> dict[str, Any]:
        return {
            "tenant": self._tenant,
            "id": series.id,
            "study": series.study,
            "scope": scope,
            "modality": series.modality or volume.modality,
            "body_part": series.body_part,
            "description": series.description,
            "image_digest": volume.digest,
            "geometry": volume.geometry.to_dict(),
            "meta": {**volume.meta, **series.meta},
            "created": self._now(),
        }

    def _study_query(self, study_id: str) -> Any:
        return select(studies_table).where(studies_table.c.tenant == self._tenant, studies_table.c.id == study_id)

    def _series_query(self, series_id: str) -> Any:
        return select(series_table).where(*self._is_series(series_id))

    def _is_series(self, series_id: str) -> tuple[ColumnElement[bool], ...]:
        return series_table.c.tenant == self._tenant, series_table.c.id == series_id

    def _fitting(self, query: str | None) -> list[ColumnElement[bool]]:
        return [studies_table.c.tenant == self._tenant, *([self._matches(query)] if query else [])]

    def _matches(self, query: str) -> Any:
        def has(*columns: Any) -> Any:
            return or_(*(func.lower(column).contains(query.lower(), autoescape=True) for column in columns))

        st, se = studies_table.c, series_table.c
        own = has(st.id, st.patient, st.date, st.description)
        mine = select(se.study).where(se.tenant == self._tenant, has(se.id, se.description, se.body_part, se.modality))
        return or_(own, st.id.in_(mine))


def _image_key(scope: str, digest: str) -> str:
    return f"{scope}/images/{digest}"


def _to_study(row: RowMapping, members: list[Series]) -> Study:
    return Study(row["id"], row["patient"], row["date"], row["description"], tuple(members))


def _to_series(row: RowMapping) -> Series:
    names = ("id", "study", "modality", "body_part", "description", "image_digest", "geometry", "meta")
    return Series(**{name: row[name] for name in names})
