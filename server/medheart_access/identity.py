"""Who a request comes from."""

from __future__ import annotations

from dataclasses import dataclass

from medheart.errors import AccessError, NotAllowed

__all__ = ["LOCAL_OWNER", "ROLES", "Identity"]

ROLES = ("user", "annotator", "reviewer", "admin")
"""Roles, lowest first; each may do what those before it may."""


@dataclass(frozen=True)
class Identity:
    """A person or program that is known by name.

    Parameters
    ----------
    name : str
        Author of what it makes.
    role : str
        One of `ROLES`.

    Raises
    ------
    AccessError
        If there is no such role.
    """

    name: str
    role: str

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise AccessError(f"role must be one of {list(ROLES)}, got {self.role!r}", code="bad_role")

    @property
    def roles(self) -> tuple[str, ...]:
        """The role and those that it includes, lowest first."""
        return ROLES[: ROLES.index(self.role) + 1]

    def require(self, role: str) -> None:
        """Raise NotAllowed unless this identity has `role`."""
        if role not in self.roles:
            raise NotAllowed(f"this needs the role {role!r}; {self.name!r} has {self.role!r}", needs=role)


LOCAL_OWNER = Identity("local", "admin")
"""Who works at this machine while no login is asked for."""
