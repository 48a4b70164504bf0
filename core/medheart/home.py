"""The home folder is its owner's alone: what lies in it came from patients."""

from __future__ import annotations

import os

from medheart.errors import MedHeartError
from medheart.settings import Settings

__all__ = ["make_home", "write_privately"]

_OTHERS = 0o077


def make_home(settings: Settings) -> None:
    """Make the home folder with mode 0700; one that is there keeps its mode.

    Raises
    ------
    MedHeartError
        `home`, if it cannot be made.
    """
    try:
        settings.home.mkdir(mode=0o777 & ~_OTHERS, parents=True, exist_ok=True)
    except OSError as error:
        raise MedHeartError(
            f"{settings.home}: cannot be made the home folder ({error.strerror}); "
            "set MEDHEART_HOME to a folder of yours",
            code="home",
        ) from error


def write_privately(settings: Settings) -> None:
    """Make the home folder, and whatever this process and its children write readable by its owner alone.

    For processes that write into the home only: what a person exports is to have the person's own umask.
    """
    os.umask(_OTHERS)
    make_home(settings)
