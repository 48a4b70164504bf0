"""`medheart segment` with the shipped weights, in this process."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from medheart.overlap import dice
from medheart.schema import load_schema
from medheart.settings import Settings
from medheart.wire.service import installation
from medheart_io import read_labels
from medheart_models.tasks import load_task


@pytest.fixture
def with_network(exports: Path) -> None:
    home = Settings.load().home
    home.mkdir(parents=True, exist_ok=True)
    (home / "exports").symlink_to(exports)


@pytest.mark.parametrize("ending", ["nii.gz", "seg.nrrd"])
def test_hippocampus_matches_the_truth(
    medheart, with_network: None, test_data: Callable[[str], Path], tmp_path: Path, ending: str
) -> None:
    image = test_data("mr/hippocampus/images/hippocampus_001.nii.gz")
    output = tmp_path / f"label.{ending}"
    done = medheart("segment", image, "--task", "hippocampus", "--output", output, "--local", "--json")
    assert done.code == 0, done
    schema = load_schema("hippocampus")
    found = read_labels(output, schema)
    truth = read_labels(test_data("mr/hippocampus/labels/hippocampus_001.nii.gz"), schema, like=found.geometry)
    for value in schema.values:
        assert dice(found.mask(value), truth.mask(value)) > 0.8
    assert done.json["task"].startswith("hippocampus@")


def test_without_a_server_it_says_so_and_works_here(
    medheart, with_network: None, test_data: Callable[[str], Path], tmp_path: Path
) -> None:
    image = test_data("mr/hippocampus/images/hippocampus_003.nii.gz")
    done = medheart("segment", image, "--output", tmp_path / "label.nii.gz")
    assert done.code == 0, done
    assert "no label server answers" in done.err
    assert "hippocampus_anterior" in done.out


def test_a_folder_is_a_batch_and_one_bad_file_stops_nothing(
    medheart, with_network: None, test_data: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("hippocampus_001", "hippocampus_003"):
        (folder / f"{name}.nii.gz").symlink_to(test_data(f"mr/hippocampus/images/{name}.nii.gz"))
    whole = test_data("odd_volumes/avg152T1_RL_nifti.nii.gz")
    paths = [folder / "hippocampus_001.nii.gz", folder / "hippocampus_003.nii.gz", whole]
    done = medheart("segment", *paths, "--task", "hippocampus", "--output", tmp_path / "labels", "--local", "--json")
    assert done.code == 1
    assert len(list((tmp_path / "labels").iterdir())) == 2
    (refused,) = [line for line in done.lines if "error" in line]
    assert refused["error"]["code"] == "task_unfit"
    assert "field of view" in done.err


def test_inputs_by_role_must_be_those_of_the_task(medheart, pair: tuple[Path, Path], tmp_path: Path) -> None:
    done = medheart("segment", "--input", f"flair={pair[0]}", "--task", "brain-tumour", "-o", tmp_path / "l.nii.gz")
    assert done.code == 2
    assert "t1c" in done.err


class _Running(BaseHTTPRequestHandler):
    """Answers life signs as the label server of this home does."""

    def do_GET(self) -> None:
        body = {"status": "alive", "installation": installation(Settings.load().home)}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_device_that_the_running_server_does_not_take_is_told(
    medheart, pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Running) as server:
        monkeypatch.setenv("MEDHEART_LABEL_PORT", str(server.server_port))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        arguments = ("segment", pair[0], "--task", "nothing", "-o", tmp_path / "label.nii.gz")
        asked, unasked = medheart(*arguments, "--device", "cuda"), medheart(*arguments)
        server.shutdown()
    assert "not on cuda as asked" in asked.err
    assert "as asked" not in unasked.err


@pytest.mark.parametrize("name", ["label.nii.gzz", "LABEL.NII.GZ", "label.tif"])
@pytest.mark.parametrize("place", [("--local",), ("--server", "http://127.0.0.1:3")])
def test_an_output_of_no_known_format_is_refused_at_once(
    medheart, pair: tuple[Path, Path], tmp_path: Path, name: str, place: tuple[str, ...]
) -> None:
    done = medheart("segment", pair[0], "--task", "hippocampus", "-o", tmp_path / name, *place)
    assert (done.code, done.out) == (2, "")
    assert f"{name}: a label file ends in one of" in done.err
    assert not (tmp_path / name).exists()


def test_inputs_by_role_and_a_folder_make_one_label_in_it(
    medheart, with_network: None, test_data: Callable[[str], Path], tmp_path: Path
) -> None:
    (role,) = [item.role for item in load_task("hippocampus").inputs]
    image = test_data("mr/hippocampus/images/hippocampus_001.nii.gz")
    named = ("--input", f"{role}={image}", "--task", "hippocampus", "--local")
    done = medheart("segment", *named, "--output", tmp_path / "out", "--json")
    assert done.code == 0, done
    assert done.json["path"] == str(tmp_path / "out" / "label.nii.gz")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["label.nii.gz"]


def test_evaluate_scores_each_case_and_the_mean(
    medheart, with_network: None, test_data: Callable[[str], Path], tmp_path: Path
) -> None:
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
        for name in ("hippocampus_001", "hippocampus_003"):
            (tmp_path / kind / f"{name}.nii.gz").symlink_to(test_data(f"mr/hippocampus/{kind}/{name}.nii.gz"))
    arguments = ("evaluate", "hippocampus", "--images", tmp_path / "images", "--labels", tmp_path / "labels")
    result = medheart(*arguments, "--json").json
    assert [case["case"] for case in result["cases"]] == ["hippocampus_001", "hippocampus_003"]
    for name, mean in result["dice"].items():
        assert mean == pytest.approx(sum(case["dice"][name] for case in result["cases"]) / 2)
        assert mean > 0.8
    (tmp_path / "images" / "hippocampus_003.nii.gz").unlink()
    done = medheart(*arguments)
    assert done.code == 1
    assert "hippocampus_003" in done.err
