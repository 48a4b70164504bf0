"""DICOM SEG of a label map: codes of its schema, algorithm type of its origin, references to its image."""

from __future__ import annotations

import tempfile
from pathlib import Path

from medheart.volume import LabelMap
from medheart_store import Store

__all__ = ["write_segments"]


def write_segments(
    path: Path,
    labels: LabelMap,
    *,
    origin: str,
    author: str,
    store: Store,
    image: str | None,
    model: str = "",
    description: str = "Segmentation",
    modality: str = "CT",
) -> Path:
    """Write a DICOM SEG.

    Parameters
    ----------
    path : pathlib.Path
        Target.
    labels : LabelMap
        On the grid of the image.
    origin, author, model : str
        As in `LabelVersion`: they decide between AUTOMATIC, SEMIAUTOMATIC and MANUAL.
    store : Store
        Where the files lie that the image came in.
    image : str, optional
        Image id; None for an image that is not in the store. Where it did not come as DICOM, the
        references name no stored images and the file says so.
    description : str
        Of the series: says so where the labels are for research only.
    modality : str
        `CT` or `MR`: of an image whose own is not known.
    """
    from medheart_io import write_dicom_seg
    from medheart_io.sniff import sniff

    with tempfile.TemporaryDirectory(prefix="medheart-") as folder:
        files = store.originals(image, Path(folder)) if image else []
        return write_dicom_seg(
            path,
            labels,
            origin=origin,
            source=folder if files and sniff(files[0]) == "dicom" else None,
            model=model,
            modality=(store.series(image).modality if image else "") or modality,
            author=author,
            description=description,
        )
