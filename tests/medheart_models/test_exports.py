"""Where exported networks lie."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import pytest

from medheart.errors import ModelError
from medheart.settings import Settings
from medheart_models.exports import exported_network


def test_an_export_is_found_by_the_digest_of_its_weights(tiny: ModuleType) -> None:
    settings = Settings.load()
    tiny.export_networks(settings)
    path = exported_network(tiny.TINY, settings)
    assert path == settings.home / "exports" / tiny.TINY.weights.sha256[:16] / "model.xml"
    assert path.is_file()


def test_a_missing_export_names_the_command(tiny: ModuleType) -> None:
    with pytest.raises(ModelError, match=r"python -m medheart_models\.training\.export") as caught:
        exported_network(tiny.UNEXPORTED, Settings.load())
    assert caught.value.code == "export_missing"


def test_a_task_without_weights_is_named(tiny: ModuleType) -> None:
    nameless = replace(tiny.TINY, weights=replace(tiny.TINY.weights, sha256=""))
    with pytest.raises(ModelError, match="'tiny' names no SHA-256"):
        exported_network(nameless, Settings.load())
