"""What the routes work with, in one object that the app carries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Header, Request

from medheart.records import Job
from medheart.settings import Settings
from medheart_access import Identity, identity_of
from medheart_jobs import Jobs
from medheart_server.observing import Tally
from medheart_server.pictures import Previews
from medheart_store import Store

__all__ = ["Annotator", "Context", "IdempotencyKey", "InContext", "Signed"]


@dataclass(frozen=True)
class Context:
    """Settings, store, job tables, counters and pictures of this process; all are safe to share between threads."""

    settings: Settings
    store: Store
    jobs: Jobs
    tally: Tally
    previews: Previews

    @property
    def uploads(self) -> Path:
        """Folder where uploads wait for their import."""
        return self.settings.home / "uploads"

    def start(self, name: str, args: dict[str, Any], key: str | None) -> Job:
        """Enqueue a job, once for each idempotency key, and return it."""
        return self.jobs.status(self.jobs.enqueue(name, args, key=key))


def _of_app(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


def _signed(request: Request) -> Identity:
    return identity_of(request.scope)


def _annotator(request: Request) -> Identity:
    identity = identity_of(request.scope)
    identity.require("annotator")
    return identity


InContext = Annotated[Context, Depends(_of_app)]

Signed = Annotated[Identity, Depends(_signed)]
"""Who asks."""

Annotator = Annotated[Identity, Depends(_annotator)]
"""Who asks, where that needs the right to change something."""

IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", pattern="^[A-Za-z0-9_-]{1,64}$")]
"""Asking twice with one key is asking once; with another request it is an error."""
