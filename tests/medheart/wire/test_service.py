"""The service's wire: error bodies, and the name of an installation."""

from __future__ import annotations

from pathlib import Path

from medheart.wire.service import JOB_NAMES, PREFIX, installation, problem


def test_problem_keeps_its_own_fields_over_facts() -> None:
    body = problem(404, "no study 'x'", code="not_found", study="x")
    assert body == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "code": "not_found",
        "detail": "no study 'x'",
        "study": "x",
    }


def test_installations_differ_by_home_and_do_not_name_it() -> None:
    first, second = installation(Path("/home/a")), installation(Path("/home/b"))
    assert first != second
    assert first == installation(Path("/home/a"))
    assert "home" not in first


def test_job_names_are_unique_words() -> None:
    assert len(set(JOB_NAMES)) == len(JOB_NAMES)
    assert PREFIX.startswith("/")
