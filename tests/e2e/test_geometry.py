"""Property: no voxel moves on the whole way, whatever the grid.

A file in every input format, written by another library, by our writers or as a DICOM series, is imported into a
store, segmented by a real network, kept as a version and exported in every format. Other libraries read the
exports. Which voxels are bright is known, so what must be labelled is known: every labelled voxel has to lie at
its place in LPS mm. The expected places are computed here, without `medheart.geometry`.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import nibabel
import nrrd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import generic_filter
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from medheart.geometry import Geometry
from medheart.schema import load_schema
from medheart.settings import Settings
from medheart.task import FieldOfView, Task
from medheart.volume import Volume
from medheart_io import write_dicom_series, write_volume
from medheart_models.predict import Predictor
from medheart_models.preprocessing import canonical_order
from medheart_store import Store
from medheart_work.exporting import write_label
from medheart_work.importing import import_paths

TESTS = Path(__file__).resolve().parents[1]
SOAK = os.environ.get("MEDHEART_SOAK") == "1"
WHOLE_WAY = settings(
    max_examples=250 if SOAK else 6,
    deadline=None,
    derandomize=not SOAK,
    database=None,
    phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if SOAK else [])],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
INPUTS = ("image.nii", "image.nii.gz", "image.nrrd", "image.mha", "image.mhd", "dicom")
EXPORTS = ("label.nii", "label.nii.gz", "label.nrrd", "label.seg.nrrd", "label.mha", "label.mhd", "label.dcm")
SCHEMA = load_schema("hippocampus")
TOLERANCE_MM = 1e-3
LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
BOX_OF_ANY_SIZE = FieldOfView((1, 1, 1), (500, 500, 500))

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600 if SOAK else 300)]

Places = dict[int, NDArray[np.float64]]


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"geometry_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


tiny = _module(TESTS / "medheart_models" / "tiny_tasks.py")
servers = _module(TESTS / "medheart_labeling" / "conftest.py")
home = servers.home
tiny_host = servers.tiny_host
any_server = servers.any_server
server = servers.server


# ---- what goes in -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """An image (K, J, I), its affine from (i, j, k) to LPS mm, and the label that each voxel must get."""

    array: NDArray[Any]
    affine: NDArray[np.float64]
    truth: NDArray[np.uint8]

    @property
    def geometry(self) -> Geometry:
        return Geometry(self.array.shape, self.affine)

    @property
    def places(self) -> Places:
        return lps_places(self.truth.T, self.affine)


def lps_places(labels_ijk: NDArray[Any], affine: NDArray[np.float64]) -> Places:
    """Return the LPS mm (N, 3) of the voxels of each label of an array (I, J, K)."""
    values = [int(value) for value in np.unique(labels_ijk) if value]
    return {value: np.argwhere(labels_ijk == value) @ affine[:3, :3].T + affine[:3, 3] for value in values}


@st.composite
def affines(draw: st.DrawFn) -> NDArray[np.float64]:
    """Any direction, either hand; 0.2 to 6 mm, each axis its own."""
    direction = Rotation.random(random_state=draw(st.integers(0, 2**31))).as_matrix()
    if draw(st.booleans()):  # along the patient's axes, in any order
        direction = np.eye(3)[:, list(draw(st.permutations(range(3))))]
    direction = direction * [draw(st.sampled_from([1, -1])) for _ in range(3)]
    affine = np.eye(4)
    affine[:3, :3] = direction * [draw(st.floats(0.2, 6)) for _ in range(3)]
    affine[:3, 3] = [draw(st.floats(-900, 900)) for _ in range(3)]
    return affine


def brightened(truth: NDArray[np.uint8], noise: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return intensities of which the network's thresholds (0.5 and 1.5, after z-scores) give `truth` exactly.

    Of several ratios between the two labels the one that keeps farthest from the thresholds.
    """
    best, widest = None, 0.05
    for ratio in np.arange(1.5, 8, 0.25):
        array = noise + np.rint(np.array([0, 30, 30 * ratio])).astype(int)[truth]
        foreground = array[array > array.min()]
        scores = (array - foreground.mean()) / foreground.std()
        margin = float(np.abs(scores[..., None] - [0.5, 1.5]).min())
        if margin > widest and np.array_equal((scores > 0.5).astype(int) + (scores > 1.5), truth):
            best, widest = array, margin
    return best


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Volumes of 4 to 11 voxels a side with bright voxels strewn at random."""
    shape = tuple(draw(st.integers(4, 11)) for _ in range(3))
    generator = np.random.default_rng(draw(st.integers(0, 2**31)))
    truth = generator.choice(3, size=shape, p=[0.86, 0.08, 0.06]).astype(np.uint8)
    array = brightened(truth, generator.integers(1, 6, shape))
    assume(array is not None)
    assert array is not None
    kind = draw(st.sampled_from([np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64]))
    return Case(array.astype(kind), draw(affines()), truth)


def write_input(path: Path, case: Case, *, own: bool) -> Path:
    """Write the image, with our writer or with another library."""
    if path.name == "dicom":
        volume = Volume(case.array.astype(np.int16), case.geometry, "MR")
        write_dicom_series(path, volume, patient_id="P1", body_part="HEAD", series_description="T1")
    elif own:
        write_volume(path, Volume(case.array, case.geometry, "MR"))
    elif ".nii" in path.name:
        nibabel.save(nibabel.Nifti1Image(case.array.T, LPS_RAS @ case.affine, dtype=case.array.dtype), path)
    else:
        image = sitk.GetImageFromArray(case.array)
        spacing = np.linalg.norm(case.affine[:3, :3], axis=0)
        image.SetSpacing(spacing.tolist())
        image.SetDirection((case.affine[:3, :3] / spacing).reshape(-1).tolist())
        image.SetOrigin(case.affine[:3, 3].tolist())
        sitk.WriteImage(image, str(path))
    return path


# ---- what comes out, as other libraries see it --------------------------------------------------------------


def places_in(path: Path) -> Places:
    """Read a label file with a library that is not ours."""
    if path.name.endswith(".dcm"):
        return places_in_dicom_seg(path)
    if ".nii" in path.name:
        image = nibabel.load(path)
        return lps_places(np.asarray(image.dataobj), LPS_RAS @ image.affine)
    affine = np.eye(4)
    if path.name.endswith(".nrrd"):
        array, header = nrrd.read(str(path), index_order="F")
        assert header["space"] == "left-posterior-superior"
        affine[:3, :3], affine[:3, 3] = header["space directions"].T, header["space origin"]
        return lps_places(array, affine)
    image = sitk.ReadImage(str(path))
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return lps_places(sitk.GetArrayFromImage(image).T, affine)


def places_in_dicom_seg(path: Path) -> Places:
    """Put every pixel of every frame where the frame's own position, orientation and spacing say."""
    seg = pydicom.dcmread(path)
    shared = seg.SharedFunctionalGroupsSequence[0]
    row_mm, column_mm = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    along = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float).reshape(2, 3)
    names = {int(item.SegmentNumber): str(item.SegmentLabel) for item in seg.SegmentSequence}
    found: dict[int, list[NDArray[np.float64]]] = {}
    frames = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    for frame, group in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        number = int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        corner = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        rows, columns = np.nonzero(frame)
        points = corner + columns[:, None] * column_mm * along[0] + rows[:, None] * row_mm * along[1]
        found.setdefault(SCHEMA.by_name(names[number]).value, []).append(points)
    return {value: np.concatenate(points) for value, points in found.items() if sum(map(len, points))}


def assert_same_places(found: Mapping[int, Any], expected: Mapping[int, Any], what: str) -> None:
    assert set(found) == set(expected), what
    for value, points in expected.items():
        assert len(found[value]) == len(points), f"{what}: label {value}"
        distance, nearest = cKDTree(found[value]).query(points)
        assert distance.max() < TOLERANCE_MM, f"{what}: label {value} lies {distance.max():.4f} mm beside its place"
        assert len(set(nearest)) == len(points), what


# ---- the whole way ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    """A store, a loaded network and the settings of both."""

    settings: Settings
    store: Store
    predictor: Predictor


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    own = Settings(home=tmp_path_factory.mktemp("site"), device="cpu")
    tiny.export_networks(own)
    with Store.open(own.store_dir) as store:
        yield Site(own, store, Predictor(own))


def task_for(geometry: Geometry) -> Task:
    """Return the tiny task with the spacing of the image, so that nothing is interpolated."""
    spacing = geometry.reoriented(*canonical_order(geometry)).spacing.tolist()
    preprocessing = {**tiny.TINY.preprocessing, "spacing_mm": spacing}
    return replace(tiny.TINY, preprocessing=preprocessing, field_of_view=BOX_OF_ANY_SIZE, max_slice_thickness_mm=10.0)


@pytest.mark.parametrize("name", INPUTS)
@WHOLE_WAY
@given(case=cases(), own=st.booleans())
def test_every_voxel_stays_at_its_place(site: Site, name: str, case: Case, own: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = write_input(Path(folder) / name, case, own=own)
        (imported,) = import_paths(site.store, site.settings, [source])
        assert imported.accepted, imported.candidate.message
        volume = site.store.volume(imported.series)
        prediction = site.predictor.segment([volume], task_for(volume.geometry))
        version = site.store.add_version(
            prediction.labels, image=imported.series, author="test", origin=prediction.origin
        )
        for export in EXPORTS:
            path = write_label(site.store, version.id, Path(folder) / export)
            assert_same_places(places_in(path), case.places, f"{name} to {export}")


def sure(truth: NDArray[np.uint8], reach: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Return where all voxels within `reach` (k, j, i) have one label, so that interpolation changes none."""
    size = [2 * n + 1 for n in reach]
    return np.asarray(generic_filter(truth, np.ptp, size=size, mode="nearest") == 0)


def resampled_case() -> Case:
    """An oblique, left-handed, anisotropic image that the network sees on another grid."""
    truth = np.zeros((16, 22, 30), np.uint8)
    truth[3:9, 4:15, 3:17] = 1
    truth[10:15, 9:20, 16:28] = 2
    direction = Rotation.from_euler("xyz", [14, -23, 31], degrees=True).as_matrix() * [1, -1, 1]
    affine = np.eye(4)
    affine[:3, :3] = direction * [0.8, 1.25, 1.7]
    affine[:3, 3] = [-31.5, 60.25, 411.125]
    array = brightened(truth, np.random.default_rng(9).integers(1, 6, truth.shape))
    assert array is not None
    return Case(array.astype(np.int16), affine, truth)


def test_the_label_server_moves_no_voxel(server: Any, tmp_path: Path) -> None:
    """Over HTTP: upload, infer in every format, submit, export what the server's store then holds."""
    case = resampled_case()
    image = server.put_image(Volume(case.array, case.geometry, "MR", {"body_part": "HEAD"}))
    answers = {}
    for ending in (".nii.gz", ".nii", ".nrrd", ".seg.nrrd", ".mha"):
        reply = server.infer("hippocampus", image, output="image", result_extension=ending)
        assert reply.status_code == 200, reply.text
        path = tmp_path / f"answer{ending}"
        path.write_bytes(reply.content)
        answers[ending] = places_in(path)
    check_against_truth(answers[".nii.gz"], case)
    kept = server.put_label_file(tmp_path / "answer.nii.gz", image, model="hippocampus")
    assert kept.status_code == 200, kept.text
    with Store.open(Settings(home=server.home).store_dir) as store:
        head = store.head(image)
        assert head is not None
        for export in EXPORTS:
            answers[export] = places_in(write_label(store, head.id, tmp_path / export))
    for what, found in answers.items():
        assert_same_places(found, answers[".nii.gz"], what)


def check_against_truth(found: Places, case: Case) -> None:
    """Every voxel that is far from a border has its label, and no label lies on no voxel."""
    labels = np.zeros(case.truth.shape[::-1], np.uint8)
    for value, points in found.items():
        index = (points - case.affine[:3, 3]) @ np.linalg.inv(case.affine[:3, :3]).T
        whole = np.rint(index).astype(int)
        beside = (index - whole) @ case.affine[:3, :3].T
        assert np.linalg.norm(beside, axis=1).max() < TOLERANCE_MM
        labels[tuple(whole.T)] = value
    known = sure(case.truth, (1, 1, 2))
    assert {int(value) for value in np.unique(case.truth[known])} == {0, 1, 2}
    np.testing.assert_array_equal(labels.T[known], case.truth[known])
