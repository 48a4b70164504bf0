"""`python -m medheart_access`: make, list and revoke keys."""

from __future__ import annotations

import argparse
import sys

from medheart.errors import MedHeartError
from medheart.settings import Settings
from medheart_access.access import Access
from medheart_access.identity import ROLES
from medheart_access.keys import KeyFile


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m medheart_access", description="Keys of MONAI Label clients.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    add = verbs.add_parser("add", help="make a key and print it, once")
    add.add_argument("name", help="who will use it; becomes the author of their labels")
    add.add_argument("--role", choices=ROLES, default="annotator")
    verbs.add_parser("list", help="list the keys, without their secrets")
    verbs.add_parser("revoke", help="take a key away").add_argument("id")
    try:
        _run(parser.parse_args(arguments), Access.open(Settings.load()).keys)
    except MedHeartError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    return 0


def _run(options: argparse.Namespace, keys: KeyFile) -> None:
    if options.verb == "add":
        sys.stdout.write(f"{keys.add(options.name, options.role)}\n")
    elif options.verb == "revoke":
        keys.revoke(options.id)
    else:
        for key in keys.list():
            sys.stdout.write(f"{key.id}  {key.role:<10} {key.created}  {key.name}\n")


if __name__ == "__main__":
    raise SystemExit(main())
