"""The bounded table of images."""

from __future__ import annotations

from types import ModuleType

import pytest

from medheart import Volume
from medheart.errors import Busy, MedHeartError, NotFound
from medheart_models.host.images import ImageStore


def put(store: ImageStore, volume: Volume) -> str:
    with store.reserve(volume.array.nbytes):
        store.put(volume.digest, volume)
    return volume.digest


def test_the_oldest_unpinned_image_makes_room(tiny: ModuleType) -> None:
    volumes = [tiny.bright_cube(seed=n) for n in range(4)]
    store = ImageStore(int(volumes[0].array.nbytes * 2.5))
    first, second = put(store, volumes[0]), put(store, volumes[1])
    store.pin([first])
    third = put(store, volumes[2])
    assert (first in store, second in store, third in store) == (True, False, True)
    store.pin([third])
    with pytest.raises(Busy, match="taken by waiting requests"):
        put(store, volumes[3])
    store.unpin([first])
    put(store, volumes[3])
    assert first not in store
    assert store.used == 2 * volumes[0].array.nbytes


def test_room_is_reserved_while_a_body_is_read(tiny: ModuleType) -> None:
    store = ImageStore(100)
    with store.reserve(60), pytest.raises(Busy), store.reserve(60):
        pass
    with store.reserve(100):
        assert store.used == 100
    assert store.used == 0
    with pytest.raises(MedHeartError, match="exceeds the limit") as caught, store.reserve(101):
        pass
    assert caught.value.code == "too_large"


def test_a_failed_pin_pins_nothing_and_names_all_missing(tiny: ModuleType) -> None:
    volume = tiny.bright_cube()
    store = ImageStore(volume.array.nbytes)
    digest = put(store, volume)
    with pytest.raises(NotFound) as caught:
        store.pin([digest, "x", "y"])
    assert caught.value.details["missing"] == ["x", "y"]
    put(store, tiny.bright_cube(seed=1))
    assert digest not in store
