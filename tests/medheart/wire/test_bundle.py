"""Bundles: what goes in comes out under its own names, and nothing outside."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from medheart.errors import ImageRejected, MedHeartError
from medheart.wire.bundle import LAYOUT, Layout, place_bundle, write_bundle


def through(bundle: Path, folder: Path) -> Layout:
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder / "members")
    return place_bundle(folder / "members", folder / "root")


def test_files_and_folders_keep_names_places_and_content(tmp_path: Path) -> None:
    folder = tmp_path / "病例 一"
    (folder / "内").mkdir(parents=True)
    (folder / "内" / "1.dcm").write_bytes(b"one")
    (folder / "inner.zip").write_bytes(b"PK")
    (tmp_path / "脑.nii.gz").write_bytes(b"brain")
    (tmp_path / "empty").mkdir()
    paths = [tmp_path / "脑.nii.gz", folder, tmp_path / "empty"]
    layout = write_bundle(tmp_path / "b.zip", paths)
    assert layout.arguments == ["argument-0/脑.nii.gz", "argument-1/病例 一", "argument-2/empty"]
    assert through(tmp_path / "b.zip", tmp_path / "out") == layout
    root = tmp_path / "out" / "root"
    assert (root / "argument-0" / "脑.nii.gz").read_bytes() == b"brain"
    assert (root / "argument-1" / "病例 一" / "内" / "1.dcm").read_bytes() == b"one"
    assert (root / "argument-1" / "病例 一" / "inner.zip").read_bytes() == b"PK"
    assert list((root / "argument-2" / "empty").iterdir()) == []


def test_names_that_are_not_unicode_arrive_as_they_were(tmp_path: Path) -> None:
    folder = tmp_path / "names"
    folder.mkdir()
    name = os.fsdecode("王小明.nii".encode("gb18030"))
    (folder / name).write_bytes(b"x")
    write_bundle(tmp_path / "b.zip", [folder])
    through(tmp_path / "b.zip", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out" / "root" / "argument-0" / "names").iterdir()] == [name]


def test_links_arrive_as_links_to_nowhere_unless_they_are_cases(tmp_path: Path) -> None:
    folder = tmp_path / "cases"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "link.nii").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to(tmp_path)
    write_bundle(tmp_path / "b.zip", [folder])
    through(tmp_path / "b.zip", tmp_path / "out")
    placed = tmp_path / "out" / "root" / "argument-0" / "cases"
    assert sorted(path.name for path in placed.iterdir()) == ["link.nii", "up"]
    assert not any(path.exists() for path in placed.iterdir())
    layout = write_bundle(tmp_path / "c.zip", [folder], follow_links=True)
    assert layout.files == ["argument-0/cases/link.nii"]


@pytest.mark.parametrize(
    ("name", "line"),
    [("h.mhd", "ElementDataFile = data.raw"), ("h.nhdr", "data file: data.raw"), ("h.nhdr", "datafile: data.raw")],
)
def test_a_header_brings_its_data_file(tmp_path: Path, name: str, line: str) -> None:
    (tmp_path / name).write_text(f"x\n{line}\n")
    (tmp_path / "data.raw").write_bytes(b"voxels")
    layout = write_bundle(tmp_path / "b.zip", [tmp_path / name])
    assert layout.arguments == [f"argument-0/{name}"]
    assert layout.files == [f"argument-0/{name}", "argument-0/data.raw"]


@pytest.mark.parametrize("target", ["../secret", "/etc/passwd", "missing.raw", "link.raw"])
def test_a_header_brings_nothing_else(tmp_path: Path, target: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "link.raw").symlink_to(tmp_path / "secret")
    (folder / "h.mhd").write_text(f"ElementDataFile = {target}\n")
    assert write_bundle(tmp_path / "b.zip", [folder / "h.mhd"]).files == ["argument-0/h.mhd"]


def test_what_is_not_there_or_too_large_is_refused_before_packing(tmp_path: Path) -> None:
    with pytest.raises(ImageRejected, match="nowhere") as caught:
        write_bundle(tmp_path / "b.zip", [tmp_path / "nowhere"])
    assert caught.value.code == "not_there"
    (tmp_path / "large").write_bytes(bytes(100))
    with pytest.raises(MedHeartError, match="at most 99"):
        write_bundle(tmp_path / "b.zip", [tmp_path / "large"], limit_bytes=99)
    assert not (tmp_path / "b.zip").exists()


@pytest.mark.parametrize(
    "layout",
    [
        {"files": ["../evil"]},
        {"files": ["/evil"]},
        {"files": ["a/../../evil"]},
        {"files": ["a\0b"]},
        {"files": ["x", "x"]},
        {"files": ["x", "y", "z"]},
        {"files": ["a", "a/x"]},
        {"files": ["a/x", "a"]},
        {"files": ["a" * 300]},
        {"files": ["\ud800"]},
        {"files": ["x"], "arguments": ["x/y"]},
        {"links": ["x", "x"]},
        {"links": ["../evil"]},
        {"arguments": ["../../evil"]},
        {"arguments": "evil"},
        {"files": [1]},
        {"other": []},
        [],
        "text",
    ],
)
def test_a_layout_that_leads_outside_or_does_not_fit_is_refused(tmp_path: Path, layout: Any) -> None:
    members = tmp_path / "place" / "members"
    members.mkdir(parents=True)
    for number in range(2):
        (members / f"{number:06d}").write_bytes(b"x")
    (members / LAYOUT).write_text(json.dumps(layout))
    with pytest.raises(MedHeartError) as caught:
        place_bundle(members, tmp_path / "place" / "root")
    assert caught.value.code == "bad_bundle"
    assert not list(tmp_path.rglob("*evil*"))


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MedHeartError, match="no bundle"):
        place_bundle(tmp_path, tmp_path / "root")
