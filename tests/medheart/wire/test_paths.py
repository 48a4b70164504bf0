"""Folders of a server stay out of what it tells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medheart.wire.paths import without_paths


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("/srv/mh/exports/ab/model.xml: no network", "model.xml: no network"),
        (
            "[Errno 2] No such file or directory: '/home/Dr Li/a b/model.bin'",
            "[Errno 2] No such file or directory: 'model.bin'",
        ),
        ('cannot open "/data/x.nii.gz"', 'cannot open "x.nii.gz"'),
        ("PosixPath('/tmp/uploads/7f/scan.dcm')", "PosixPath('scan.dcm')"),
        ("from /a/b/c to /d/e/f", "from c to f"),
        ("folder (/srv/mh/exports/)", "folder (…)"),
        ("~/.medheart/store/db.sqlite is locked", "db.sqlite is locked"),
        ("sqlite:////srv/mh/jobs.sqlite do not answer", "jobs.sqlite do not answer"),
        (r"C:\Users\li\model.xml: gone", "model.xml: gone"),
        ("/数据/甲/影像.nii.gz：无法读取", "影像.nii.gz：无法读取"),
        ("path=/opt/mh/x.bin", "path=x.bin"),
    ],
)
def test_folders_go_and_names_stay(told, kept):
    assert without_paths(told) == kept


@pytest.mark.parametrize(
    "text",
    [
        "the label server at http://127.0.0.1:8000/info/ does not answer",
        "spacing 0.5/0.5/1 mm, 3/4 of 120 tiles",
        "version a1b2 of series ct-1: 1 × 2",
        "either/or, and/or",
        "send `Authorization: Bearer <key>`",
        "",
    ],
)
def test_what_is_no_path_stays(text):
    assert without_paths(text) == text


def test_values_are_gone_through():
    told = {"message": "/a/b/c.txt", "where": [{"path": "/a/b/d"}, 5, None], "n": 1.5}
    assert without_paths(told) == {"message": "c.txt", "where": [{"path": "d"}, 5, None], "n": 1.5}


PARTS = st.text("abcXYZ019._-+@甲", min_size=1, max_size=8).filter(lambda part: part.strip("."))


SENTENCES = ["{}: bad", "'{}'", "open {}", "({})", "a {}, b", "={}"]


@given(st.lists(PARTS, min_size=2, max_size=5), st.sampled_from(SENTENCES))
def test_no_folder_of_any_path_is_left(parts, sentence):
    folder = "/" + "/".join(parts[:-1])
    assert folder not in without_paths(sentence.format(f"{folder}/{parts[-1]}"))
