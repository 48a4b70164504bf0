"""The documents tell the truth about commands, packages and dependencies."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from medheart_cli.app import VERBS, run
from medheart_models.tasks import load_task, task_ids

ROOT = Path(__file__).resolve().parent.parent


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def declared() -> set[str]:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    lines = [*project["dependencies"], *(line for group in project["optional-dependencies"].values() for line in group)]
    return names_in(lines) - {project["name"]}  # an extra may include another


def names_in(lines: Iterable[str]) -> set[str]:
    return {re.split(r"[<>=;\s\[]", line, maxsplit=1)[0].lower() for line in lines}


def brought_by(extra: str) -> set[str]:
    """Return what an extra installs by name, that of `cli` where it includes it."""
    project = tomllib.loads(read("pyproject.toml"))["project"]
    lines = project["optional-dependencies"][extra]
    more = brought_by("cli") if "medheart[cli]" in lines else names_in(project["dependencies"])
    return names_in(lines) | more


def imported(*folders: str, but: tuple[str, ...] = ()) -> set[str]:
    """Return the distributions that the modules of these folders import, lower-case."""
    found: set[str] = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py") if path.name not in but):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            found |= {name.partition(".")[0] for name in names}
    outside = {name for name in found - sys.stdlib_module_names if not name.startswith("medheart")}
    known = packages_distributions()
    return {known[name][0].lower().replace("_", "-") for name in outside}


def help_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run([*words, "--help"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys, verb)
    _, _, listed = text.partition("Commands:")
    parts = [[verb, line.split()[0]] for line in listed.splitlines() if re.match(r"  \w", line)] or [[verb]]
    for words in parts:
        assert re.search(rf"Examples?:\s+medheart {' '.join(words)}", help_of(capsys, *words)), words


def test_train_says_where_in_its_folder_it_looks(capsys: pytest.CaptureFixture[str]) -> None:
    for part in ("images", "labels"):
        assert f"mr/hippocampus/{part}/CASE.nii.gz" in " ".join(help_of(capsys, "train").split())
        for name in ("README.md", "docs/commands.md"):
            assert f"mr/hippocampus/{part}/<case>.nii.gz" in read(name)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_in_the_documents(verb: str) -> None:
    assert f"medheart {verb}" in read("README.md") + read("docs/commands.md")


def test_every_dependency_says_why() -> None:
    told = read("docs/dependencies.md").lower()
    missing = [name for name in sorted(declared()) if name not in told and not name.startswith("types-")]
    assert not missing


def test_an_extra_brings_what_its_processes_import() -> None:
    floors = [f"core/medheart{name}" for name in ("", "_io", "_runtime", "_measure")]
    floors += [f"server/medheart_{name}" for name in ("store", "jobs", "reports", "work", "cli")]
    assert imported(*floors, but=("cuda.py",)) <= brought_by("cli")
    assert imported("core/medheart_models/training", "core/medheart_runtime") <= brought_by("models")
    assert imported("core/medheart_models", but=("networks.py",)) <= brought_by("models") | brought_by("labeling")
    assert imported("server/medheart_labeling", "server/medheart_access") <= brought_by("labeling")
    assert imported("core/medheart_models/host") <= brought_by("labeling")
    assert imported("server/medheart_server", "server/medheart_access") <= brought_by("service")


def test_every_package_is_in_the_architecture() -> None:
    packages = {path.parent.name for path in [*ROOT.glob("core/*/__init__.py"), *ROOT.glob("server/*/__init__.py")]}
    told = read("docs/architecture.md")
    assert not [name for name in sorted(packages) if name not in told]


def test_the_lock_holds_every_dependency_with_a_hash() -> None:
    text = read("requirements.lock")
    locked = dict(re.findall(r"^([a-z0-9-]+)==\S+.*\\\n\s+--hash=(sha256:[0-9a-f]{64})", text, re.MULTILINE))
    assert not declared() - set(locked)


def test_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", read("README.md")):
        assert (ROOT / target).exists(), target


def test_the_licence_of_every_weights_file_is_told() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    beside = "core/medheart_models/weights/LICENSE.md"
    assert beside in project["license-files"]
    for task in map(load_task, task_ids()):
        assert task.weights.licence in project["license"].split(" AND ")
        assert re.search(rf"`{task.weights.file}` \| [^|]*{task.weights.licence}", read(beside)), task.id
