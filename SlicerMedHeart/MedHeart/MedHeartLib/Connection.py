"""To whom the panel is connected, and where that is.

A connection belongs to the address and the name with which it was made. What is asked of the user before
images leave is asked of this address, whatever the panel shows by then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from medheart.errors import MedHeartError
from MedHeartLib.Tasks import ServerTask

__all__ = ["Connection", "hostOf"]

# Strict on purpose: of a backslash or a user name, one library sees another host than the next.
_ADDRESS = re.compile(r"https?://([\w.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?(/[\w./~%-]*)?", re.IGNORECASE)
_HERE = frozenset({"127.0.0.1", "localhost", "[::1]"})


def hostOf(address: str) -> str:
    """Return the host that an address names; raises MedHeartError if it is not a plain address of a server."""
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise MedHeartError(
            f"{address!r} is not the address of a server, expected one like http://127.0.0.1:8000", code="bad_address"
        )
    return match.group(1).lower()


@dataclass(frozen=True)
class Connection:
    """A label server.

    Parameters
    ----------
    logic : Logic
        Speaks to it.
    address, annotator : str
        What the logic's client was made with.
    tasks : tuple of ServerTask
        What it offers; empty before it has answered.
    """

    logic: Any
    address: str
    annotator: str
    tasks: tuple[ServerTask, ...] = ()

    @property
    def host(self) -> str:
        """Name of the computer that gets what is sent."""
        return hostOf(self.address)

    @property
    def isHere(self) -> bool:
        """Whether what is sent stays on this computer."""
        return self.host in _HERE

    def serves(self, parameters: Any) -> bool:
        """Whether it is made with the address and the name that the parameters now have."""
        return (self.address, self.annotator) == (parameters.serverAddress.strip(), parameters.annotator)

    def task(self, identifier: str) -> ServerTask | None:
        """Return one of its tasks, or None."""
        return next((task for task in self.tasks if task.id == identifier), None)
