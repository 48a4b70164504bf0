"""`python -m medheart_work.studies FOLDER`: import a folder of images; one JSON line a case on stdout.

What the label server runs for `--studies`: it imports nothing itself. Importing a folder again finds what is there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from medheart.errors import MedHeartError
from medheart.settings import Settings
from medheart_store import Store
from medheart_work.importing import import_paths

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Import the folder named on the command line; returns the exit code."""
    (folder,) = sys.argv[1:] if arguments is None else arguments
    settings = Settings.load()
    try:
        with Store.open(settings.store_dir) as store:
            cases = import_paths(store, settings, [Path(folder)])
    except MedHeartError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    for case in cases:
        sys.stdout.write(json.dumps(case.to_dict()) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
