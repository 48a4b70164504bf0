"""Which labels are for research only, as exported files have to say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from medheart.records import LabelVersion, is_automatic
from medheart.task import RESEARCH_ONLY
from medheart_models.tasks import load_task, task_ids

__all__ = ["label_title", "notice_for_origins", "research_notice"]


def research_notice(lineage: Sequence[LabelVersion]) -> dict[str, str]:
    """Return the notice by language that goes with a label version; empty where none is due.

    It is due where the version, or one that it comes from, was made by a task whose status is, or then was,
    `research`.

    Parameters
    ----------
    lineage : sequence of LabelVersion
        The version and all it comes from, as `Store.lineage` gives them.
    """
    if any(version.meta.get("status") == "research" for version in lineage):
        return RESEARCH_ONLY
    return notice_for_origins(version.origin for version in lineage)


def notice_for_origins(origins: Iterable[str]) -> dict[str, str]:
    """Return the notice by language for results of these origins (`task@version`); empty where none is due."""
    tasks = {origin.partition("@")[0] for origin in origins if is_automatic(origin)} & set(task_ids())
    return RESEARCH_ONLY if any(load_task(task).status == "research" for task in tasks) else {}


def label_title(lineage: Sequence[LabelVersion]) -> str:
    """Return the title of a version's label files: its id, after the notice where one is due."""
    notice = research_notice(lineage).get("en", "")
    return f"{notice}: {lineage[0].id}" if notice else lineage[0].id
