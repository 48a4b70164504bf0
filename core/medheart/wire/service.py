"""What the service and its clients say to each other; both ends import this file.

All paths lie under `PREFIX` and answer JSON; errors are `application/problem+json`:

    {"type": "about:blank", "title": "Not Found", "status": 404,
     "code": "not_found", "detail": "no study 'x' in the store", …facts}

Long work is a job: its POST answers 202 with the job and `Location`. The names below are those of
the workflows a worker registers; each takes one JSON object and returns one.

| job         | request                                        | result                               |
|-------------|------------------------------------------------|--------------------------------------|
| `import`    | `{"upload", "sha256", "choices", "one_study"}` | `{"cases": [case, …]}`               |
| `segment`   | `{"studies": [id, …], "task", "author"}`       | `{"cases": [{"study", "version"}]}`  |
| `measure`   | `{"version"}`                                  | `{"document"}`                       |
| `report`    | `{"version", "language"}`                      | `{"documents": [id, …]}`             |
| `dicom-seg` | `{"version"}`                                  | `{"document"}`                       |
| `train`     | `{"task", "data", "epochs"}`                   | settings and scores of the training  |

`train` without `data` trains on the labels of the store; it then takes `{"task", "epochs", "batch", "val_split",
"pretrained", "author", "without"}` and returns the candidate's `run` with Dice by label before and after.

Files that a client names travel as a bundle (`medheart.wire.bundle`), the body of a POST to `/bundles/<word>`; a job
works on it as `--local` would on the client's machine. Arguments are named as in the bundle's layout, in requests,
results and messages. `folder` and `files` say what `GET /jobs/<id>/files/<name>` gives.

| job                | arguments of the bundle; request beside it   | result                                        |
|--------------------|----------------------------------------------|-----------------------------------------------|
| `bundle-import`    | files, folders; `choices one_study dry_run`  | `{"cases": [case, …]}`                        |
| `bundle-measure`   | label, image if any; `task`                  | `{"folder", "files"}`: `measurements.json`    |
| `bundle-report`    | label, image; `task language`                | `{"folder", "files"}`: `report.html` `.pdf`   |
| `bundle-segment`   | images; `task roles output`                  | `{"folder", "files", "results": [case, …]}`   |
| `bundle-evaluate`  | folder of each input, folder of labels; `task` | `{"task", "status", "dice", "cases"}`       |
| `bundle-train`     | folder of data; `task epochs`                | settings and scores of the training           |
| `export`           | none; `name` of a study, series or version   | `{"folder", "files"}`: as `medheart export`   |
"""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

__all__ = [
    "BUNDLE_EVALUATE",
    "BUNDLE_IMPORT",
    "BUNDLE_MEASURE",
    "BUNDLE_REPORT",
    "BUNDLE_SEGMENT",
    "BUNDLE_TRAIN",
    "DICOM_SEG",
    "EXPORT",
    "IMPORT",
    "JOB_NAMES",
    "LABEL_FORMATS",
    "MAX_BODY_BYTES",
    "MEASURE",
    "MEDIA_TYPES",
    "PREFIX",
    "PROBLEM_TYPE",
    "REPORT",
    "REPORT_LANGUAGES",
    "SEGMENT",
    "TRAIN",
    "installation",
    "problem",
]

PREFIX: Final = "/api/v1"
PROBLEM_TYPE: Final = "application/problem+json"

IMPORT: Final = "import"
SEGMENT: Final = "segment"
MEASURE: Final = "measure"
REPORT: Final = "report"
DICOM_SEG: Final = "dicom-seg"
TRAIN: Final = "train"
BUNDLE_IMPORT: Final = "bundle-import"
BUNDLE_MEASURE: Final = "bundle-measure"
BUNDLE_REPORT: Final = "bundle-report"
BUNDLE_SEGMENT: Final = "bundle-segment"
BUNDLE_EVALUATE: Final = "bundle-evaluate"
BUNDLE_TRAIN: Final = "bundle-train"
EXPORT: Final = "export"
JOB_NAMES: Final = (
    IMPORT,
    SEGMENT,
    MEASURE,
    REPORT,
    DICOM_SEG,
    TRAIN,
    BUNDLE_IMPORT,
    BUNDLE_MEASURE,
    BUNDLE_REPORT,
    BUNDLE_SEGMENT,
    BUNDLE_EVALUATE,
    BUNDLE_TRAIN,
    EXPORT,
)

MAX_BODY_BYTES: Final = 4 << 30
"""Largest body of a request."""

LABEL_FORMATS: Final = {
    "nii.gz": "application/gzip",
    "nii": "application/octet-stream",
    "seg.nrrd": "application/octet-stream",
    "nrrd": "application/octet-stream",
    "mha": "application/octet-stream",
    "dcm": "application/dicom",
}
"""Label files: ending to media type, of endings that overlap the longer one first."""

REPORT_LANGUAGES: Final = ("en", "zh")

MEDIA_TYPES: Final = {"html": "text/html", "pdf": "application/pdf"}
"""Report files: ending to media type."""


def installation(home: Path) -> str:
    """Return the name under which a service says whose data it serves: a digest of its home folder."""
    return hashlib.sha256(str(home).encode()).hexdigest()[:16]


def problem(status: int, detail: str, *, code: str, **facts: Any) -> dict[str, Any]:
    """Return the body of an error reply (RFC 9457)."""
    title = HTTPStatus(status).phrase
    return {**facts, "type": "about:blank", "title": title, "status": status, "code": code, "detail": detail}
