"""A picture of an image without any label: the plane through its middle."""

from __future__ import annotations

import threading
from collections import OrderedDict

from medheart.errors import NotFound
from medheart.records import Series
from medheart_reports import ReportContent, draw_figures
from medheart_store import Store

__all__ = ["Previews"]

PLANES = ("axial", "coronal", "sagittal")


class Previews:
    """The planes of images, drawn when first asked for; the last ones are kept.

    One lock guards the table and is held while pictures are drawn: one drawing at a time is enough.

    Parameters
    ----------
    store : Store
        Where the images are.
    limit : int
        Images whose pictures are kept.
    """

    def __init__(self, store: Store, *, limit: int = 64) -> None:
        self._store = store
        self._limit = limit
        self._kept: OrderedDict[str, dict[str, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def picture(self, series_id: str, plane: str) -> bytes:
        """Return a plane of an image as PNG; raises NotFound."""
        series = self._store.series(series_id)
        with self._lock:
            if series.image_digest not in self._kept:
                self._kept[series.image_digest] = self._draw(series)
            self._kept.move_to_end(series.image_digest)
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)
            pictures = self._kept[series.image_digest]
        if plane not in pictures:
            raise NotFound(f"series {series_id!r} has no plane {plane!r}; there are {sorted(pictures)}")
        return pictures[plane]

    def _draw(self, series: Series) -> dict[str, bytes]:
        content = ReportContent(
            study=self._store.study(series.study),
            series=series,
            image=self._store.volume(series.id),
            language="en",
            created="",
        )
        return {picture.name: picture.png for picture in draw_figures(content).pictures if picture.name in PLANES}
