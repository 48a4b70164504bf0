"""Where parts come from: Debian's packages, the Go and the Maven client, as this machine has them set up."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from scripts.services.place import CannotServe, Place
from scripts.services.processes import run

__all__ = ["build_go", "install_packages", "need_program", "run_maven"]


def install_packages(place: Place, name: str, packages: Sequence[str]) -> None:
    """Install Debian packages that are missing; raises CannotServe saying which, where we may not."""
    missing = [package for package in packages if not _is_installed(package)]
    if not missing:
        return
    words = " ".join(missing)
    if shutil.which("apt-get") is None:
        raise CannotServe(f"install what Debian calls {words} by your system's own means")
    if os.geteuid() != 0:
        raise CannotServe(f"only root may install packages; run: sudo apt-get install {words}")
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        run(place, name, command, env=environment)
    except CannotServe:  # The machine's list of packages may be old, or not there yet.
        run(place, name, ["apt-get", "update"], env=environment)
        run(place, name, command, env=environment)


def build_go(place: Place, name: str, module: str, version: str) -> Path:
    """Build a Go program once; return its binary."""
    folder = place.of(name) / version
    binary = folder / name
    if not binary.exists():
        need_program("go", "Go 1.24 or newer")
        run(place, name, ["go", "install", f"{module}@{version}"], env={**os.environ, "GOBIN": str(folder)})
    return binary


def run_maven(place: Place, name: str, target: Path, arguments: Sequence[str]) -> None:
    """Let Maven fill the folder `target` (`{target}` in the arguments); whole or not at all."""
    if target.exists():
        return
    need_program("mvn", "Maven 3.8 or newer")
    need_program("java", "Java 17 or newer")
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    command = ["mvn", "--batch-mode", "--quiet", *(word.format(target=partial) for word in arguments)]
    run(place, name, command, cwd=place.of(name))  # Where it would leave marks of its own.
    partial.rename(target)


def need_program(program: str, what: str) -> str:
    """Return the path of a program; raises CannotServe saying what to install."""
    path = shutil.which(program)
    if path is None:
        raise CannotServe(f"{program} is not on PATH; install {what}")
    return path


def _is_installed(package: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    if shutil.which("dpkg-query") is None:
        return False
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout == "installed"
