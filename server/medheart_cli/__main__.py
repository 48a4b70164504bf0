"""Entry point of the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `medheart` and return its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    try:
        from medheart_cli.app import run
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"medheart: {error.name} is not installed; the command line needs the extra cli: "
            "pip install 'medheart[cli]'\n"
        )
        return 1
    return run(list(sys.argv[1:] if arguments is None else arguments))


if __name__ == "__main__":
    raise SystemExit(main())
