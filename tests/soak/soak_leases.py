"""Several processes lease cases and move heads: `soak_leases.py SEED SECONDS FOLDER`.

Each worker asks for a case, writes down that it holds it, follows its head, and gives it back; some are killed
while they hold one. One more ignores leases and races for the head; all of them send some submits that must be
kept once. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from store_world import IMAGES, faults, labels_of, make_store

from medheart.errors import Conflict
from medheart.records import LabelVersion
from medheart_store import Store

LEASED, SHARED = IMAGES[:2], IMAGES[2]
WORKERS = 4
LEASE_S = 3.0
WANTED = {"lease", "version"}
KEPT = 5


class Worker:
    """One process. Its notes are lines of a file that only it writes."""

    def __init__(self, store: Store, folder: Path, name: str, seed: int) -> None:
        self.store, self.folder, self.name = store, folder, name
        self.dice = np.random.default_rng(seed)
        self.notes = os.open(folder / f"{name}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(self, **facts: Any) -> None:
        """Write one line."""
        os.write(self.notes, json.dumps(facts).encode() + b"\n")

    def held_until(self, image: str) -> tuple[float, str]:
        """Return until when, and by whom, a case is held, as its holder wrote."""
        try:
            until, name = (self.folder / f"{image}.held").read_text().split()
        except FileNotFoundError:
            return 0.0, ""
        return float(until), name

    def hold(self, image: str, since: float) -> None:
        """Write down that the case is ours for the time of a lease that was asked for at `since`."""
        temporary = self.folder / f"{self.name}.tmp"
        temporary.write_text(f"{since + LEASE_S} {self.name}")
        temporary.replace(self.folder / f"{image}.held")

    def lease(self) -> None:
        """Take a case, work on it, give it back."""
        asked = time.time()
        order = [str(image) for image in self.dice.permutation(LEASED)]
        image = self.store.lease_case(order, self.name, seconds=LEASE_S)
        if image is None:
            self.note(kind="none free")
            return
        until, other = self.held_until(image)
        if until > time.time() and other != self.name:
            self.note(kind="problem", text=f"{image} was given to {self.name} while {other} held it")
        self.hold(image, asked)
        self.follow(image)
        if self.dice.random() < 0.3:
            asked = time.time()
            self.renew(image, asked)
        if self.held_until(image)[1] == self.name:
            (self.folder / f"{image}.held").unlink(missing_ok=True)
        self.store.release(image, self.name)
        self.note(kind="lease")

    def renew(self, image: str, asked: float) -> None:
        """Hold on to a case; one whose lease ran out may have gone to somebody else."""
        try:
            self.store.renew(image, self.name, seconds=LEASE_S)
        except Conflict:
            self.note(kind="ran out")
        else:
            self.hold(image, asked)

    def follow(self, image: str) -> None:
        """Submit a version that starts from the head."""
        head, seed = self.store.head(image), int(self.dice.integers(2**31))
        try:
            version = self.store.add_version(
                labels_of(seed),
                image=image,
                author=self.name,
                origin="edited",
                base=head.id if head else None,
                expect_head=True,
                meta={"seed": seed},
            )
        except Conflict:
            self.note(kind="conflict")
            return
        self.note(kind="version", image=image, id=version.id, version=version.to_dict())

    def same(self) -> None:
        """Submit what others submit at this moment, too."""
        number = int(time.time() * 4)
        version: LabelVersion = self.store.add_version(
            labels_of(number),
            image=SHARED,
            author=self.name,
            origin="manual",
            meta={"seed": number},
            key=f"same-{number}",
        )
        self.note(kind="same", number=number, id=version.id)


def work(folder: Path, name: str, seed: int) -> None:
    """Work until killed."""
    with Store.open(folder / "store") as store:
        worker = Worker(store, folder, name, seed)
        while True:
            if worker.dice.random() < 0.2:
                worker.same()
            elif name.startswith("rude"):
                worker.follow(str(worker.dice.choice(LEASED)))
            else:
                worker.lease()


def fork(folder: Path, name: str, seed: int) -> int:
    """Start a worker and return its process id."""
    child = os.fork()
    if child:
        return child
    try:
        work(folder, name, seed)
    except BaseException as error:
        (folder / f"error-{name}.txt").write_text(f"{type(error).__name__}: {error}")
    finally:
        os._exit(1)


def run(folder: Path, seconds: float, dice: np.random.Generator) -> int:
    """Keep the workers going, kill one now and then; return how many were killed.

    Ends once the time is over and each of `WANTED` has happened.
    """
    names = [*(f"worker{n}" for n in range(WORKERS)), "rude"]
    children = {name: fork(folder, name, int(dice.integers(2**31))) for name in names}
    until, killed = time.monotonic() + seconds, 0
    while not list(folder.glob("error-*.txt")) and (time.monotonic() < until or not kinds(folder) >= WANTED):
        time.sleep(dice.uniform(0.3, 1.5))
        name = str(dice.choice(names))
        _kill(children[name])
        killed += 1
        children[name] = fork(folder, name, int(dice.integers(2**31)))
    for child in children.values():
        _kill(child)
    return killed


def kinds(folder: Path) -> set[str]:
    """Return what the workers have noted so far."""
    lines = (line for path in folder.glob("*.jsonl") for line in path.read_text().splitlines(keepends=True))
    return {json.loads(line)["kind"] for line in lines if line.endswith("\n")}


def _kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def lost_updates(folder: Path, given: list[dict[str, Any]]) -> list[str]:
    """Return which acknowledged submits the head does not come from, and which two follow one version."""
    found, followers = [], defaultdict(list)
    with Store.open(folder / "store") as store:
        lines = {}
        for image in LEASED:
            head = store.head(image)
            lines[image] = {version.id for version in store.lineage(head.id)} if head else set()
    for one in given:
        if one["id"] not in lines[one["image"]]:
            found.append(f"{one['id']} was acknowledged, the head of {one['image']} does not come from it")
        followers[one["image"], *one["version"]["parents"]].append(one["id"])
    return found + [f"{ids} both follow {base}" for base, ids in followers.items() if len(ids) > 1]


def main() -> None:
    """Run the workers, then look at what they left."""
    seed, seconds, folder = int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
    make_store(folder / "store")
    killed = run(folder, seconds, np.random.default_rng(seed))
    notes = [json.loads(line) for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]
    problems = [path.read_text() for path in folder.glob("error-*.txt")]
    problems += [note["text"] for note in notes if note["kind"] == "problem"]
    given = [note for note in notes if note["kind"] == "version"]
    problems += lost_updates(folder, given)
    same = defaultdict(set)
    for note in notes:
        if note["kind"] == "same":
            same[note["number"]].add(note["id"])
    problems += [f"key same-{number} was kept as {ids}" for number, ids in same.items() if len(ids) > 1]
    problems += faults(folder / "store", {note["id"]: note["version"] for note in given})
    counts = {"killed": killed, "outcomes": dict(Counter(note["kind"] for note in notes)), "keys": len(same)}
    print(json.dumps({**counts, "problems": problems[:KEPT]}))  # noqa: T201


if __name__ == "__main__":
    main()
