"""Each verb on real small files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medheart.schema import load_schema
from medheart.settings import Settings
from medheart_io import read_image, read_labels

KEYS = {"path", "status", "code", "message", "kind", "shape", "spacing_mm", "orientation"}


def test_import_answers_one_json_line_a_case(medheart, pair: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "broken.nii.gz").write_bytes(b"nothing")
    done = medheart("import", tmp_path, "--dry-run", "--json")
    assert done.code == 0
    assert all(set(line) >= KEYS for line in done.lines)
    answers = {Path(line["path"]).name: line["status"] for line in done.lines}
    assert answers == {"image.nii.gz": "accepted", "label.nii.gz": "accepted", "broken.nii.gz": "rejected"}
    assert medheart("versions", "list", "--json").json == {"versions": []}


def test_who_the_patients_are_is_told_at_the_console_only(medheart, test_data: Callable[[str], Path]) -> None:
    shown = medheart("import", test_data("dicom/defects/phi"), "--dry-run")
    assert "张三丰 (MRN00943393)" in shown.out + shown.err
    sent = medheart("import", test_data("dicom/defects/phi"), "--dry-run", "--json")
    assert "张三丰" not in sent.out
    assert "patient 1 of 4, images: " in sent.out


def test_import_with_nothing_accepted_fails(medheart, test_data: Callable[[str], Path]) -> None:
    done = medheart("import", test_data("dicom/defects/duplicate_slice"), "--json")
    assert done.code == 1
    assert done.lines[0]["status"] != "accepted"
    assert done.lines[0]["message"]


def test_measure_gives_the_contract(medheart, pair: tuple[Path, Path]) -> None:
    image, label = pair
    done = medheart("measure", label, "--image", image, "--task", "hippocampus", "--json")
    assert done.code == 0
    first = done.json["labels"][0]
    assert set(first) >= {"value", "name", "measurements", "components"}
    assert all(set(one) >= {"code", "value", "unit", "method"} for one in first["measurements"])
    values = {one["code"]: one["value"] for one in first["measurements"]}
    assert values["volume"] == pytest.approx(4 * 10 * 6 * 2.4 / 1000)


def test_measure_for_people_has_a_row_a_number(medheart, pair: tuple[Path, Path]) -> None:
    done = medheart("measure", pair[1], "--task", "hippocampus")
    assert done.code == 0
    assert "Hippocampus, anterior part" in done.out
    assert "mL" in done.out


def test_report_of_a_label_file(medheart, pair: tuple[Path, Path], tmp_path: Path) -> None:
    image, label = pair
    arguments = (
        "report",
        label,
        "--image",
        image,
        "--task",
        "hippocampus",
        "--lang",
        "zh",
        "--output",
        tmp_path / "out",
    )
    done = medheart(*arguments, "--json")
    assert done.code == 0, done
    assert (tmp_path / "out" / "report.pdf").read_bytes().startswith(b"%PDF")
    assert "海马" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_report_of_a_label_file_alone_says_that_there_is_no_image(
    medheart, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    assert medheart("report", pair[1], "--lang", "en", "--output", tmp_path / "out").code == 0
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "No image was given" in text
    assert "mL" in text
    assert (tmp_path / "out" / "report.pdf").read_bytes().startswith(b"%PDF")


def test_tasks_for_machines_and_people(medheart) -> None:
    tasks = {task["id"]: task for task in medheart("tasks", "list", "--json").json["tasks"]}
    assert set(tasks) >= {"hippocampus", "brain-tumour", "lung-nodule"}
    assert tasks["hippocampus"]["labels"][0]["value"] == 1
    shown = medheart("tasks", "show", "lung-nodule")
    assert "CT" in shown.out
    assert "research only" in shown.err


def test_doctor_says_what_it_looked_at(medheart) -> None:
    done = medheart("doctor", "--json")
    found = {finding["name"]: finding for finding in done.json["findings"]}
    assert found["python"]["verdict"] == "ok"
    assert found["store"]["verdict"] == "ok"
    assert all(finding["remedy"] for finding in found.values() if finding["verdict"] == "missing")
    assert done.code == (0 if done.json["ok"] else 1)


def test_bench_lists_what_there_is(medheart) -> None:
    assert medheart("bench").code == 0


def test_bench_passes_on_what_it_does_not_know() -> None:
    command = [sys.executable, "-m", "medheart_cli", "bench", "versions", "--edits", "many", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "argument --edits: invalid int value: 'many'" in done.stderr


def test_versions_from_list_to_restore(medheart, test_data: Callable[[str], Path], tmp_path: Path) -> None:
    from medheart.settings import Settings
    from medheart_store import Store

    image = test_data("mr/hippocampus/images/hippocampus_001.nii.gz")
    (case,) = medheart("import", image, "--json").lines
    truth = test_data("mr/hippocampus/labels/hippocampus_001.nii.gz")
    with Store.open(Settings.load().store_dir) as store:
        grid = store.volume(case["series"]).geometry
        labels = read_labels(truth, load_schema("hippocampus"), like=grid)
        first = store.add_version(labels, image=case["series"], author="a", origin="manual")
        edited = labels.array.copy()
        edited[0, 0, 0] = 1
        second = store.add_version(
            labels.with_array(edited), image=case["series"], author="b", origin="edited", base=first.id
        )
    listed = medheart("versions", "list", case["study"], "--json").json["versions"]
    assert [version["id"] for version in listed] == [first.id, second.id]
    assert medheart("versions", "diff", first.id, second.id, "--json").json["changed"] == 1
    marked = medheart("versions", "mark", second.id, "approved", "--json").json
    assert (marked["state"], marked["events"][-1]["kind"]) == ("approved", "state")
    restored = medheart("versions", "restore", first.id, "--note", "back", "--json").json
    assert (restored["number"], restored["state"]) == (3, "draft")
    shown = medheart("versions", "show", restored["id"], "--json").json
    assert (shown["note"], shown["parents"][0]) == ("back", second.id)
    done = medheart("versions", "export", restored["id"], "--output", tmp_path / "l.seg.nrrd", "--json")
    assert done.code == 0
    back = read_labels(tmp_path / "l.seg.nrrd", labels.schema, like=grid)
    assert np.array_equal(back.array, labels.array)
    files = medheart("export", case["study"], "--output", tmp_path / "out", "--json").json["files"]
    assert {Path(path).name for path in files} >= {"label.nii.gz", "label.dcm", "measurements.json"}
    assert read_image(next(path for path in files if path.endswith(".nii.gz"))).geometry.matches(grid)


def test_users_get_keys_that_can_be_revoked(medheart) -> None:
    made = medheart("users", "add", "reader-1", "--role", "annotator", "--json").json
    assert made["key"].startswith("mh_")
    (user,) = medheart("users", "list", "--json").json["users"]
    assert (user["name"], user["role"]) == ("reader-1", "annotator")
    assert made["key"] not in str(user)
    assert medheart("users", "revoke", user["id"], "--json").json == {"revoked": user["id"]}
    assert medheart("users", "list", "--json").json == {"users": []}
    assert medheart("users", "add", "x", "--role", "king").code == 1


def test_serve_with_a_folder_that_is_not_there_starts_nothing(medheart, tmp_path: Path) -> None:
    done = medheart("serve", "--studies", tmp_path / "nowhere")
    assert done.code == 2
    assert done.err.startswith(f"medheart: {tmp_path / 'nowhere'}: there is no such folder")
    assert not (Settings.load().home / "logs").exists()
