"""Who may sign in: keys of programs and people."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from medheart.home import make_home
from medheart.settings import Settings
from medheart_access import ROLES, Access

__all__ = ["ROLES", "add_user", "list_users", "revoke_user"]


def add_user(settings: Settings, name: str, role: str) -> str:
    """Make a key and return it; it is shown this once. From the first key on, every request needs one."""
    make_home(settings)
    return Access.open(settings).keys.add(name, role)


def list_users(settings: Settings) -> list[dict[str, Any]]:
    """Return the keys without their secrets: `id`, `name`, `role`, `created`."""
    keys = (asdict(key) for key in Access.open(settings).keys.list())
    return [{name: key[name] for name in ("id", "name", "role", "created")} for key in keys]


def revoke_user(settings: Settings, key_id: str) -> None:
    """Take a key away; raises NotFound."""
    make_home(settings)
    Access.open(settings).keys.revoke(key_id)
