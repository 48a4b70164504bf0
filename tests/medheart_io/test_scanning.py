"""Folders with mixed content: one candidate per case, with status, code and message."""

from __future__ import annotations

import errno
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from medheart.errors import ImageRejected, NeedsChoice
from medheart.volume import Volume
from medheart_io import load, read_image, scan, write_volume
from medheart_io.dicom_file import DicomFile
from medheart_io.dicom_frames import Frame
from medheart_io.dicom_series import group_series, plan_series

MakeSeries = Callable[..., list[Path]]
KEYS = {"path", "status", "code", "message", "kind", "shape", "spacing_mm", "orientation"}


def test_json_form(series: list[Path]) -> None:
    (found,) = scan([series[0].parent])
    data = json.loads(json.dumps(found.to_dict()))
    assert set(data) >= KEYS
    assert data["path"] == str(series[0].parent)
    assert (data["status"], data["code"], data["kind"]) == ("accepted", "ok", "volume")
    assert (data["shape"], data["spacing_mm"], data["orientation"]) == ([8, 12, 10], [2.5, 0.9, 0.8], "LPS")
    assert not {"name", "patient_id", "identity"} & set(data)


def test_mixed_folder(tmp_path: Path, make_series: MakeSeries, volume: Volume) -> None:
    make_series(tmp_path / "dicom")
    write_volume(tmp_path / "a.nii.gz", volume)
    write_volume(tmp_path / "b.mhd", volume)
    (tmp_path / "broken.nrrd").write_bytes(b"NRRD0004\nnonsense\n")
    (tmp_path / "notes.txt").write_text("hello")
    found = {c.path.name: c for c in scan([tmp_path])}
    assert {name: c.status for name, c in found.items()} == {
        "a.nii.gz": "accepted",
        "b.mhd": "accepted",
        "broken.nrrd": "rejected",
        "dicom": "accepted",
    }
    assert all(c.skipped == ("notes.txt",) for c in found.values())
    for name in ("a.nii.gz", "b.mhd"):
        np.testing.assert_array_equal(load(found[name]).array, volume.array)
    with pytest.raises(ImageRejected, match=r"broken\.nrrd"):
        load(found["broken.nrrd"])


def test_read_image_asks_which_of_several(tmp_path: Path, volume: Volume) -> None:
    write_volume(tmp_path / "a.nii.gz", volume)
    write_volume(tmp_path / "b.nii.gz", volume)
    with pytest.raises(NeedsChoice, match="2 images") as caught:
        read_image(tmp_path)
    for choice in caught.value.choices:
        assert read_image(tmp_path, choice=choice).digest == volume.digest


def test_folders_without_images(tmp_path: Path) -> None:
    (found,) = scan([tmp_path])
    assert (found.status, found.code) == ("rejected", "no_image")
    with pytest.raises(ImageRejected, match="holds no files"):
        read_image(tmp_path)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    with pytest.raises(ImageRejected, match="none of its 1 files is DICOM, NIfTI, NRRD or MetaImage"):
        read_image(tmp_path)


def test_named_files_are_never_skipped(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    found = scan([tmp_path / "notes.txt", tmp_path / "nothing.nii"])
    assert {c.path.name: c.code for c in found} == {"notes.txt": "unknown_format", "nothing.nii": "not_found"}


def test_named_files_are_one_set(series: list[Path]) -> None:
    (found,) = scan(series)
    assert found.geometry is not None
    assert found.geometry.shape == (8, 12, 10)


def test_series_spread_over_folders(tmp_path: Path, series: list[Path]) -> None:
    whole = read_image(series[0].parent)
    for number, path in enumerate(series):
        target = tmp_path / "disc" / f"A{number // 3}"
        target.mkdir(parents=True, exist_ok=True)
        path.rename(target / f"I{number}")
    (found,) = scan([tmp_path / "disc"])
    np.testing.assert_array_equal(load(found).array, whole.array)


def test_two_copies_of_a_series_stay_apart(tmp_path: Path, series: list[Path]) -> None:
    shutil.copytree(series[0].parent, tmp_path / "copy")
    found = scan([tmp_path])
    assert [c.status for c in found] == ["accepted", "accepted"]
    assert len({c.id for c in found}) == 2


def test_two_patients(tmp_path: Path, make_series: MakeSeries, volume: Volume) -> None:
    make_series(tmp_path / "in" / "one", patient_id="P1", patient_name="王^小明")
    make_series(tmp_path / "in" / "two", patient_id="P2")
    write_volume(tmp_path / "in" / "anonymous.nii.gz", volume)
    found = {c.path.name: c for c in scan([tmp_path / "in"])}
    assert {c.code for c in found.values()} == {"several_patients"}
    assert list(found["one"].choices.values()) == ["patient 1 of 2, images: 1"]
    assert list(found["one"].named_choices.values()) == ["王小明 (P1)"]
    assert len(found["anonymous.nii.gz"].named_choices) == 2
    for candidate in found.values():
        public = json.dumps([candidate.to_dict(), candidate.error().to_dict()], ensure_ascii=False)
        assert "小明" not in public
        assert "P1" not in public
    assert len(found["anonymous.nii.gz"].choices) == 2
    with pytest.raises(NeedsChoice):
        load(found["one"], next(iter(found["two"].choices)))
    assert load(found["one"], next(iter(found["one"].choices))).array.shape == (8, 12, 10)


def test_links_are_not_followed(tmp_path: Path, make_series: MakeSeries) -> None:
    outside = make_series(tmp_path / "outside")
    inside = tmp_path / "inside"
    make_series(inside / "series", patient_id="P2")
    (inside / "linked").symlink_to(outside[0].parent)
    (inside / "one.dcm").symlink_to(outside[0])
    (found,) = scan([inside])
    assert found.identity.patient_id == "P2"
    assert found.skipped == ("one.dcm",)


def test_the_directory_of_a_disc_is_skipped(series: list[Path]) -> None:
    dataset = pydicom.dcmread(series[0])
    directory = pydicom.Dataset()
    directory.file_meta = dataset.file_meta
    directory.file_meta.MediaStorageSOPClassUID = pydicom.uid.MediaStorageDirectoryStorage
    directory.FileSetID = "DISC"
    directory.save_as(series[0].parent / "DICOMDIR", enforce_file_format=True)
    (found,) = scan([series[0].parent])
    assert (found.status, found.skipped) == ("accepted", ("DICOMDIR",))


def test_special_files_do_not_block(tmp_path: Path, make_series: MakeSeries) -> None:
    make_series(tmp_path / "in")
    os.mkfifo(tmp_path / "in" / "pipe.dcm")
    (found,) = scan([tmp_path / "in"])
    assert found.status == "accepted"


def test_names_that_are_no_utf8(tmp_path: Path, volume: Volume) -> None:
    name = os.fsdecode("肝脏.nii.gz".encode("gb18030"))
    write_volume(tmp_path / "a.nii.gz", volume).rename(tmp_path / name)
    (found,) = scan([tmp_path])
    text = json.dumps(found.to_dict(), ensure_ascii=False)
    assert "肝脏.nii.gz" in text
    text.encode()
    assert load(found).digest == volume.digest


def test_zip_of_a_series(tmp_path: Path, series: list[Path]) -> None:
    with zipfile.ZipFile(tmp_path / "series.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in series:
            archive.write(path, f"study/{path.name}")
    zipped = read_image(tmp_path / "series.zip")
    assert zipped.digest == read_image(series[0].parent).digest
    (found,) = scan([tmp_path / "series.zip"])
    assert (found.status, found.code) == ("rejected", "archive")


def test_a_copy_elsewhere_has_the_same_ids(tmp_path: Path, make_series: MakeSeries, volume: Volume) -> None:
    make_series(tmp_path / "here" / "dicom")
    for name in ("a.nii.gz", "b.nii.gz"):
        write_volume(tmp_path / "here" / name, volume)
    (tmp_path / "here" / "broken.nrrd").write_bytes(b"nothing")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    here, there = ([c.id for c in scan([tmp_path / name])] for name in ("here", "there"))
    assert here == there
    assert len(set(here)) == 4


def test_files_of_one_name_in_two_folders_are_two_cases(tmp_path: Path, volume: Volume) -> None:
    paths = [tmp_path / name / "image.nii.gz" for name in ("one", "two")]
    for path in paths:
        path.parent.mkdir()
        write_volume(path, volume)
    assert len({c.id for c in scan(paths)}) == 2


def test_looking_for_damage_costs_nothing_where_there_is_none(
    series: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folders of a series are gathered once, not once more for each of its files."""
    asked: list[Path] = []
    parent = Path.parent.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(Path, "parent", property(lambda path: asked.append(path) or parent(path)))
    (found,) = scan([series[0].parent])
    assert found.status == "accepted"
    assert len(asked) < 6 * len(series)


def test_frames_in_countless_planes_are_one_refused_image(tmp_path: Path) -> None:
    """Each frame would be compared with the plane of every other."""
    path = tmp_path / "fan.dcm"
    texts = {"SeriesInstanceUID": "1.2", "Modality": "MR", "PhotometricInterpretation": "MONOCHROME2"}
    turns = np.radians(np.linspace(0, 170, 300))
    frames = tuple(
        Frame(path, n, (0.0, 0.0, 0.0), (np.cos(a), np.sin(a), 0.0, 0.0, 0.0, 1.0), (1.0, 1.0))
        for n, a in enumerate(turns)
    )
    few = DicomFile(path, texts, {"Rows": 4, "Columns": 4}, frames=frames[:200])
    assert len(group_series([few])) == 200
    (whole,) = group_series([DicomFile(path, texts, {"Rows": 4, "Columns": 4}, frames=frames)])
    assert len(whole.frames) == 300
    with pytest.raises(ImageRejected, match="planes") as caught:
        plan_series(whole)
    assert caught.value.code == "bad_header"


def test_no_answer_holds_half_characters(tmp_path: Path, series: list[Path]) -> None:
    """Names in GB18030 are names of files, and part of messages, of lists and of errors."""
    folder = tmp_path / os.fsdecode("影像".encode("gb18030"))
    series[0].parent.rename(folder)
    files = sorted(folder.iterdir())
    cut = folder / os.fsdecode("断层(三).dcm".encode("gb18030"))
    files[3].rename(cut)
    cut.write_bytes(cut.read_bytes()[:-40])
    (folder / os.fsdecode("说明.txt".encode("gb18030"))).write_text("hello")
    (found,) = scan([folder])
    text = json.dumps([found.to_dict(), found.error().to_dict()], ensure_ascii=False)
    text.encode()
    assert "断层(三).dcm" in found.message
    assert "影像" in found.message
    assert found.to_dict()["skipped"] == ["说明.txt"]
    assert found.message.count("断层") == 1


def test_two_images_of_one_file_have_two_ids(tmp_path: Path, make_series: MakeSeries) -> None:
    """A choice that selects both is none."""
    path = tmp_path / "both.dcm"
    dataset = pydicom.dcmread(make_series(tmp_path / "one")[0])
    planes = {"axial": [1, 0, 0, 0, 1, 0], "sagittal": [0, 1, 0, 0, 0, -1]}
    frames = []
    for direction in planes.values():
        for n in range(3):
            normal = np.cross(direction[:3], direction[3:])
            group = pydicom.Dataset()
            for macro, keyword, value in (
                ("PlanePositionSequence", "ImagePositionPatient", list(normal * 2.0 * n)),
                ("PlaneOrientationSequence", "ImageOrientationPatient", direction),
                ("PixelMeasuresSequence", "PixelSpacing", [1, 1]),
            ):
                item = pydicom.Dataset()
                setattr(item, keyword, value)
                setattr(group, macro, [item])
            frames.append(group)
    dataset.NumberOfFrames = len(frames)
    dataset.PerFrameFunctionalGroupsSequence = frames
    dataset.PixelData = dataset.PixelData * len(frames)
    dataset.save_as(path)
    found = scan([path])
    assert [c.status for c in found] == ["accepted", "accepted"]
    assert len({c.id for c in found}) == 2
    with pytest.raises(NeedsChoice) as caught:
        read_image(path)
    assert len(caught.value.choices) == 2
    read = {read_image(path, choice=choice).geometry.orientation for choice in caught.value.choices}
    assert read == {c.geometry.orientation for c in found if c.geometry}
    assert len(read) == 2


def test_names_that_no_disk_takes() -> None:
    with pytest.raises(ImageRejected, match="cannot be read"):
        read_image("a" * 300)
    (found,) = scan(["a" * 300])
    assert (found.status, found.code) == ("rejected", "unreadable")


def deny(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    """Let the system refuse one place, as it does a user without rights."""

    def refusing(real: Callable[..., object]) -> Callable[..., object]:
        def call(path: str | Path, *args: object, **options: object) -> object:
            if Path(path) == place:
                raise PermissionError(errno.EACCES, "Permission denied", str(place))
            return real(path, *args, **options)

        return call

    monkeypatch.setattr(os, "scandir", refusing(os.scandir))
    monkeypatch.setattr(Path, "open", refusing(Path.open))


def test_a_slice_that_may_not_be_read_is_not_left_out(series: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the last slice nothing is missing in between: the volume would only be shorter."""
    deny(monkeypatch, series[-1])
    (found,) = scan([series[0].parent])
    assert (found.status, found.code) == ("needs_choice", "unreadable")
    assert series[-1].name in found.message
    assert load(found, "skip-damaged").geometry.shape[0] == 7


def test_a_folder_that_may_not_be_read_is_named(
    tmp_path: Path, series: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    disc = tmp_path / "disc"
    for number, path in enumerate(series):
        (disc / f"A{number // 3}").mkdir(parents=True, exist_ok=True)
        path.rename(disc / f"A{number // 3}" / path.name)
    deny(monkeypatch, disc / "A2")
    (found,) = scan([disc])
    assert (found.status, found.code) == ("needs_choice", "unreadable")
    assert "A2 (cannot be read (Permission denied))" in found.message
    deny(monkeypatch, disc / "A1")
    assert {c.path.name: c.status for c in scan([disc])} == {"A0": "accepted", "A1": "rejected", "A2": "rejected"}
