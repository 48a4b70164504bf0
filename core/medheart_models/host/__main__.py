"""Run the model host: `python -m medheart_models.host`."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading

from medheart.errors import MedHeartError
from medheart.home import write_privately
from medheart.settings import Settings
from medheart_models.host.server import Limits, serve
from medheart_models.tasks import load_task, task_ids

_MIB = 1 << 20


def main() -> int:
    """Serve until a signal; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m medheart_models.host", description="Serve the loaded networks.")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], help="where networks run")
    parser.add_argument("--queue", type=int, default=Limits.queue, help="requests that may wait")
    parser.add_argument("--images-mib", type=int, default=Limits.images // _MIB, help="memory for images")
    parser.add_argument("--prepared-mib", type=int, default=Limits.prepared // _MIB, help="memory for prepared images")
    parser.add_argument("--until-input-ends", action="store_true", help="end when standard input does")
    options = parser.parse_args()
    if options.until_input_ends:
        threading.Thread(target=_end_with_input, name="input", daemon=True).start()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    limits = Limits(options.queue, options.images_mib * _MIB, options.prepared_mib * _MIB)
    try:
        settings = Settings.load(device=options.device)
        write_privately(settings)
        serve(settings, load_task=load_task, task_ids=task_ids(), limits=limits)
    except MedHeartError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    return 0


def _end_with_input() -> None:
    """Ask this process to end once whoever holds the other end of its input has ended."""
    while os.read(sys.stdin.fileno(), 1 << 10):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
