"""Documents of a label version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from medheart.errors import Corrupt, NotFound
from medheart.volume import LabelMap
from medheart_store import Store


@pytest.fixture
def version(store: Store, label: Callable[..., LabelMap]) -> str:
    return store.add_version(label((1, 9, 1, 9, 1, 9, 1)), image="image-1", author="ann", origin="manual").id


def test_documents_come_back(store: Store, version: str) -> None:
    pdf = store.add_document(version, "report", "application/pdf", b"%PDF-1.7", {"language": "zh"})
    table = store.add_document(version, "measurements", "application/json", b"{}")
    assert store.documents(version) == [pdf, table]
    assert store.documents(version, kind="report") == [pdf]
    assert store.document(pdf.id) == pdf
    assert store.document_data(pdf.id) == b"%PDF-1.7"
    assert (pdf.size, pdf.media_type, pdf.meta) == (8, "application/pdf", {"language": "zh"})


def test_unknown_is_not_found(store: Store, version: str, tmp_path: Path) -> None:
    made = store.add_document(version, "report", "text/plain", b"x")
    with Store.open(tmp_path / "store", tenant="elsewhere") as other:
        for call in (
            lambda: store.document("none"),
            lambda: store.document_data("none"),
            lambda: store.add_document("none", "report", "text/plain", b"x"),
            lambda: other.document(made.id),
            lambda: other.add_document(version, "report", "text/plain", b"x"),
        ):
            with pytest.raises(NotFound):
                call()
        assert other.documents(version) == []


def test_a_damaged_document_is_found(store: Store, version: str, tmp_path: Path) -> None:
    made = store.add_document(version, "report", "text/plain", b"all is well")
    (path,) = (tmp_path / "store").rglob("documents/*")
    path.write_bytes(b"all is ill!")
    with pytest.raises(Corrupt, match=made.id):
        store.document_data(made.id)
