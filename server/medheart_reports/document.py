"""The report as plain data: every text and number in its place, for the HTML and the PDF template alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from medheart.schema import load_schema
from medheart.task import RESEARCH_ONLY, Task
from medheart_reports.content import ReportContent
from medheart_reports.figures import Figures, Picture
from medheart_reports.formats import format_number, show
from medheart_reports.phrases import Phrases, load_phrases
from medheart_reports.tables import details, findings, method_rows

__all__ = ["build_document", "inputs_digest"]

_SHORT = 12
_AXIS = {"axial": "z", "coronal": "y", "sagittal": "x"}
_ENDING = ".png"
Pairs = list[dict[str, str]]


def build_document(content: ReportContent, figures: Figures) -> dict[str, Any]:
    """Return the report as JSON-serialisable data; pictures are named by their file names.

    Parameters
    ----------
    content : ReportContent
    figures : Figures
        As `draw_figures` draws them.
    """
    say = load_phrases(content.language)
    return {
        "language": content.language,
        "created": content.created,
        "title": say("title"),
        "subtitle": _subtitle(content, say),
        "research": {"short": say.pick(RESEARCH_ONLY), "long": say("research_long")} if content.research else None,
        "draft": say("draft"),
        "facts": list(_facts(content, say)),
        "statement": _statement(content, say),
        "findings": findings(content, say),
        "planes": [_plane(figures.named(name), content, say) for name in _AXIS],
        "surface": _surface(figures.named("surface"), content, say),
        "close_ups": list(_close_ups(content, figures, say)),
        "montage": _montage(figures.named("montage"), say),
        "window": _window(content, figures, say),
        "reasons": [say.pick(text) for text in content.reasons],
        "notes": list(_notes(content, say)),
        "details": details(content, say),
        "method": method_rows(content, say),
        "source": _source(content, say),
        "model": _model(content, say),
        "limits": say.pick(content.task.card.limits) if content.task else "",
        "provenance": list(_provenance(content, say)),
        "footer": _footer(content, say),
        "words": {key.partition(".")[2]: say(key) for key in say.keys("section")}
        | {f"column_{key.partition('.')[2]}": say(key) for key in say.keys("column")},
    }


def inputs_digest(content: ReportContent) -> str:
    """Return the hex SHA-256 over the digests of all images that were read, in their order."""
    digests = [one.image_digest for one in (content.series, *content.inputs)]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _pair(name: str, value: object) -> dict[str, str]:
    return {"name": name, "value": str(value)}


def _subtitle(content: ReportContent, say: Phrases) -> str:
    if content.task is not None:
        return say("task_line", task=content.task.title(say.language))
    return say("no_task_line") if content.labels is not None else say("not_segmented")


def _facts(content: ReportContent, say: Phrases) -> Iterator[dict[str, str]]:
    image, unknown = content.image, say("unknown")
    i, j, k = image.geometry.size_ijk
    spacing = " × ".join(f"{mm:.2f}" for mm in image.geometry.spacing)
    thickness = image.meta.get("slice_thickness_mm")
    yield _pair(say("fact.patient"), content.study.patient or unknown)
    yield _pair(say("fact.study_date"), _day(content.study.date) or unknown)
    yield _pair(say("fact.study"), content.study.id)
    yield _pair(
        say("fact.modality"), " · ".join(filter(None, (content.series.modality, content.series.body_part))) or unknown
    )
    yield _pair(say("fact.series"), content.series.description or content.series.id)
    yield _pair(say("fact.grid"), f"{i} × {j} × {k}")
    yield _pair(say("fact.voxel"), f"{spacing} mm")
    yield _pair(say("fact.slice_thickness"), f"{float(thickness):.2f} mm" if thickness else unknown)
    yield from _version_facts(content, say)
    yield _pair(say("fact.created"), _moment(content.created))


def _version_facts(content: ReportContent, say: Phrases) -> Iterator[dict[str, str]]:
    version = content.version
    if version is None:
        if content.labels is not None:
            yield _pair(say("fact.version"), say("no_version"))
        return
    yield _pair(say("fact.version"), say("version_value", number=version.number, id=version.id))
    yield _pair(say("fact.origin"), say.word("origin", version.origin))
    yield _pair(say("fact.author"), version.author)
    yield _pair(say("fact.state"), say.word("state", version.state))
    yield _pair(say("fact.version_date"), _moment(version.created))


def _day(date: str) -> str:
    """Return a DICOM date (`20251121`) as ISO 8601; other forms stay."""
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if len(date) == 8 and date.isdigit() else date


def _moment(iso: str) -> str:
    return iso[:16].replace("T", " ")


def _statement(content: ReportContent, say: Phrases) -> dict[str, str] | None:
    """Return what must be said before all else where there is nothing to show."""
    if content.labels is None:
        return {"title": say("not_segmented"), "text": say("not_segmented_long")}
    return {"title": say("not_detected"), "text": ""} if content.empty else None


def _plane(picture: Picture | None, content: ReportContent, say: Phrases) -> dict[str, str] | None:
    if picture is None:
        return None
    facts = picture.facts
    name = say.word("plane", facts["plane"])
    caption = say(
        "caption.plane",
        plane=name,
        slice=facts["slice"],
        slices=facts["slices"],
        axis=_AXIS[facts["plane"]],
        position=format_number(facts["position_mm"], 1),
    )
    return _other(picture, caption, say("alt.plane_plain" if content.labels is None else "alt.plane", plane=name))


def _surface(picture: Picture | None, content: ReportContent, say: Phrases) -> dict[str, str] | None:
    caption = "caption.surface" if content.oriented else "caption.surface_unoriented"
    return _other(picture, say(caption), say("alt.surface"))


def _other(picture: Picture | None, caption: str, alt: str) -> dict[str, str] | None:
    return None if picture is None else {"file": picture.name + _ENDING, "caption": caption, "alt": alt}


def _close_ups(content: ReportContent, figures: Figures, say: Phrases) -> Iterator[dict[str, str] | None]:
    if content.labels is None or content.measurements is None:
        return
    tables = {label["name"]: label for label in content.measurements["labels"]}
    for picture in figures.pictures:
        if not picture.name.startswith("part-"):
            continue
        facts = picture.facts
        label = content.labels.schema.by_name(facts["label"])
        part = tables[facts["label"]]["components"][facts["component"] - 1]
        values = {m["code"]: show(m, label) for m in part["measurements"]}
        axes = f"{values['long_axis_axial'].number} × {values['short_axis_axial']}"
        words = {"label": label.display_name(say.language), "number": facts["component"]}
        caption = say("caption.part", **words, axes=axes, slice=facts["slice"], slices=facts["slices"])
        yield _other(picture, caption, say("alt.part", **words))


def _montage(picture: Picture | None, say: Phrases) -> dict[str, str] | None:
    caption = say("caption.montage", count=picture.facts["count"]) if picture else ""
    return _other(picture, caption, say("alt.montage"))


def _window(content: ReportContent, figures: Figures, say: Phrases) -> str:
    if "image-missing" in content.image.meta.get("warnings", ()):
        return ""
    window = figures.window
    width, level = (format_number(value, 0 if window.width >= 20 else 3) for value in (window.width, window.level))
    unit = " HU" if content.image.modality == "CT" else ""
    return say("window", name=say.word("window", window.name), width=width, level=level, unit=unit)


def _notes(content: ReportContent, say: Phrases) -> Iterator[str]:
    codes = [*content.image.meta.get("warnings", ()), *(content.measurements or {}).get("warnings", ())]
    for code in dict.fromkeys(codes):
        yield say.word("warning", str(code))
    if not content.oriented:
        yield say("unoriented")
    for text in content.warnings:
        yield say.pick(text)


def _source(content: ReportContent, say: Phrases) -> str:
    if content.labels is None:
        return ""
    return say("source_line", version=content.version.id) if content.version else say("source_file")


def _model(content: ReportContent, say: Phrases) -> Pairs:
    task = content.task
    if task is None:
        return [_pair(say("model.task"), say("model.none"))] if content.labels is not None else []
    card = task.card
    rows = [
        _pair(say("model.made"), "" if content.version else say("model.made_unknown")),
        _pair(say("model.version"), f"{task.title(say.language)} · {task.origin}"),
        _pair(say("model.status"), say.word("status", task.status)),
        _pair(say("model.inputs"), _series_read(content)),
        _pair(say("model.licence"), task.weights.licence),
        _pair(say("model.source"), task.weights.source),
        _pair(say("model.sha256"), task.weights.sha256),
        _pair(say("model.summary"), say.pick(card.summary)),
        _pair(say("model.trained_on"), say.pick(card.trained_on)),
        _pair(say("model.evaluated_on"), say.pick(card.evaluated_on)),
        *_scores(task, say),
    ]
    return [row for row in rows if row["value"]]


def _series_read(content: ReportContent) -> str:
    series = (content.series, *content.inputs)
    return "; ".join(" · ".join(filter(None, (one.modality, one.description, one.id))) for one in series)


def _scores(task: Task, say: Phrases) -> Iterator[dict[str, str]]:
    """Yield one row for each group of the card's scores; what has no words is printed as the card has it."""
    names = {label.name: label.display_name(say.language) for label in load_schema(task.schema_id).labels}
    groups: list[tuple[str, Mapping[str, Any]]] = [("", task.card.scores)]
    while groups:
        group, values = groups.pop(0)
        # The score of a label is its Dice: a group that is not called so says it with each.
        numbers = {key: value for key, value in values.items() if not isinstance(value, Mapping)}
        said = [
            f"{_score_name(key, names, say, dice='dice' not in group.lower())} {say.word('score', str(value))}"
            for key, value in numbers.items()
        ]
        if said:
            yield _pair(group or say("model.scores"), " · ".join(said))
        inner = {key: value for key, value in values.items() if isinstance(value, Mapping)}
        start = f"{group} · " if group else ""
        groups = [(start + _score_name(key, names, say), value) for key, value in inner.items()] + groups


def _score_name(key: str, labels: Mapping[str, str], say: Phrases, *, dice: bool = False) -> str:
    if key in labels:
        return say("score_dice", label=labels[key]) if dice else labels[key]
    kind, _, case = key.partition(": ")
    return say("score_case", case=case) if kind == "real" and case else say.word("score", key)


def _provenance(content: ReportContent, say: Phrases) -> Iterator[dict[str, str]]:
    if content.version is not None:
        yield _pair(say("provenance.version"), content.version.id)
        if content.version.parents:
            yield _pair(say("provenance.parents"), ", ".join(content.version.parents))
    if content.labels is not None:
        yield _pair(say("provenance.schema"), f"{content.labels.schema.id} · {content.labels.schema.version}")
        yield _pair(say("provenance.label"), content.labels.digest)
    yield _pair(say("provenance.image"), content.series.image_digest)
    yield _pair(say("provenance.inputs"), inputs_digest(content))


def _footer(content: ReportContent, say: Phrases) -> dict[str, Any]:
    parts = [
        (say("footer.version"), content.version.id if content.version else say("none")),
        (say("footer.inputs"), inputs_digest(content)[:_SHORT]),
        *_weights(content.task, say),
    ]
    return {"parts": [f"{name} {value}" for name, value in parts], "page": say("footer.page")}


def _weights(task: Task | None, say: Phrases) -> list[tuple[str, str]]:
    digest = task.weights.sha256[:_SHORT] if task else ""
    licence = task.weights.licence if task else ""
    return [(say("footer.weights"), digest or say("none")), (say("footer.licence"), licence or say("none"))]
