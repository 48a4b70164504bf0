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
"""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

__all__ = [
    "DICOM_SEG",
    "IMPORT",
    "JOB_NAMES",
    "LABEL_FORMATS",
    "MEASURE",
    "MEDIA_TYPES",
    "PREFIX",
    "PROBLEM_TYPE",
    "REPORT",
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
JOB_NAMES: Final = (IMPORT, SEGMENT, MEASURE, REPORT, DICOM_SEG, TRAIN)

LABEL_FORMATS: Final = {
    "nii.gz": "application/gzip",
    "seg.nrrd": "application/octet-stream",
    "dcm": "application/dicom",
}
"""Label files: ending to media type."""

MEDIA_TYPES: Final = {"html": "text/html", "pdf": "application/pdf"}
"""Report files: ending to media type."""


def installation(home: Path) -> str:
    """Return the name under which a service says whose data it serves: a digest of its home folder."""
    return hashlib.sha256(str(home).encode()).hexdigest()[:16]


def problem(status: int, detail: str, *, code: str, **facts: Any) -> dict[str, Any]:
    """Return the body of an error reply (RFC 9457)."""
    title = HTTPStatus(status).phrase
    return {**facts, "type": "about:blank", "title": title, "status": status, "code": code, "detail": detail}
