"""Names from outside: nothing that could be a path gets through."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from medheart.errors import MedHeartError
from medheart_labeling.ids import annotator_name, check_id, check_query, id_from_filename, safe_ending


@settings(deadline=None)
@given(st.text(max_size=80))
@example("..")
@example("a/b")
@example("a\n")
@example("é")
@example("a" * 65)
def test_what_passes_is_an_id(text):
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text, re.ASCII):
        assert check_id("image", text) == text
    else:
        with pytest.raises(MedHeartError) as caught:
            check_id("image", text)
        assert caught.value.code == "bad_id"


@pytest.mark.parametrize("value", [None, 5, ["a"], b"a"])
def test_only_text_is_an_id(value):
    with pytest.raises(MedHeartError):
        check_id("image", value)


def test_every_value_of_a_repeated_parameter_is_checked():
    check_query([("image", "a"), ("session_id", ""), ("output", "../x")])
    with pytest.raises(MedHeartError):
        check_query([("image", "a"), ("image", "/etc/passwd")])


@settings(deadline=None)
@given(st.text(max_size=60))
@example("../../etc/passwd.nii.gz")
@example("C:\\x\\scan.nii")
def test_a_file_name_becomes_an_id_or_nothing(name):
    found = id_from_filename(name)
    assert found is None or check_id("image", found) == found
    assert safe_ending(name) in {"", ".nii.gz", ".seg.nrrd", ".nii", ".nrrd", ".mha", ".dcm", ".zip"}


def test_file_names_of_every_day():
    assert id_from_filename("case_7.nii.gz") == "case_7"
    assert id_from_filename("C:\\scans\\case-8.NRRD") == "case-8"
    assert id_from_filename("王小明.nii.gz") is None
    assert id_from_filename(None) is None


def test_who_an_annotator_is():
    assert annotator_name("local", "user-xyz", is_local=True) == "user-xyz"
    assert annotator_name("local", None, is_local=True) == "local"
    assert annotator_name("key", "user-xyz", is_local=False) == "key/user-xyz"
    assert annotator_name("key", "key", is_local=False) == "key"
    with pytest.raises(MedHeartError):
        annotator_name("key", "a/b", is_local=False)
