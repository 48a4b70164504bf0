"""What is for research only, and the words by which exported files say so."""

from __future__ import annotations

from collections.abc import Iterable

from medheart.records import is_automatic
from medheart_models.tasks import load_task, task_ids
from medheart_reports import LANGUAGES
from medheart_reports.phrases import load_phrases
from medheart_store import Store

__all__ = ["notice_for_origins", "research_notice"]


def research_notice(store: Store, version_id: str) -> dict[str, str]:
    """Return the notice by language that goes with a label version; empty where none is due.

    It is due where the version, or one that it comes from, was made by a task whose status is, or then was,
    `research`.
    """
    lineage = store.lineage(version_id)
    if any(version.meta.get("status") == "research" for version in lineage):
        return _notice()
    return notice_for_origins(version.origin for version in lineage)


def notice_for_origins(origins: Iterable[str]) -> dict[str, str]:
    """Return the notice by language for results of these origins (`task@version`); empty where none is due."""
    tasks = {origin.partition("@")[0] for origin in origins if is_automatic(origin)} & set(task_ids())
    return _notice() if any(load_task(task).status == "research" for task in tasks) else {}


def label_title(store: Store, version_id: str) -> str:
    """Return the title of a version's label files: its id, after the notice where one is due."""
    notice = research_notice(store, version_id).get("en", "")
    return f"{notice}: {version_id}" if notice else version_id


def _notice() -> dict[str, str]:
    return {language: load_phrases(language)("research_only") for language in LANGUAGES}
