"""Manifests of `mhlab/1`: which chunks make up a version, and where they lie.

A manifest is zstd-compressed JSON named by the SHA-256 of its stored bytes::

    {"format": "mhlab/1", "dtype": "|u1", "shape": [K, J, I], "geometry": "<digest of the grid>",
     "base": "<sha256 of the manifest it builds on>" | null, "depth": 0..31,
     "packs": ["<sha256>", …],
     "chunks": [[position, "<chunk id>", index into packs, offset, length], …],
     "zero": [position, …]}

With a base it lists only what differs from it (`zero` are chunks that became zero); every 32nd
commit of a line stands alone.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import zstandard

from medheart.errors import Corrupt
from medheart_store.chunks import Chunk
from medheart_store.objects import ObjectStore

__all__ = ["Manifest", "load_manifest", "manifest_chain", "manifest_key", "read_manifest", "save_manifest"]

_FORMAT = "mhlab/1"
_FULL_EVERY = 32
_MAX_BYTES = 1 << 28


@dataclass(frozen=True)
class Manifest:
    """The whole content of a version.

    Parameters
    ----------
    sha256 : str
        Its name among the objects; empty until saved.
    dtype : str
        Array interface string, little endian.
    shape : tuple of int
        (K, J, I).
    geometry : str
        `Geometry.digest` of the grid.
    chunks : dict of int to Chunk
        The chunks that are not zero, by linear position.
    known : dict of str to Chunk
        Every chunk that it or a manifest below it names, by id: these need not be stored again.
    depth : int
        Manifests below it.
    """

    dtype: str
    shape: tuple[int, int, int]
    geometry: str
    chunks: dict[int, Chunk]
    known: dict[str, Chunk]
    depth: int = 0
    sha256: str = ""

    def differing(self, other: Manifest) -> list[int]:
        """Return the positions where two contents of one shape differ, sorted."""
        positions = self.chunks.keys() | other.chunks.keys()
        return sorted(p for p in positions if _id(self.chunks.get(p)) != _id(other.chunks.get(p)))

    def builds_on(self, base: Manifest) -> bool:
        """Whether it may be written as a difference to `base`."""
        same = (self.dtype, self.shape, self.geometry) == (base.dtype, base.shape, base.geometry)
        return same and base.depth + 1 < _FULL_EVERY


def _id(chunk: Chunk | None) -> str | None:
    return chunk.id if chunk else None


def manifest_key(scope: str, sha256: str) -> str:
    """Return the object key of a manifest."""
    return f"{scope}/manifests/{sha256}"


def save_manifest(objects: ObjectStore, scope: str, manifest: Manifest, *, base: Manifest | None) -> Manifest:
    """Store a manifest, as a difference to `base` where it may be; return it with its name and depth."""
    if base is not None and not manifest.builds_on(base):
        base = None
    changed = sorted(manifest.chunks) if base is None else manifest.differing(base)
    body = {
        "format": _FORMAT,
        "dtype": manifest.dtype,
        "shape": list(manifest.shape),
        "geometry": manifest.geometry,
        "base": base.sha256 if base else None,
        "depth": base.depth + 1 if base else 0,
        **_entries(manifest, changed),
    }
    data = zstandard.ZstdCompressor(level=9).compress(json.dumps(body, separators=(",", ":")).encode())
    sha256 = hashlib.sha256(data).hexdigest()
    objects.put(manifest_key(scope, sha256), data)
    known = {**(base.known if base else {}), **{chunk.id: chunk for chunk in manifest.chunks.values()}}
    return Manifest(manifest.dtype, manifest.shape, manifest.geometry, manifest.chunks, known, body["depth"], sha256)


def _entries(manifest: Manifest, positions: list[int]) -> dict[str, Any]:
    present = [(p, manifest.chunks[p]) for p in positions if p in manifest.chunks]
    packs = sorted({chunk.pack for _, chunk in present})
    index = {pack: n for n, pack in enumerate(packs)}
    return {
        "packs": packs,
        "chunks": [[p, c.id, index[c.pack], c.offset, c.length] for p, c in present],
        "zero": [p for p in positions if p not in manifest.chunks],
    }


def manifest_chain(objects: ObjectStore, scope: str, sha256: str) -> list[tuple[str, dict[str, Any]]]:
    """Return (name, body) of a manifest and of those it builds on, the lowest first.

    Raises
    ------
    Corrupt
        If one is missing, does not match its digest, or is not of this format.
    """
    chain = [(sha256, read_manifest(objects, scope, sha256))]
    while (base := chain[-1][1]["base"]) is not None:
        if len(chain) >= _FULL_EVERY:
            raise Corrupt(f"manifest {sha256} builds on more than {_FULL_EVERY} others", manifest=sha256)
        chain.append((base, read_manifest(objects, scope, base)))
    return chain[::-1]


def load_manifest(objects: ObjectStore, scope: str, sha256: str) -> Manifest:
    """Read a manifest together with those it builds on; raises Corrupt as `manifest_chain` does."""
    chunks: dict[int, Chunk] = {}
    known: dict[str, Chunk] = {}
    for _, body in manifest_chain(objects, scope, sha256):
        for position, key, pack, offset, length in body["chunks"]:
            chunks[position] = known[key] = Chunk(key, body["packs"][pack], offset, length)
        for position in body["zero"]:
            chunks.pop(position, None)
    k, j, i = body["shape"]
    return Manifest(body["dtype"], (k, j, i), body["geometry"], chunks, known, body["depth"], sha256)


def read_manifest(objects: ObjectStore, scope: str, sha256: str) -> dict[str, Any]:
    """Return the body of one manifest; raises Corrupt if it is missing, damaged or of another format."""
    data = objects.get(manifest_key(scope, sha256))
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Corrupt(f"manifest {sha256} does not match its digest", manifest=sha256)
    text = zstandard.ZstdDecompressor().decompress(data, max_output_size=_MAX_BYTES)
    body: dict[str, Any] = json.loads(text)
    if body.get("format") != _FORMAT:
        raise Corrupt(f"manifest {sha256} is of format {body.get('format')!r}, not {_FORMAT}", manifest=sha256)
    return body
