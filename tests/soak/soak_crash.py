"""Kill writers of label versions at any moment: `soak_crash.py SEED SECONDS FOLDER`.

One or two writers work on a store and put every version that they were given back into a file; sooner or later
they die by `kill -9`, at a random moment or at a named point. After each death the records are looked at, after
some everything is read back, and after some what nothing names is cleared away. Prints one JSON object.

Writers are forked; the parent has no database open while it forks.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from store_world import GRID, IMAGES, SHAPE, document_of, faults, labels_of, make_store

from medheart.errors import Conflict
from medheart.records import LabelVersion, Series
from medheart.volume import Volume
from medheart_store import Store

POINTS = ("after_blob", "after_manifest", "before_commit", "after_commit")
LARGEST = 400
DEEP_EVERY, CLEAR_EVERY = 15, 40
FEWEST_KILLS = 5
KEPT = 5


class Writer:
    """A process that does one thing after another to a store until it is killed."""

    def __init__(self, store: Store, acknowledge: Any, dice: np.random.Generator) -> None:
        self.store, self.acknowledge, self.dice = store, acknowledge, dice

    def seed(self) -> int:
        """Return a new seed."""
        return int(self.dice.integers(2**31))

    def step(self) -> None:
        """Do something."""
        image = str(self.dice.choice(IMAGES))
        ways = [self.edit, self.edit, self.edit, self.branch, self.merge, self.draft, self.restore, self.report]
        way = [*ways, self.image][self.dice.integers(len(ways) + 1)]
        try:
            way(image)
        except Conflict:
            return  # the other writer was faster

    def add(self, image: str, **options: Any) -> LabelVersion:
        """Add a version and acknowledge it."""
        seed = self.seed()
        values = {"author": "ann", "origin": "edited", "meta": {"seed": seed}, "key": f"key-{seed}", **options}
        version = self.store.add_version(labels_of(seed), image=image, **values)
        self.acknowledge(version)
        return version

    def edit(self, image: str) -> None:
        """Follow the head."""
        head = self.store.head(image)
        self.add(image, base=head.id if head else None, expect_head=True)

    def branch(self, image: str) -> None:
        """Start from any version."""
        versions = self.store.versions(image)
        self.add(image, base=self.dice.choice(versions).id if versions else None)

    def merge(self, image: str) -> None:
        """Join the head and another version."""
        head, versions = self.store.head(image), self.store.versions(image)
        others = [version.id for version in versions if head and version.id != head.id]
        if head and others:
            self.add(image, parents=(head.id, str(self.dice.choice(others))), expect_head=True)

    def draft(self, image: str) -> None:
        """Save a draft, then submit it."""
        draft = self.add(image, state="draft")
        self.store.add_event(draft.id, "note", "saved", "ann")
        self.store.add_event(draft.id, "state", "submitted", "ann")

    def restore(self, image: str) -> None:
        """Make an old version the head again."""
        versions = [version for version in self.store.versions(image) if version.state != "draft"]
        if versions:
            back = self.store.restore(self.dice.choice(versions).id, author="ann")
            self.acknowledge(back)
            self.store.add_event(back.id, "state", "submitted", "ann")

    def report(self, image: str) -> None:
        """Keep a document."""
        head, seed = self.store.head(image), self.seed()
        if head:
            self.store.add_document(head.id, "report", "application/pdf", document_of(seed), {"seed": seed})

    def image(self, _image: str) -> None:
        """Add an image."""
        seed = self.seed()
        voxels = np.random.default_rng(seed).integers(0, 900, SHAPE).astype(np.int16)
        series = Series(f"other-{seed}", "study-1", "MR", "HEAD", "", "", {})
        self.store.add_series(series, Volume(voxels, GRID, "MR"))


def write_until_killed(folder: Path, seed: int, point: str) -> None:
    """Work; die at `point` of one of the next versions, where one is named."""
    dice = np.random.default_rng(seed)
    log = os.open(folder / "acknowledged.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def acknowledge(version: LabelVersion) -> None:
        os.write(log, json.dumps(version.to_dict()).encode() + b"\n")

    with Store.open(folder / "store") as store:
        writer, steps = Writer(store, acknowledge, dice), 0
        dies_at = int(dice.integers(1, 8))
        while True:
            if point and steps == dies_at:
                os.environ["MEDHEART_CRASH_AT"] = point
            writer.step()
            steps += 1


def fork(folder: Path, seed: int, point: str) -> int:
    """Start a writer and return its process id."""
    child = os.fork()
    if child:
        return child
    try:
        write_until_killed(folder, seed, point)
    except BaseException as error:
        (folder / f"error-{os.getpid()}.txt").write_text(f"{type(error).__name__}: {error}")
    finally:
        os._exit(1)


def kill_once(folder: Path, dice: np.random.Generator) -> str:
    """Let writers die; return what became of them."""
    number = int(dice.choice([1, 1, 2]))
    point = str(dice.choice(POINTS)) if dice.random() < 0.3 else ""
    children = [fork(folder, int(dice.integers(2**31)), point) for _ in range(number)]
    until = time.monotonic() + (20 if point else dice.uniform(0.02, 1.0))
    waiting = set(children)
    while waiting and time.monotonic() < until:
        for child in list(waiting):
            if os.waitpid(child, os.WNOHANG)[0]:
                waiting.remove(child)
        time.sleep(0.005)
    for child in waiting:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return point or "any moment"


def acknowledged(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what the writers were given, by id."""
    path = folder / "acknowledged.jsonl"
    said = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {one["id"]: one for one in said}


def clear(folder: Path) -> list[str]:
    """Clear away what nothing names; return what of a crash is still there."""
    with Store.open(folder / "store") as store:
        store.collect_garbage(older_than_s=-1)
    left = [path.name for path in (folder / "store" / "objects").rglob(".*")]
    with sqlite3.connect(folder / "store" / "store.sqlite") as database:
        word = database.execute("PRAGMA integrity_check").fetchone()[0]
    return [f"left behind: {name}" for name in left] + ([] if word == "ok" else [f"the database says {word}"])


def main() -> None:
    """Kill until the time is over, there were a few kills and something was acknowledged."""
    seed, seconds, home = int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
    dice, until = np.random.default_rng(seed), time.monotonic() + seconds
    kills: Counter[str] = Counter()
    problems: list[str] = []
    stores = versions = given = 0
    folder = home
    while not problems and (time.monotonic() < until or sum(kills.values()) < FEWEST_KILLS or not versions + given):
        if not stores or given > LARGEST:
            stores, versions = stores + 1, versions + given
            folder = home / f"{stores}"
            folder.mkdir()
            make_store(folder / "store")
        kills[kill_once(folder, dice)] += 1
        total, known = sum(kills.values()), acknowledged(folder)
        given = len(known)
        problems += [path.read_text() for path in folder.glob("error-*.txt")]
        problems += faults(folder / "store", known, deep=total % DEEP_EVERY == 0 or given > LARGEST)
        if total % CLEAR_EVERY == 0 or given > LARGEST:
            problems += clear(folder) + faults(folder / "store", known)
    problems += clear(folder) + faults(folder / "store", acknowledged(folder))
    counts = {"kills": dict(kills), "killed": sum(kills.values()), "stores": stores, "acknowledged": versions + given}
    print(json.dumps({**counts, "problems": problems[:KEPT]}))  # noqa: T201


if __name__ == "__main__":
    main()
