"""The format mhlab/1: chunks, packs, manifests."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medheart.errors import Corrupt
from medheart_store.chunks import build_pack, chunk_boxes, chunk_id, decode, encode, pack_entries
from medheart_store.labels import LabelObjects
from medheart_store.manifests import manifest_chain
from medheart_store.objects import FolderObjects

GEOMETRY = "0" * 64


@pytest.fixture
def objects(tmp_path: Path, clock: Any) -> FolderObjects:
    return FolderObjects(tmp_path / "objects", clock=clock)


def test_boxes_cover_every_voxel_once() -> None:
    count = np.zeros((33, 64, 70), int)
    boxes = chunk_boxes(count.shape)
    for box in boxes:
        count[box] += 1
    assert len(boxes) == 2 * 2 * 3
    assert (count == 1).all()


def test_chunk_id_is_salted_with_type_and_shape() -> None:
    zeros = np.zeros((2, 2, 4), np.uint8)
    ids = {chunk_id(zeros), chunk_id(zeros.reshape(4, 2, 2)), chunk_id(zeros.view(np.uint16))}
    assert len(ids) == 3
    assert {len(key) for key in ids} == {32}


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(st.sampled_from([np.uint8, np.uint16]), hnp.array_shapes(min_dims=3, max_dims=3, max_side=5)))
def test_chunk_round_trip(block: np.ndarray) -> None:
    back = decode(encode(block), expected=chunk_id(block), shape=block.shape, dtype=block.dtype)
    assert np.array_equal(back, block)


@pytest.mark.parametrize("frame", [b"", b"nonsense", encode(np.ones((2, 2, 3), np.uint8)), encode(np.ones((9, 9, 9)))])
def test_frames_that_are_not_the_chunk_are_refused(frame: bytes) -> None:
    block = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(Corrupt, match=chunk_id(block)):
        decode(frame, expected=chunk_id(block), shape=block.shape, dtype=block.dtype)


def test_pack_holds_its_own_index() -> None:
    frames = {"ab" * 16: b"first", "cd" * 16: b"second!"}
    pack, places = build_pack(frames)
    assert list(pack_entries(pack)) == [(key, *place) for key, place in places.items()]
    assert {key: pack[offset : offset + length] for key, offset, length in pack_entries(pack)} == frames
    for bad in (b"", pack[:-1], b"\xff\xff\xff\xff" + b"mhpack/1"):
        with pytest.raises(Corrupt):
            list(pack_entries(bad))


def test_manifests_are_differences_and_every_32nd_stands_alone(objects: FolderObjects) -> None:
    labels = LabelObjects(objects, "t/p")
    array = np.zeros((40, 40, 40), np.uint8)
    array[5:35, 5:35, 5:35] = 1
    content = labels.write(array, geometry=GEOMETRY)
    depths = [content.depth]
    for n in range(40):
        array[0, 0, n] = 7
        content = labels.write(array, geometry=GEOMETRY, relatives=[content])
        depths.append(content.depth)
    assert depths == [*range(32), *range(9)]
    chain = manifest_chain(objects, "t/p", content.sha256)
    assert [len(body["chunks"]) for _, body in chain] == [8, *[1] * 8]
    assert np.array_equal(labels.read(labels.load(content.sha256)), array)


def test_chunks_that_become_zero_and_come_back_cost_nothing(objects: FolderObjects, tmp_path: Path) -> None:
    labels = LabelObjects(objects, "t/p")
    full = np.ones((40, 40, 40), np.uint8)
    first = labels.write(full, geometry=GEOMETRY)
    erased = full.copy()
    erased[:32, :32, :32] = 0
    second = labels.write(erased, geometry=GEOMETRY, relatives=[first])
    third = labels.write(full, geometry=GEOMETRY, relatives=[labels.load(second.sha256)])
    assert len(second.chunks) == 7
    assert third.chunks == first.chunks
    assert len(list((tmp_path / "objects").rglob("packs/*"))) == 1
    assert np.array_equal(labels.read(second), erased)


def test_big_endian_is_the_same_content(objects: FolderObjects) -> None:
    labels = LabelObjects(objects, "t/p")
    array = np.full((3, 3, 3), 258, np.uint16)
    same = labels.write(array.astype(">u2"), geometry=GEOMETRY)
    assert same.sha256 == labels.write(array, geometry=GEOMETRY).sha256
    assert np.array_equal(labels.read(same), array)


def test_manifest_of_another_format_is_refused(objects: FolderObjects) -> None:
    data = zstandard.compress(json.dumps({"format": "mhlab/2"}).encode())
    key = hashlib.sha256(data).hexdigest()
    objects.put(f"t/p/manifests/{key}", data)
    with pytest.raises(Corrupt, match="mhlab/2"):
        LabelObjects(objects, "t/p").load(key)
