"""Run a module as the child of a supervisor: `python -m medheart_work.child MODULE [ARGUMENT…]`.

On Linux the kernel ends the child when its parent dies, so that a killed supervisor leaves no
process behind that holds a port.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent, then become the module named first on the command line."""
    parent = int(os.environ.pop("MEDHEART_SUPERVISOR", "0"))
    if parent and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            raise SystemExit("the supervisor ended before its child started")
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
