"""Feed mutated real files to every reader, under a memory limit: `python fuzz_readers.py SEED COUNT FILE…`.

Prints one JSON object: cases, accepted, slowest seconds of processor time, exceptions that are none of ours.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from medheart.errors import GeometryError, ImageRejected, MedHeartError, SchemaError
from medheart.schema import load_schema
from medheart_io import load, read_image, read_labels, scan

LIMIT = 3 * 2**30
_EXTREMES = [b"\0\0", b"\xff\xff", b"\x7f\x80\0\0", b"\0\0\xc0\x7f", b"\xff\xff\xff\xff", b"nan ", b"-1  ", b"1e99"]
_SCHEMA = load_schema("hippocampus")


def _flip(data: bytearray, dice: random.Random, reach: int) -> None:
    for _ in range(dice.choice([1, 1, 1, 2, 5, 12])):
        data[dice.randrange(reach)] = dice.randrange(256)


def _extreme(data: bytearray, dice: random.Random, reach: int) -> None:
    for _ in range(dice.choice([1, 1, 2, 4])):
        at, word = dice.randrange(reach), dice.choice(_EXTREMES)
        data[at : at + len(word)] = word


def _cut(data: bytearray, dice: random.Random, reach: int) -> None:
    del data[dice.randrange(1, len(data)) if dice.random() < 0.5 else reach :]


def _repeat(data: bytearray, dice: random.Random, reach: int) -> None:
    start = dice.randrange(reach)
    data[start:start] = data[start : start + dice.randint(1, 512)]


def _drop(data: bytearray, dice: random.Random, reach: int) -> None:
    start = dice.randrange(reach)
    del data[start : start + dice.randint(1, 64)]


MUTATIONS: list[Callable[[bytearray, random.Random, int], None]] = [_flip, _extreme, _cut, _repeat, _drop]


def mutate(data: bytes, dice: random.Random) -> bytes:
    """Return a damaged copy; three times of four the damage is in the first 3000 bytes."""
    changed = bytearray(data)
    for _ in range(dice.choice([1, 1, 1, 3])):
        reach = max(2, min(len(changed), 3000 if dice.random() < 0.75 else len(changed)))
        if len(changed) > 2:
            dice.choice(MUTATIONS)(changed, dice, reach)
    return bytes(changed)


class TookMemory(Exception):
    """A reader asked for memory that there was not before it refused a file: the header was believed."""


def memory_ran_out(error: BaseException | None) -> bool:
    """Return whether an error was raised because memory ran out."""
    while error is not None and not isinstance(error, MemoryError):
        error = error.__cause__ or error.__context__
    return error is not None


def everything(path: Path) -> Counter[str]:
    """Scan, load and read a file in every way; return how often it was accepted, and how often refused as what.

    Of an image nothing but `ImageRejected` may come out; labels may break their schema or its grid, too. A refusal
    that running out of memory caused is none: `TookMemory`.
    """
    outcomes: Counter[str] = Counter()

    def attempt(read: Callable[[], object], *refusals: type[MedHeartError]) -> None:
        try:
            read()
            outcomes["accepted"] += 1
        except (ImageRejected, *refusals) as error:
            if memory_ran_out(error):
                raise TookMemory(error.message) from error
            outcomes[error.code] += 1

    for candidate in scan([path.parent]):
        candidate.to_dict()
        choices = [*candidate.choices, "frame-0", "skip-damaged", "resample-tilt", "resample-even"]
        attempt(lambda candidate=candidate, choices=choices: load(candidate, choices))  # type: ignore[misc]
    attempt(lambda: read_image(path))
    attempt(lambda: read_labels(path, _SCHEMA), SchemaError, GeometryError)
    return outcomes


def run(seed: int, count: int, files: list[Path]) -> dict[str, object]:
    """Try `count` mutations of each file."""
    dice, problems, accepted, slowest = random.Random(seed), [], 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for source in files:
            data = source.read_bytes()
            for number in range(count):
                path = Path(folder) / f"case{number}" / source.name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(mutate(data, dice))
                began = time.process_time()
                try:
                    accepted += everything(path)["accepted"] > 0
                except Exception:
                    problems.append(f"{source.name} {number}: {traceback.format_exc()[-3000:]}")
                slowest = max(slowest, time.process_time() - began)
                path.unlink()
                path.parent.rmdir()
    return {"cases": count * len(files), "accepted": accepted, "slowest_s": slowest, "problems": problems[:5]}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    print(json.dumps(run(int(sys.argv[1]), int(sys.argv[2]), [Path(name) for name in sys.argv[3:]])))  # noqa: T201
