"""Which case next: rankings with a reason, seeded where chance is involved.

A strategy orders the open cases; `k` lets chance choose among the first k of that order. Randomness is
drawn from a seed that comes back in the answer, so that every choice can be repeated.
"""

from __future__ import annotations

import math
import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medheart.errors import MedHeartError, NotFound
from medheart_labeling.texts import texts

__all__ = ["STRATEGIES", "Candidate", "rank"]


@dataclass(frozen=True)
class Candidate:
    """An open case: image id, why it stands where it stands (by language), and its score where it has one."""

    image: str
    reason: dict[str, str]
    score: float | None = None


def rank(
    strategy: str,
    images: Sequence[str],
    *,
    info: Callable[[str], Mapping[str, Any]],
    k: int = 1,
    seed: int | None = None,
) -> list[Candidate]:
    """Order the open cases, the most wanted first.

    Parameters
    ----------
    strategy : str
        `first`, `last`, `random` or `epistemic`.
    images : sequence of str
        Open cases, oldest first.
    info : callable
        Image id to what is noted on it; `epistemic` reads `epistemic_entropy`, and what is no finite number
        there counts as 0.
    k : int
        The first k of the order are shuffled.
    seed : int, optional
        Of what is random; drawn anew where None.

    Raises
    ------
    NotFound
        If there is no such strategy.
    MedHeartError
        If `k` is not a whole number above 0.
    """
    if strategy not in STRATEGIES:
        raise NotFound(f"there is no strategy {strategy!r}; there are {sorted(STRATEGIES)}")
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        raise MedHeartError(f"k must be a whole number above 0, got {k!r}", code="bad_request")
    seed = secrets.randbelow(2**31) if seed is None else int(seed)
    generator = random.Random(seed)  # noqa: S311  chooses cases, guards nothing
    ordered = STRATEGIES[strategy](list(images), info, generator, seed)
    if k == 1:
        return ordered
    drawn = [_drawn(candidate, min(k, len(ordered)), seed) for candidate in ordered[:k]]
    generator.shuffle(drawn)
    return drawn + ordered[k:]


def _first(images: list[str], *_: Any) -> list[Candidate]:
    return [
        Candidate(image, texts("reason.first", rank=n, total=len(images))) for n, image in enumerate(images, start=1)
    ]


def _last(images: list[str], *_: Any) -> list[Candidate]:
    newest = images[::-1]
    return [
        Candidate(image, texts("reason.last", rank=n, total=len(images))) for n, image in enumerate(newest, start=1)
    ]


def _random(images: list[str], _: Any, generator: random.Random, seed: int) -> list[Candidate]:
    generator.shuffle(images)
    return [Candidate(image, texts("reason.random", total=len(images), seed=seed)) for image in images]


def _epistemic(images: list[str], info: Callable[[str], Mapping[str, Any]], *_: Any) -> list[Candidate]:
    scores = {image: _finite(info(image).get("epistemic_entropy")) for image in images}
    ordered = sorted(images, key=lambda image: -scores[image])
    return [
        Candidate(
            image,
            texts("reason.epistemic", score=round(scores[image], 4), rank=n, total=len(images)),
            scores[image],
        )
        for n, image in enumerate(ordered, start=1)
    ]


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return 0.0
    return float(value)


def _drawn(candidate: Candidate, k: int, seed: int) -> Candidate:
    extra = texts("reason.drawn", k=k, seed=seed)
    reason = {language: text + extra[language] for language, text in candidate.reason.items()}
    return Candidate(candidate.image, reason, candidate.score)


STRATEGIES: dict[str, Callable[..., list[Candidate]]] = {
    "random": _random,
    "first": _first,
    "last": _last,
    "epistemic": _epistemic,
}
