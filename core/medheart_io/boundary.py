"""The one place where foreign exceptions of readers become `ImageRejected`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medheart.errors import GeometryError, ImageRejected, MedHeartError, readable

__all__ = ["is_folder", "readable", "reject", "rejecting"]

_MAX_TEXT = 200


def is_folder(path: Path) -> bool:
    """Return whether `path` is a folder; of what cannot even be asked about, opening it says why."""
    try:
        return path.is_dir()
    except OSError:
        return False


def reject(path: Path | str, problem: str, code: str, **details: object) -> ImageRejected:
    """Return the error for a file that cannot be used; the message names the file, not its folder.

    Parameters
    ----------
    path : path-like
        What came.
    problem : str
        Half a sentence: what is wrong, what was expected.
    code : str
        Stable word for machines.
    """
    return ImageRejected(f"{Path(readable(path)).name}: {problem}", code=code, path=str(path), **details)


@contextmanager
def rejecting(path: Path | str) -> Iterator[None]:
    """Turn every exception of the block into `ImageRejected` that names `path`; our own pass unchanged.

    A `GeometryError` keeps its code, running out of memory becomes `too_large`, a missing file `not_found`, a
    stream that ends too early `truncated`, anything else `unreadable` with the first words of the cause.
    """
    try:
        yield
    except GeometryError as error:
        raise reject(path, error.message, error.code) from error
    except MedHeartError:
        raise
    except FileNotFoundError as error:
        raise reject(path, "there is no such file", "not_found") from error
    except EOFError as error:
        raise reject(path, "ends too early", "truncated") from error
    except (MemoryError, OverflowError) as error:
        raise reject(path, "needs more memory than there is", "too_large") from error
    except Exception as error:
        cause = f"{type(error).__name__}: {error}".splitlines()[0][:_MAX_TEXT]
        raise reject(path, f"cannot be read ({cause})", "unreadable") from error
