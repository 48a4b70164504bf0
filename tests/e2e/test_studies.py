"""What `make run STUDY=` does with real input of every kind: one start of the servers, one study after another."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from medheart.client import LabelServer
from medheart.overlap import dice
from medheart.schema import load_schema
from medheart.settings import Settings
from medheart.volume import Volume
from medheart_io import read_image, read_labels, write_dicom_series, write_volume
from medheart_models.training.data import load_split
from medheart_store import Store
from medheart_work.supervise import Supervisor, parts_for
from medheart_work.thread import StudyResult, run_thread

Locate = Callable[[str], Path]
FORMATS = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd", "dicom")
FILES = {"label.nii.gz", "label.seg.nrrd", "label.dcm", "measurements.json", "report.html", "report.pdf"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Desk:
    """Running servers, and their store."""

    settings: Settings
    store: Store

    def run(self, paths: Sequence[Path], output: Path, **options: str) -> StudyResult:
        """Take one study the whole way."""
        server = LabelServer(self.settings.label_url, client_id="test")
        cases, (result,) = run_thread(self.store, self.settings, server, paths, output, **options)  # type: ignore[arg-type]
        assert all(case.accepted for case in cases), [case.candidate.message for case in cases]
        return result


@pytest.fixture(scope="module")
def desk(installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    there = installation.environment
    settings = Settings(
        home=tmp_path_factory.mktemp("desk"),
        label_port=int(there["MEDHEART_LABEL_PORT"]),
        service_port=int(there["MEDHEART_SERVICE_PORT"]),
        language="en",
        device="cpu",
    )
    shutil.copytree(Settings(home=Path(there["MEDHEART_HOME"])).exports_dir, settings.exports_dir)
    supervisor = Supervisor(settings, parts=parts_for(once=True))
    supervisor.start()
    with supervisor, Store.open(settings.store_dir) as store:
        yield Desk(settings, store)


def written(image: Path, folder: Path, form: str) -> Path:
    """Write a real image in another format."""
    volume = read_image(image)
    volume = Volume(np.rint(volume.array).astype(np.int16), volume.geometry, "MR")
    if form == "dicom":
        names = {"patient_id": "P1", "body_part": "HEAD", "series_description": "T1"}
        return write_dicom_series(folder / "dicom", volume, **names)[0].parent
    return write_volume(folder / f"{image.name.split('.')[0]}{form}", volume)


@pytest.mark.parametrize(("number", "form"), list(enumerate(FORMATS)), ids=FORMATS)
def test_real_hippocampus_in_every_format(
    desk: Desk, test_data: Locate, tmp_path: Path, number: int, form: str
) -> None:
    name = load_split("hippocampus").held_out[number]
    study = written(test_data(f"mr/hippocampus/images/{name}.nii.gz"), tmp_path, form)
    result = desk.run([study], tmp_path / "out")
    assert result.choice.task is not None
    assert result.choice.task.id == "hippocampus"
    folder = tmp_path / "out" / result.study
    assert {path.name for path in folder.iterdir()} == FILES
    schema = load_schema("hippocampus")
    grid = read_image(test_data(f"mr/hippocampus/images/{name}.nii.gz")).geometry
    truth = read_labels(test_data(f"mr/hippocampus/labels/{name}.nii.gz"), schema, like=grid)
    for export in ("label.nii.gz", "label.seg.nrrd", "label.dcm"):
        found = read_labels(folder / export, schema, like=grid)
        assert all(dice(found.mask(value), truth.mask(value)) > 0.7 for value in schema.values), export
    measured = json.loads((folder / "measurements.json").read_text())
    assert measured["source"] == result.versions[0].id


def test_real_dicom_folder_is_segmented(desk: Desk, test_data: Locate, tmp_path: Path) -> None:
    result = desk.run([test_data("dicom/hippocrop_study1")], tmp_path / "out")
    assert {path.name for path in (tmp_path / "out" / result.study).iterdir()} == FILES
    volumes = [label.measurements[1].value for label in result.tables[0].labels]
    assert all(0.5 < volume < 4 for volume in volumes), "a half of a hippocampus, in mL"


def test_real_brain_tumour_of_two_images(desk: Desk, test_data: Locate, tmp_path: Path) -> None:
    case = "mr/brats2013/brats_2013_pat0005_1"
    result = desk.run([test_data(f"{case}_{role}.nii.gz") for role in ("flair", "t1c")], tmp_path / "out")
    assert result.choice.task is not None
    assert result.choice.task.id == "brain-tumour"
    found = desk.store.labels(result.versions[0].id)
    truth = read_image(test_data(f"{case}_label.nii.gz")).array > 0
    assert dice(found.array > 0, truth) > 0.55


def test_real_chest_with_the_task_named(desk: Desk, test_data: Locate, tmp_path: Path) -> None:
    result = desk.run([test_data("ct/lung/lidc_0314_ct.nii.gz")], tmp_path / "out", task_id="lung-nodule")
    assert result.versions[0].schema_id == "lung-nodule"
    assert result.versions[0].counts
    assert {path.name for path in (tmp_path / "out" / result.study).iterdir()} == FILES


def test_multi_frame_dicom_file_is_shown(desk: Desk, test_data: Locate, tmp_path: Path) -> None:
    result = desk.run([test_data("dicom/pydicom_data/parametric_map_double_float.dcm")], tmp_path / "out")
    assert not result.choice
    assert {path.name for path in (tmp_path / "out" / result.study).iterdir()} == {"report.html", "report.pdf"}


def test_study_that_no_task_fits_is_measured_where_it_has_labels(desk: Desk, test_data: Locate, tmp_path: Path) -> None:
    names = ("ct/sts_tumour_2mm/STS_001_ct.nii.gz", "ct/sts_tumour_2mm/STS_001_mask.nii.gz")
    result = desk.run([test_data(name) for name in names], tmp_path / "out")
    assert not result.choice
    (version,) = result.versions
    mask = read_image(test_data(names[1]))
    millilitres = float((mask.array > 0).sum()) * mask.geometry.voxel_volume_mm3 / 1000
    measured = json.loads((tmp_path / "out" / result.study / "measurements.json").read_text())
    assert measured["source"] == version.id
    (label,) = measured["labels"]
    volume = next(one for one in label["measurements"] if one["code"] == "volume")
    assert volume["value"] == pytest.approx(millilitres, rel=1e-3)
