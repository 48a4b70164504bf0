"""Every verb against a running service: the same answers as in this process, and clear errors where not."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medheart.geometry import Geometry
from medheart.schema import load_schema
from medheart.service_client import Service
from medheart.settings import Settings
from medheart.volume import LabelMap, Volume
from medheart_access import Access
from medheart_io import read_image, write_dicom_series
from medheart_store import Store
from medheart_work.importing import import_paths
from medheart_work.readiness import PARTS
from medheart_work.supervise import Supervisor

CLIENT = ("medheart_work", "medheart_store", "medheart_io", "SimpleITK", "pydicom", "sqlalchemy", "openvino")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Elsewhere:
    """A service with its own home, and a labelled study in its store."""

    settings: Settings
    study: str
    series: str
    older: str
    newer: str

    @property
    def url(self) -> str:
        return self.settings.service_url


def a_series(folder: Path, *, seed: int, patient: str = "A1") -> Path:
    grid = Geometry.from_parts(shape=(12, 40, 36), spacing=(1.0, 1.0, 2.0), origin=(3, -7, 11))
    array = np.random.default_rng(seed).integers(0, 400, grid.shape).astype(np.int16)
    write_dicom_series(folder, Volume(array, grid, "MR"), patient_id=patient, patient_name="Nobody^", body_part="HEAD")
    return folder


def a_store(settings: Settings, dicom: Path) -> Elsewhere:
    with Store.open(settings.store_dir) as store:
        (case,) = import_paths(store, settings, [dicom])
        grid = store.volume(case.series).geometry
        array = np.zeros(grid.shape, np.uint8)
        array[3:6, 10:20, 8:14] = 1
        labels = LabelMap(array, grid, load_schema("hippocampus"))
        older = store.add_version(labels, image=case.series, author="reader", origin="manual")
        array = array.copy()
        array[7:9, 10:20, 8:14] = 2
        newer = store.add_version(
            labels.with_array(array), image=case.series, author="reader", origin="edited", base=older.id
        )
    return Elsewhere(settings, case.study, case.series, older.id, newer.id)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, exports: Path) -> Iterator[Elsewhere]:
    folder = tmp_path_factory.mktemp("elsewhere")
    settings = Settings(home=folder / "home", label_port=free_port(), service_port=free_port(), device="cpu")
    made = a_store(settings, a_series(folder / "dicom", seed=1))
    (settings.home / "exports").symlink_to(exports)
    parts = tuple(replace(part) for part in PARTS if part.name in ("host", "service", "worker"))
    with Supervisor(settings, parts=parts, deadline_s=120) as supervisor:
        supervisor.start()
        yield made


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Elsewhere, dict[str, str]]]:
    """A service that asks for keys, with nobody to do its jobs; and a key of each role."""
    folder = tmp_path_factory.mktemp("guarded")
    settings = Settings(home=folder / "home", label_port=free_port(), service_port=free_port())
    made = a_store(settings, a_series(folder / "dicom", seed=2))
    keys = {role: Access.open(settings).keys.add(role, role) for role in ("user", "annotator", "reviewer", "admin")}
    parts = tuple(replace(part) for part in PARTS if part.name == "service")
    with Supervisor(settings, parts=parts, deadline_s=120) as supervisor:
        supervisor.start()
        yield made, keys


@pytest.fixture
def both(medheart, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, Any]]:
    """Call a verb in this process on the service's home, then over REST from a home with nothing in it."""

    def call(*arguments: str | Path, code: int = 0) -> tuple[Any, Any]:
        with monkeypatch.context() as patch:
            patch.setenv("MEDHEART_HOME", str(elsewhere.settings.home))
            here = medheart(*arguments, "--json", "--local")
        there = medheart(*arguments, "--json", "--server", elsewhere.url)
        assert (here.code, there.code) == (code, code), (here, there)
        assert not (Path(os.environ["MEDHEART_HOME"]) / "store").exists()
        return here.lines, there.lines

    return call


def test_import_answers_the_same_of_every_kind_of_file(
    both, pair: tuple[Path, Path], test_data: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "病例 一"
    a_series(folder / "核磁", seed=3, patient="B2")
    (folder / "坏文件.nii.gz").write_bytes(b"nothing")
    (folder / "notes.txt").write_text("not an image")
    (folder / "link.nii.gz").symlink_to(pair[0])
    with zipfile.ZipFile(folder / "inner.zip", "w") as archive:
        archive.writestr("x", b"x")
    with zipfile.ZipFile(tmp_path / "检查.zip", "w") as archive:
        for path in a_series(tmp_path / "zipped", seed=4, patient="C3").iterdir():
            archive.write(path, f"内/{path.name}")
    named = tmp_path / "named.txt"
    named.write_text("not an image either")
    paths = (folder, tmp_path / "检查.zip", pair[0], named)
    for options in (["--dry-run"], []):
        here, there = both("import", *paths, *options)
        assert there == here
        assert {line["status"] for line in here} == {"accepted", "rejected"}
    assert str(folder / "核磁") in [line["path"] for line in there]
    assert sum(bool(line["study"]) for line in there) == 3


def test_import_asks_the_same_and_takes_the_answer(both, test_data: Callable[[str], Path]) -> None:
    here, there = both("import", test_data("dicom/defects/duplicate_slice"), code=1)
    assert there == here
    assert here[0]["status"] != "accepted"


def test_a_header_comes_with_its_data_file(both, pair: tuple[Path, Path], tmp_path: Path) -> None:
    import SimpleITK as sitk

    sitk.WriteImage(sitk.ReadImage(str(pair[0])), str(tmp_path / "image.mhd"))
    here, there = both("import", tmp_path / "image.mhd")
    assert there == here
    assert here[0]["status"] == "accepted"


def test_tasks(both) -> None:
    for words in (["list"], ["show", "hippocampus"]):
        here, there = both("tasks", *words)
        assert there == here


def test_versions_are_listed_shown_and_compared(both, elsewhere: Elsewhere) -> None:
    calls = [["list"], ["list", elsewhere.study], ["list", elsewhere.series], ["show", elsewhere.newer]]
    for words in [*calls, ["diff", elsewhere.older, elsewhere.newer]]:
        here, there = both("versions", *words)
        assert there == here, words


@pytest.mark.parametrize("ending", ["nii.gz", "nii", "seg.nrrd", "nrrd", "mha", "dcm"])
def test_version_files_hold_the_same_voxels(both, elsewhere: Elsewhere, tmp_path: Path, ending: str) -> None:
    seen = []

    def keep(path: Path) -> None:
        from medheart_io import read_labels

        seen.append(read_labels(path, load_schema("hippocampus")))
        path.unlink()

    output = tmp_path / f"标签.{ending}"
    here, there = both("versions", "export", elsewhere.newer, "--output", output)
    assert there == here
    keep(output)
    with Store.open(elsewhere.settings.store_dir) as store:
        truth = store.labels(elsewhere.newer)
    assert seen[0].counts == truth.counts


def test_restoring_makes_a_version_over_there(medheart, elsewhere: Elsewhere) -> None:
    way = ("--server", elsewhere.url, "--json")
    made = medheart("versions", "restore", elsewhere.older, "--note", "回到原版", *way).json
    shown = medheart("versions", "show", made["id"], *way).json
    assert (shown["note"], shown["author"], shown["state"]) == ("回到原版", "local", "draft")
    back = medheart("versions", "restore", elsewhere.newer, *way).json
    assert back["number"] == made["number"] + 1


def test_a_draft_is_submitted_and_approved_over_there(medheart, elsewhere: Elsewhere) -> None:
    way = ("--server", elsewhere.url, "--json")
    with Store.open(elsewhere.settings.store_dir) as store:
        labels = store.labels(elsewhere.newer)
        draft = store.add_version(labels, image=elsewhere.series, author="a", origin="hippocampus@1", state="draft")
    for state in ("submitted", "approved"):
        made = medheart("versions", "mark", draft.id, state, *way).json
        assert made["state"] == state
        assert (made["events"][-1]["value"], made["events"][-1]["author"]) == (state, "local")
    refused = medheart("versions", "mark", draft.id, "draft", *way)
    assert refused.code == 2


def test_measure_gives_the_same_numbers(both, elsewhere: Elsewhere, pair: tuple[Path, Path]) -> None:
    image, label = pair
    calls: list[list[str | Path]] = [
        [elsewhere.newer],
        [label, "--image", image, "--task", "hippocampus"],
        [label],
    ]
    for words in calls:
        here, there = both("measure", *words)
        assert there == here
        assert here[0]["labels"][0]["measurements"]


def test_reports_are_written_where_they_were_asked_for(
    both, medheart, elsewhere: Elsewhere, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    output = tmp_path / "报告"
    here, there = both("report", elsewhere.newer, "--lang", "zh", "--output", output)
    assert there == here
    words = (pair[1], "--image", pair[0], "--task", "hippocampus", "--lang", "zh", "--output", output / "file")
    done = medheart("report", *words, "--json", "--server", elsewhere.url)
    assert done.json == {"language": "zh", "files": [str(output / "file" / f"report.{e}") for e in ("html", "pdf")]}
    alone = (pair[1], "--task", "hippocampus", "--lang", "zh", "--output", output / "alone")
    assert medheart("report", *alone, "--server", elsewhere.url).code == 0
    for folder in (output, output / "file", output / "alone"):
        assert (folder / "report.pdf").read_bytes().startswith(b"%PDF")
        assert "海马" in (folder / "report.html").read_text(encoding="utf-8")


def test_export_writes_the_same_files(both, elsewhere: Elsewhere, tmp_path: Path) -> None:
    output = tmp_path / "导出"
    for name in (elsewhere.study, elsewhere.older):
        here, there = both("export", name, "--output", output)
        assert there == here
        assert {Path(path).name for path in there[0]["files"]} >= {"label.nii.gz", "label.seg.nrrd", "label.dcm"}
        assert all(Path(path).stat().st_size for path in there[0]["files"])
    assert not list((elsewhere.settings.home / "results").iterdir())


def test_segment_gives_the_same_label(both, test_data: Callable[[str], Path], tmp_path: Path) -> None:
    source = test_data("mr/hippocampus/images/hippocampus_001.nii.gz")
    image = tmp_path / "海马 hippocampus.nii.gz"
    image.write_bytes(source.read_bytes())
    output, named = tmp_path / "标签.nii.gz", ["--input", f"image={image}", "--task", "hippocampus"]
    for words in ([image], named):
        here, there = both("segment", *words, "--output", output)
        assert without(there, "seconds") == without(here, "seconds")
        assert there[0]["path"] == str(output)
        assert sum(there[0]["counts"].values()) == np.count_nonzero(read_image(output).array)


def test_a_folder_is_a_batch_and_one_bad_file_stops_nothing(
    both, test_data: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "图像"
    folder.mkdir()
    (folder / "good.nii.gz").write_bytes(test_data("mr/hippocampus/images/hippocampus_001.nii.gz").read_bytes())
    (folder / "head.nii.gz").write_bytes(test_data("odd_volumes/avg152T1_RL_nifti.nii.gz").read_bytes())
    here, there = both("segment", folder, "--task", "hippocampus", "--output", tmp_path / "labels", code=1)
    assert without(there, "seconds") == without(here, "seconds")
    (refused,) = [line for line in there if "error" in line]
    assert refused["image"] == str(folder / "head.nii.gz")
    assert [path.name for path in (tmp_path / "labels").iterdir()] == ["good.nii.gz"]


def test_evaluate_gives_the_same_scores(both, test_data: Callable[[str], Path], tmp_path: Path) -> None:
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
        name = "hippocampus_001.nii.gz"
        (tmp_path / kind / name).symlink_to(test_data(f"mr/hippocampus/{kind}/{name}"))
    here, there = both("evaluate", "hippocampus", "--images", tmp_path / "images", "--labels", tmp_path / "labels")
    assert there == here
    assert all(value > 0.8 for value in here[0]["dice"].values())


@pytest.mark.slow
def test_a_training_that_fails_over_there_says_why(medheart, elsewhere: Elsewhere, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    words = ("train", "hippocampus", "--data", tmp_path / "data", "--epochs", "1", "--json", "--server", elsewhere.url)
    done = medheart(*words)
    assert (done.code, done.out) == (1, "")
    assert "the training of 'hippocampus' failed" in done.err
    assert str(elsewhere.settings.home) not in done.err


def test_training_on_labels_is_asked_of_the_label_server(medheart, elsewhere: Elsewhere) -> None:
    done = medheart("train", "hippocampus", "--server", elsewhere.url)
    assert (done.code, "--data" in done.err) == (2, True)


def without(lines: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name not in names} for line in lines]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["versions", "show", "nothing"], 1),
        (["versions", "list", "nothing"], 1),
        (["measure", "no-such-version"], 1),
        (["export", "nothing"], 1),
        (["report", "nothing"], 1),
        (["tasks", "show", "nothing"], 1),
        (["import", "/nowhere"], 1),
        (["measure", "/nowhere.nii.gz"], 1),
        (["segment", "/nowhere.nii.gz", "--output", "l.nii.gz"], 1),
        (["versions", "export", "nothing", "--output", "label.txt"], 2),
        (["train", "nothing", "--data", "/usr"], 1),
    ],
)
def test_errors_name_the_cause_on_both_ways(medheart, elsewhere: Elsewhere, arguments: list[str], code: int) -> None:
    for way in (["--local"], ["--server", elsewhere.url]):
        done = medheart(*arguments, *way)
        assert done.code == code, done
        assert len(done.err.strip().splitlines()) == 1
        assert any(word in done.err for word in ("nothing", "nowhere", "no-such-version", "label.txt")), done
        assert done.out == ""


def test_a_bad_label_is_named_by_the_callers_path(both, medheart, elsewhere: Elsewhere, tmp_path: Path) -> None:
    bad = tmp_path / "坏.nii.gz"
    bad.write_bytes(b"nothing")
    here = medheart("measure", bad, "--local")
    there = medheart("measure", bad, "--server", elsewhere.url)
    assert (there.code, there.err) == (here.code, here.err)
    assert "坏.nii.gz" in there.err


def test_both_ways_at_once_are_wrong_usage(medheart, elsewhere: Elsewhere) -> None:
    for words in (["versions", "list"], ["tasks", "list"], ["import", "."], ["export", "x"], ["measure", "x"]):
        done = medheart(*words, "--server", elsewhere.url, "--local")
        assert (done.code, "--local" in done.err) == (2, True)


@pytest.mark.parametrize("url", ["", "localhost:8080", "file:///etc/passwd", "http://"])
def test_what_is_no_address_is_wrong_usage(medheart, url: str) -> None:
    done = medheart("versions", "list", "--server", url)
    assert done.code == 2
    assert "http://127.0.0.1:8080" in done.err


def test_the_device_is_not_the_callers_to_choose(medheart, elsewhere: Elsewhere, pair: tuple[Path, Path]) -> None:
    done = medheart("segment", pair[0], "-o", "l.nii.gz", "--device", "cpu", "--server", elsewhere.url)
    assert (done.code, "--device" in done.err) == (2, True)


def test_the_setting_names_the_service_and_local_overrules_it(
    medheart, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDHEART_SERVER", elsewhere.url)
    assert medheart("versions", "list", "--json").json["versions"]
    assert medheart("versions", "list", "--local", "--json").json == {"versions": []}


def test_a_service_that_is_not_there_is_an_error_and_nothing_is_done_here(
    medheart, monkeypatch: pytest.MonkeyPatch, pair: tuple[Path, Path]
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("MEDHEART_SERVER", url)
    for words in (["versions", "list"], ["import", pair[0]], ["measure", pair[1]], ["tasks", "list"]):
        done = medheart(*words, "--json")
        assert (done.code, done.out) == (1, "")
        assert url in done.err
        assert len(done.err.strip().splitlines()) == 1
    assert not (Path(os.environ["MEDHEART_HOME"]) / "store").exists()


def test_keys_open_what_their_role_may_do(
    medheart, guarded: tuple[Elsewhere, dict[str, str]], monkeypatch: pytest.MonkeyPatch, pair: tuple[Path, Path]
) -> None:
    service, keys = guarded

    def call(*words: str | Path, key: str = "") -> Any:
        monkeypatch.setenv("MEDHEART_KEY", key)
        return medheart(*words, "--server", service.url, "--json")

    unknown = call("versions", "list")
    assert (unknown.code, "MEDHEART_KEY" in unknown.err) == (1, True)
    wrong = call("import", pair[0], key="mh_wrong")
    assert wrong.code == 1
    assert "key" in wrong.err
    assert len(call("versions", "list", key=keys["user"]).json["versions"]) == 2
    refused = call("versions", "restore", service.older, key=keys["user"])
    assert (refused.code, "annotator" in refused.err) == (1, True)
    assert call("versions", "restore", service.older, key=keys["annotator"]).json["author"] == "annotator"
    assert call("versions", "mark", service.older, "flagged", key=keys["annotator"]).json["state"] == "flagged"
    refused = call("versions", "mark", service.older, "approved", key=keys["annotator"])
    assert (refused.code, "reviewer" in refused.err) == (1, True)
    assert call("versions", "mark", service.older, "approved", key=keys["reviewer"]).json["state"] == "approved"
    refused = call("versions", "mark", service.older, "submitted", key=keys["annotator"])
    assert (refused.code, "reviewer" in refused.err) == (1, True)
    refused = call("train", "hippocampus", "--data", pair[0].parent, key=keys["annotator"])
    assert (refused.code, "admin" in refused.err) == (1, True)


def test_an_interrupt_cancels_the_job(guarded: tuple[Elsewhere, dict[str, str]], pair: tuple[Path, Path]) -> None:
    service, keys = guarded
    client = Service(service.url, key=keys["user"])
    environment = {**os.environ, "MEDHEART_KEY": keys["annotator"], "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "medheart_cli", "measure", str(pair[1]), "--server", service.url]
    heard = ["env", "--default-signal=INT"]  # a background job of a shell begins with the signal ignored
    with subprocess.Popen([*heard, *command], env=environment, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not (waiting := [job for job in client.jobs() if job.state == "queued"]):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr is not None
        assert process.stderr.read().strip() == "medheart: interrupted"
    (job,) = [job for job in client.jobs() if job.id == waiting[0].id]
    assert job.state == "cancelled"
    assert not list((service.settings.home / "uploads").iterdir())


def test_a_client_needs_neither_store_nor_readers(elsewhere: Elsewhere, tmp_path: Path) -> None:
    script = (
        "import sys; from medheart_cli.__main__ import main;"
        f"code = main(['versions', 'list', '--server', {elsewhere.url!r}, '--json']);"
        f"code += main(['export', {elsewhere.older!r}, '--output', {str(tmp_path)!r}, '--server', {elsewhere.url!r}]);"
        f"print(code, [name for name in {CLIENT!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"
    assert json.loads(done.stdout.splitlines()[0])["versions"]
