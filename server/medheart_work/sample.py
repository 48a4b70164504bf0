"""The sample study: a chest CT of nobody, made by the project's own phantom, as a DICOM series."""

from __future__ import annotations

import json
import shutil
import tempfile
from datetime import datetime
from pathlib import Path

from medheart.settings import Settings

__all__ = ["sample_study"]

_SEED = 20251121
_SPACING = (1.2, 1.2, 2.0)
_SHAPE = (140, 288, 288)
_WHEN = datetime(2025, 11, 21, 9, 30)


def sample_study(settings: Settings) -> Path:
    """Return the folder of the sample series; it is made at the first call and kept.

    The true nodules lie beside the series in `truth.nii.gz`.

    Returns
    -------
    pathlib.Path
        Folder with one DICOM file per slice.
    """
    home = settings.home / "sample" / f"chest-{_SEED}"
    if not home.is_dir():
        home.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".making-", dir=home.parent))
        try:
            _write(fresh)
            fresh.rename(home)
        except OSError:
            if not home.is_dir():  # Else another process made it first.
                raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return home / "dicom"


def _write(folder: Path) -> None:
    from medheart.phantom import chest_ct
    from medheart_io import write_dicom_series, write_labels

    volume, truth = chest_ct(_SEED, spacing=_SPACING, shape=_SHAPE)
    write_labels(folder / "truth.nii.gz", truth)
    write_dicom_series(
        folder / "dicom",
        volume,
        patient_id="SAMPLE",
        patient_name="Nobody^",
        study_description="Sample study",
        series_description="Chest CT phantom",
        body_part="CHEST",
        when=_WHEN,
    )
    (folder / "how.json").write_text(json.dumps({"seed": _SEED, "spacing_mm": _SPACING, "shape": _SHAPE}) + "\n")
