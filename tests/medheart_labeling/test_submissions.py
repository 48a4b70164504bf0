"""What a submit follows, what a model's draft follows, and what files and info say of a label."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pydicom
import pytest

from medheart.errors import MedHeartError
from medheart.geometry import Geometry
from medheart.records import Series, Study
from medheart.schema import load_schema
from medheart.volume import LabelMap, Volume
from medheart_io import write_labels
from medheart_labeling.cases import Cases
from medheart_labeling.files import FileCache
from medheart_labeling.labels import Labels
from medheart_labeling.notes import Notes
from medheart_labeling.scoring import ScoreRuns
from medheart_labeling.submissions import Submissions
from medheart_store import Store

GRID = Geometry.from_parts(shape=(6, 5, 4), spacing=(1, 1, 1))
LOCAL = "local"


class Desk:
    """An image in a store, and annotators who work on it as their clients let them."""

    def __init__(self, store, notes, folder):
        self.store, self.folder = store, folder
        cases = Cases(store, notes, FileCache(folder / "files"))
        self.labels = Labels(store, cases, notes, FileCache(folder / "files"))
        self.submissions = Submissions(store, cases, self.labels, notes)

    def download(self, name=LOCAL):
        """Download the label that is shown, as this name."""
        self.labels.shown(name, "x", self.store.current("x"))

    def draw(self, slices, schema="hippocampus"):
        """Return a label map of the first slices."""
        array = np.zeros(GRID.shape, np.uint8)
        array[:slices] = 1
        return LabelMap(array, GRID, load_schema(schema))

    def submit(self, annotator, slices, *, alias=LOCAL, schema="hippocampus", **params):
        """Submit a label and return whether it is the head."""
        path = write_labels(self.folder / "sent.nii.gz", self.draw(slices, schema))
        params = {"schema": schema, **params}
        tag = params.pop("tag", "final")
        version = self.submissions.submit(path, "x", tag=tag, annotator=annotator, params=params, aliases=[alias])
        return self.store.head("x", schema_id=schema) == version

    def predict(self, slices, *, schema="hippocampus", tag="original"):
        """Keep a model's result."""
        return self.submissions.add_prediction(
            self.draw(slices, schema), "x", origin=f"{schema}@1", annotator="model", tag=tag, meta={"task": schema}
        )


@pytest.fixture
def desk(tmp_path):
    """Return a desk with an image without labels."""
    notes = Notes(tmp_path / "notes.sqlite")
    with Store.open(tmp_path / "store") as store:
        store.add_study(Study("s", "p", "", ""))
        store.add_series(Series("x", "s", "MR", "", "", "", {}), Volume(np.zeros(GRID.shape, np.int16), GRID, "MR"))
        yield Desk(store, notes, tmp_path)
    notes.close()


def test_what_another_one_downloaded_under_the_same_name_is_no_base(desk):
    assert desk.submit("a", 1)
    desk.download()
    assert desk.submit("b", 2)
    desk.download()  # by whom, nobody can tell
    assert not desk.submit("a", 3), "a never saw what b made"
    assert desk.store.head("x").author == "b"


def test_who_works_alone_follows_what_they_downloaded_and_submitted(desk):
    desk.labels.shown_image(LOCAL, "x")
    assert desk.submit("a", 1)
    assert desk.submit("a", 2), "the image without a label was downloaded before"
    back = desk.store.restore(desk.store.versions("x")[0].id, author="reader")
    desk.store.add_event(back.id, "state", "submitted", "reader")
    desk.download()
    assert desk.submit("a", 3)


def test_names_of_other_keys_make_no_guess_necessary(desk):
    assert desk.submit("ann/slicer", 1, alias="ann")
    assert desk.submit("bob/slicer", 2, alias="bob")
    desk.download("ann")
    assert desk.submit("ann/slicer", 3, alias="ann")


def test_segmenting_again_and_submitting_again_is_no_conflict(desk):
    for slices in (1, 3):
        draft = desk.predict(slices)
        assert draft.state == "draft"
        assert desk.submit("a", slices + 1, base=draft.id)
    draft = desk.predict(2)
    assert desk.submit("b", 5, base=desk.store.head("x").id)
    with pytest.raises(MedHeartError) as caught:
        desk.submit("a", 3, base=draft.id)
    assert caught.value.code == "conflict"


def test_a_models_label_is_never_final(desk):
    with pytest.raises(MedHeartError, match="final") as caught:
        desk.predict(1, tag="final")
    assert caught.value.code == "bad_tag"
    assert desk.store.versions("x") == []


def test_info_names_the_values_of_every_label(desk):
    names = {label.name: label.value for label in load_schema("hippocampus").labels}
    info = desk.labels.info(desk.predict(2))
    assert (info["model"], info["params"]) == ("hippocampus", {"label_names": names})
    desk.submit("a", 3, params={"level": "easy"})
    assert desk.labels.info(desk.store.head("x"))["params"] == {"level": "easy", "label_names": names}


@pytest.mark.parametrize("ending", [".nii.gz", ".seg.nrrd", ".dcm"])
def test_files_of_research_models_say_so_also_after_an_edit(desk, ending):
    draft = desk.predict(2, schema="brain-tumour")
    desk.submit("a", 3, schema="brain-tumour", base=draft.id)
    desk.submit("a", 3)
    said = [title_of(desk.labels.file(version, ending=ending)) for version in desk.store.versions("x")]
    assert ["for research only" in title.lower() for title in said] == [True, True, False], said


def title_of(path):
    if path.name.endswith(".dcm"):
        return pydicom.dcmread(path).SeriesDescription
    if path.name.endswith(".nii.gz"):
        return bytes(nib.load(path).header["descrip"]).decode()
    return path.read_bytes().split(b"\n\n", 1)[0].decode()


def test_labels_of_different_organs_have_no_score_and_stop_none(desk):
    desk.store.add_series(Series("y", "s", "MR", "", "", "", {}), Volume(np.ones(GRID.shape, np.int16), GRID, "MR"))
    for tag in ("final", "original"):
        path = write_labels(desk.folder / "sent.nii.gz", desk.draw(2))
        desk.submissions.submit(path, "y", tag=tag, annotator="a", params={"schema": "hippocampus"})
    desk.predict(1, schema="brain-tumour")
    desk.submit("a", 1)
    runs = ScoreRuns(desk.store, desk.labels)
    result = runs.run("dice", {})
    runs.close()
    assert list(result["scores"]) == ["y"]
    assert "brain-tumour" in result["errors"]["x"]
