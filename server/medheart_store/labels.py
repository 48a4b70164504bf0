"""Label arrays in `mhlab/1`: write one as a difference to earlier ones, read it back, chunk by chunk."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart.errors import Corrupt
from medheart_store.chunks import Chunk, build_pack, chunk_boxes, chunk_id, decode, encode
from medheart_store.crash import crash_point
from medheart_store.manifests import Manifest, load_manifest, save_manifest
from medheart_store.objects import ObjectStore

__all__ = ["LabelObjects"]


class LabelObjects:
    """The label content of one patient of one tenant; chunks are shared within it and never beyond.

    Parameters
    ----------
    objects : ObjectStore
        Where packs and manifests lie.
    scope : str
        Key prefix of the tenant and patient.
    """

    def __init__(self, objects: ObjectStore, scope: str) -> None:
        self._objects = objects
        self._scope = scope

    def load(self, manifest: str) -> Manifest:
        """Read a manifest by its SHA-256."""
        return load_manifest(self._objects, self._scope, manifest)

    def write(self, array: NDArray[Any], *, geometry: str, relatives: Sequence[Manifest] = ()) -> Manifest:
        """Store an array (K, J, I); only chunks that no relative has cost anything.

        Parameters
        ----------
        array : numpy.ndarray
            (K, J, I) unsigned integer.
        geometry : str
            Digest of its grid.
        relatives : sequence of Manifest
            Contents to share chunks with; the first is the one to write the difference to.
        """
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        known = {key: chunk for relative in reversed(relatives) for key, chunk in relative.known.items()}
        ids: dict[int, str] = {}
        frames: dict[str, bytes] = {}
        for position, box in enumerate(chunk_boxes(array.shape)):
            block = np.ascontiguousarray(array[box])
            if block.any():
                ids[position] = key = chunk_id(block)
                if key not in known and key not in frames:
                    frames[key] = encode(block)
        places = {**known, **self._put_pack(frames)}
        k, j, i = array.shape
        chunks = {position: places[key] for position, key in ids.items()}
        manifest = Manifest(array.dtype.str, (k, j, i), geometry, chunks, places)
        return self.adopt(manifest, base=relatives[0] if relatives else None)

    def adopt(self, content: Manifest, *, base: Manifest | None) -> Manifest:
        """Store the manifest of a content whose chunks are all there already."""
        saved = save_manifest(self._objects, self._scope, content, base=base)
        crash_point("after_manifest")
        return saved

    def read(self, manifest: Manifest) -> NDArray[Any]:
        """Return the array (K, J, I); raises Corrupt if a chunk does not match its digest."""
        array = np.zeros(manifest.shape, dtype=np.dtype(manifest.dtype))
        boxes = chunk_boxes(manifest.shape)
        for position, block in self.blocks(manifest, manifest.chunks).items():
            array[boxes[position]] = block
        return array

    def blocks(self, manifest: Manifest, positions: Iterable[int]) -> dict[int, NDArray[Any]]:
        """Return the chunks at the given positions; those that are zero are left out."""
        boxes = chunk_boxes(manifest.shape)
        dtype = np.dtype(manifest.dtype)
        by_pack: defaultdict[str, list[int]] = defaultdict(list)
        for position in positions:
            if position in manifest.chunks:
                by_pack[manifest.chunks[position].pack].append(position)
        blocks = {}
        for pack, members in by_pack.items():
            chunks = [manifest.chunks[position] for position in members]
            for position, chunk, frame in zip(members, chunks, self._frames(pack, chunks), strict=True):
                shape = tuple(part.stop - part.start for part in boxes[position])
                blocks[position] = decode(frame, expected=chunk.id, shape=shape, dtype=dtype)
        return blocks

    def _frames(self, pack: str, chunks: list[Chunk]) -> list[bytes]:
        try:
            return self._objects.get_ranges(self._pack_key(pack), [(chunk.offset, chunk.length) for chunk in chunks])
        except Corrupt as error:
            raise Corrupt(error.message, chunk=chunks[0].id, pack=pack) from error

    def _put_pack(self, frames: dict[str, bytes]) -> dict[str, Chunk]:
        if not frames:
            return {}
        data, places = build_pack(frames)
        pack = hashlib.sha256(data).hexdigest()
        self._objects.put(self._pack_key(pack), data)
        crash_point("after_blob")
        return {key: Chunk(key, pack, *place) for key, place in places.items()}

    def _pack_key(self, pack: str) -> str:
        return f"{self._scope}/packs/{pack}"
