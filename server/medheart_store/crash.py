"""Points at which a test makes the process die as `kill -9` would.

`MEDHEART_CRASH_AT` names one of `after_blob`, `after_manifest`, `before_commit`, `after_commit`.
"""

from __future__ import annotations

import os
import signal

__all__ = ["crash_point"]


def crash_point(name: str) -> None:
    """Kill this process if `MEDHEART_CRASH_AT` is `name`."""
    if os.environ.get("MEDHEART_CRASH_AT") == name:
        os.kill(os.getpid(), signal.SIGKILL)
