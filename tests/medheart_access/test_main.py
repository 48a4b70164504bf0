"""The command line of keys."""

from __future__ import annotations

import pytest

from medheart.settings import Settings
from medheart_access import Access
from medheart_access.__main__ import main


def test_add_list_revoke(capsys):
    assert main(["add", "ann", "--role", "reviewer"]) == 0
    token = capsys.readouterr().out.strip()
    keys = Access.open(Settings.load()).keys
    assert keys.identify(token).role == "reviewer"
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert "ann" in listed
    assert token.rpartition("_")[2] not in listed
    assert main(["revoke", listed.split()[0]]) == 0
    assert keys.identify(token) is None


def test_errors_are_one_line_and_exit_code_1(capsys):
    assert main(["revoke", "nothing"]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_wrong_use_is_exit_code_2():
    with pytest.raises(SystemExit) as caught:
        main(["add"])
    assert caught.value.code == 2
