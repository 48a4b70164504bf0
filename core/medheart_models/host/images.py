"""The images that the host holds, bounded in bytes.

One lock guards the table; it is held for bookkeeping only and no other lock is taken inside it.
An image is pinned while a request that reads it waits or runs; only unpinned ones are forgotten,
the one used longest ago first. Room is reserved before a body is read.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from medheart import Volume
from medheart.errors import Busy, Corrupt, MedHeartError, NotFound

__all__ = ["ImageStore"]


class ImageStore:
    """Images by digest.

    Parameters
    ----------
    limit : int
        Bytes of all images together, bodies that are being read included.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._images: OrderedDict[str, Volume] = OrderedDict()
        self._pins: Counter[str] = Counter()
        self._reserved = 0
        self._lock = threading.Lock()

    def __contains__(self, digest: object) -> bool:
        with self._lock:
            return digest in self._images

    @property
    def used(self) -> int:
        """Bytes taken, reserved ones included."""
        with self._lock:
            return self._used()

    @contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        """Hold `size` bytes free for a body that is being read.

        Raises
        ------
        MedHeartError
            `too_large`, if it can never fit.
        Busy
            If it does not fit until running requests end.
        """
        if size > self.limit:
            raise MedHeartError(f"an image of {size} bytes exceeds the limit of {self.limit}", code="too_large")
        with self._lock:
            self._make_room(size)
            self._reserved += size
        try:
            yield
        finally:
            with self._lock:
                self._reserved -= size

    def put(self, digest: str, volume: Volume) -> None:
        """Keep an image whose room is reserved; raises Corrupt if it does not have this digest."""
        if volume.digest != digest:
            raise Corrupt(f"the image has digest {volume.digest}, it was announced as {digest}", code="digest_mismatch")
        with self._lock:
            self._images[digest] = volume
            self._images.move_to_end(digest)

    def pin(self, digests: Sequence[str]) -> list[Volume]:
        """Return images and keep them until `unpin`; raises NotFound naming all that are missing."""
        with self._lock:
            missing = [digest for digest in digests if digest not in self._images]
            if missing:
                message = f"the host does not hold image {', '.join(missing)}; upload it first"
                raise NotFound(message, code="unknown_image", missing=missing)
            self._pins.update(digests)
            for digest in digests:
                self._images.move_to_end(digest)
            return [self._images[digest] for digest in digests]

    def unpin(self, digests: Sequence[str]) -> None:
        """Give back what `pin` returned."""
        with self._lock:
            self._pins.subtract(digests)

    def _used(self) -> int:
        return self._reserved + sum(volume.array.nbytes for volume in self._images.values())

    def _make_room(self, size: int) -> None:
        for digest in [d for d in self._images if self._pins[d] <= 0]:
            if self._used() + size <= self.limit:
                break
            del self._images[digest]
        if self._used() + size > self.limit:
            raise Busy("the host's image memory is taken by waiting requests", code="memory_full", retry_after_s=5)
