"""Feed damaged real files and bombs to every reader for a while: `soak_readers.py SEED SECONDS FOLDER FILE…`.

Ends once the time is over and a few dozen cases were tried, so that a busy machine does not test less than that.
Runs under a memory limit; a case that takes more than a minute of processor time, even inside a library, ends the
process with a traceback. The case at hand lies in FOLDER, so that it is still there after a crash. Prints one JSON
object: counts by outcome, slowest seconds of processor time, largest memory in MiB, exceptions that are none of ours.
"""

from __future__ import annotations

import faulthandler
import importlib.util
import json
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import bombs
import mutations

HERE = Path(__file__).resolve().parent
LIMIT_S = 60.0
KEPT = 5
FEWEST_CASES = 40
SLICES = 6


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fuzz = _module(HERE.parent / "medheart_io" / "fuzz_readers.py")


def damaged(files: list[Path], dice: random.Random) -> Iterator[tuple[str, bytes, Path]]:
    """Yield without end: name, damaged bytes, and the file that they come from."""
    while True:
        for source in dice.sample(files, len(files)):
            ways = mutations.mutations_for(source.name, fuzz.mutate)
            yield source.name, dice.choice(ways)(source.read_bytes(), dice), source


def beside(source: Path) -> list[Path]:
    """Return the undamaged files that a file needs or belongs to: the voxels of `.mhd`, slices of its series."""
    if source.suffix == ".mhd":
        return [source.with_suffix(".raw")]
    if source.suffix == ".dcm":
        return [path for path in sorted(source.parent.glob("*.dcm"))[:SLICES] if path != source]
    return []


class Log:
    """What happened so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cases = 0
        self.slowest = (0.0, "")
        self.outcomes: Counter[str] = Counter()
        self.formats: Counter[str] = Counter()
        self.problems: list[str] = []

    def try_case(self, name: str, data: bytes, source: Path | None = None) -> None:
        """Read one file in every way; keep it if anything but an error of ours comes out."""
        folder = self.folder / "case"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        path = folder / name
        path.write_bytes(data)
        for other in beside(source) if source is not None else []:
            shutil.copyfile(other, folder / other.name)
        began = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
        try:
            self.outcomes += fuzz.everything(path)
        except Exception:
            self.problems.append(f"{name} (case {self.cases}): {traceback.format_exc()[-3000:]}")
            if len(self.problems) <= KEPT:
                shutil.copytree(folder, self.folder / f"problem-{len(self.problems)}")
        signal.setitimer(signal.ITIMER_PROF, 0)
        self.cases += 1
        self.formats[path.suffix] += 1
        self.slowest = max(self.slowest, (time.process_time() - began, f"{name} (case {self.cases - 1})"))

    def result(self) -> dict[str, object]:
        """Return the counts."""
        return {
            "cases": self.cases,
            "formats": dict(self.formats.most_common()),
            "outcomes": dict(self.outcomes.most_common()),
            "slowest_s": round(self.slowest[0], 2),
            "slowest": self.slowest[1],
            "peak_mib": peak_mib(),
            "problems": self.problems[:KEPT],
        }


def peak_mib() -> int:
    """Return the most memory this program had; `ru_maxrss` would count that of whoever started it, too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def main() -> None:
    """Try the bombs, or damaged files until the time is over and a few dozen were tried."""
    seed, seconds, folder = int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
    log, until = Log(folder), time.monotonic() + seconds
    names = [Path(name) for name in sys.argv[4:]]
    if names:
        for name, data, source in damaged(names, random.Random(seed)):
            log.try_case(name, data, source)
            if time.monotonic() > until and log.cases >= FEWEST_CASES:
                break
    else:
        for name, data in bombs.bombs():
            log.try_case(name, data)
    print(json.dumps(log.result()))  # noqa: T201


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (fuzz.LIMIT, fuzz.LIMIT))
    faulthandler.register(signal.SIGPROF, chain=True)  # then the signal's own action: the process ends
    main()
