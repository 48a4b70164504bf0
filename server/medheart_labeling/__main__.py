"""Run the label server: `python -m medheart_labeling`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from medheart.errors import MedHeartError
from medheart.home import write_privately
from medheart.settings import Settings
from medheart_labeling.server import ServeOptions, serve


def main() -> int:
    """Serve until a signal; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m medheart_labeling", description="The label server of MedHeart.")
    parser.add_argument("--host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port (8000)")
    parser.add_argument("--studies", type=Path, help="folder of images to import at the start", metavar="FOLDER")
    parser.add_argument("--tls-cert", type=Path, help="certificate chain, PEM")
    parser.add_argument("--tls-key", type=Path, help="its key, PEM")
    parser.add_argument("--behind-proxy", action="store_true", help="a proxy with TLS stands before it")
    parser.add_argument("--no-model-host", action="store_true", help="do not start a model host")
    parser.add_argument(
        "--monai-label",
        choices=["start", "demand"],
        default="start",
        help="load MONAI Label right after the start, or once it is asked for",
    )
    given = parser.parse_args()
    options = ServeOptions(
        tls_cert=given.tls_cert,
        tls_key=given.tls_key,
        behind_proxy=given.behind_proxy,
        model_host=not given.no_model_host,
        monai_label=given.monai_label,
        studies=given.studies,
    )
    try:
        settings = Settings.load(host=given.host, label_port=given.port)
        write_privately(settings)
        serve(settings, options)
    except MedHeartError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
