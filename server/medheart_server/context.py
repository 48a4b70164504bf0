"""What the routes work with, in one object that the app carries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Header, Request

from medheart.records import Job
from medheart.settings import Settings
from medheart_access import Access, Identity, Sessions, identity_of
from medheart_jobs import Jobs
from medheart_jobs.tables import QueueName
from medheart_server.observing import Tally
from medheart_server.pictures import Previews
from medheart_store import Store

__all__ = ["Admin", "Annotator", "Context", "IdempotencyKey", "InContext", "Signed"]


@dataclass(frozen=True)
class Context:
    """What this process holds: settings, store, job tables, counters, pictures, keys, sessions; threads share it."""

    settings: Settings
    store: Store
    jobs: Jobs
    tally: Tally
    previews: Previews
    access: Access
    sessions: Sessions

    @property
    def uploads(self) -> Path:
        """Folder where uploads wait for their import."""
        return self.settings.home / "uploads"

    @property
    def results(self) -> Path:
        """Folder of the files that jobs leave for who asked for them."""
        return self.settings.home / "results"

    def start(self, name: str, args: dict[str, Any], key: str | None, *, queue: QueueName = "jobs") -> Job:
        """Enqueue a job, once for each idempotency key, and return it."""
        return self.jobs.status(self.jobs.enqueue(name, args, key=key, queue=queue))


def _of_app(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


def _signed(request: Request) -> Identity:
    return identity_of(request.scope)


def _annotator(request: Request) -> Identity:
    identity = identity_of(request.scope)
    identity.require("annotator")
    return identity


def _admin(request: Request) -> Identity:
    identity = identity_of(request.scope)
    identity.require("admin")
    return identity


InContext = Annotated[Context, Depends(_of_app)]

Signed = Annotated[Identity, Depends(_signed)]
"""Who asks."""

Annotator = Annotated[Identity, Depends(_annotator)]
"""Who asks, where that needs the right to change something."""

Admin = Annotated[Identity, Depends(_admin)]
"""Who asks, where that takes the machine for hours."""

IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", pattern="^[A-Za-z0-9_-]{1,64}$")]
"""Asking twice with one key is asking once; with another request it is an error."""
