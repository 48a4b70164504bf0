"""Keeps folders of a server out of what it tells: an absolute path becomes its last part.

Messages name files with their folders, for the log and for people at the same machine. Over a wire a folder
says where things lie on the server and, with a user's name in it, whose they are. The log keeps the whole.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

__all__ = ["without_paths"]

T = TypeVar("T")

_START = r"(?:(?:sqlite|file)[\w+]*:/{2,4}|[A-Za-z]:[\\/]|~?/)"
# In quotes a path may hold blanks; without, it ends at one, or at a sign that follows paths in messages.
_QUOTED = re.compile(rf"(?P<quote>['\"]){_START}(?:[^'\"\n]*[\\/])?(?P<name>[^'\"\\/\n]*)(?P=quote)")
_PART = r"[^\s'\"`,;:()<>|\[\]{}\\/]"
_BARE = re.compile(rf"(?<![\w:/\\.~'\"-]){_START}(?:{_PART}+[\\/]+)+(?P<name>{_PART}*)")


def without_paths(value: T) -> T:
    """Return a JSON value in whose texts absolute paths are cut to their last part.

    Parameters
    ----------
    value : str, dict, list or other
        Lists and dicts are gone through; what is no text stays. Addresses (`http://…`) stay, too.

    Examples
    --------
    >>> without_paths("/srv/home/exports/ab12/model.xml: not exported yet")
    'model.xml: not exported yet'
    """
    return _clean(value)  # type: ignore[no-any-return]


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _BARE.sub(_name, _QUOTED.sub(_quoted_name, value))
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def _name(found: re.Match[str]) -> str:
    return found["name"] or "…"


def _quoted_name(found: re.Match[str]) -> str:
    return f"{found['quote']}{_name(found)}{found['quote']}"
