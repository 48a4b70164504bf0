"""The same store with its records in PostgreSQL: address in MEDHEART_POSTGRES_URL, an empty database."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from medheart.errors import Conflict
from medheart.records import Series, Study
from medheart.volume import LabelMap, Volume
from medheart_store import Store
from medheart_store.engine import open_engine
from medheart_store.tables import metadata

URL = os.environ.get("MEDHEART_POSTGRES_URL", "")
pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(not URL, reason="MEDHEART_POSTGRES_URL names no PostgreSQL database"),
]


@pytest.fixture
def folder(tmp_path: Path, volume: Volume) -> Iterator[Path]:
    with Store.open(tmp_path / "store", database_url=URL) as store:
        store.add_study(Study("study-1", "pseudo-1", "", ""))
        for image in ("image-1", "image-2", "image-3"):
            store.add_series(Series(image, "study-1", "CT", "", "", "", {}), volume)
    yield tmp_path / "store"
    metadata.drop_all(open_engine(URL))


def test_writers_and_leases_do_not_cross(folder: Path, label: Callable[..., LabelMap]) -> None:
    arrays = [label((n, n + 4, 0, 8, 0, 8, 7)) for n in range(8)]

    def work(n: int) -> str | None:
        with Store.open(folder, database_url=URL) as store:
            done = 0
            while done < 4:
                head = store.head("image-1")
                try:
                    store.add_version(
                        arrays[n], image="image-1", author=str(n), origin="edited",
                        base=head.id if head else None, expect_head=True,
                    )  # fmt: skip
                except Conflict:
                    continue
                done += 1
            return store.lease_case(["image-1", "image-2", "image-3"], f"a{n}", seconds=1e6)

    with ThreadPoolExecutor(8) as pool:
        leased = list(pool.map(work, range(8)))
    assert sorted(image for image in leased if image) == ["image-1", "image-2", "image-3"]
    with Store.open(folder, database_url=URL) as store:
        versions = store.versions("image-1")
        assert [version.number for version in versions] == list(range(1, 33))
        assert len(store.lineage(store.head("image-1").id)) == 32
        for version in versions:
            assert np.array_equal(store.labels(version.id).array, arrays[int(version.author)].array)
        back = store.restore(versions[0].id, author="ann")
        assert store.diff(versions[0].id, back.id).changed == 0
        assert store.studies("PSEUDO")[0].id == "study-1"
        assert store.verify() == []
