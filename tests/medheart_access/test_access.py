"""From credentials to an identity."""

from __future__ import annotations

import pytest

from medheart.errors import AccessError, NotAllowed, NotSignedIn
from medheart.settings import Settings
from medheart_access import LOCAL_OWNER, ROLES, Access, Identity


@pytest.fixture
def access(tmp_path):
    """Return the access of a new installation."""
    return Access.open(Settings(home=tmp_path))


def test_before_the_first_key_this_machine_is_the_owner(access):
    assert access.identify(None, from_here=True) is LOCAL_OWNER
    with pytest.raises(NotSignedIn):
        access.identify(None, from_here=False)


def test_the_first_key_switches_login_on_for_everybody(access):
    token = access.keys.add("ann", "annotator")
    assert access.login_required
    with pytest.raises(NotSignedIn):
        access.identify(None, from_here=True)
    assert access.identify(f"Bearer {token}", from_here=False).name == "ann"
    assert access.identify(f"bearer {token}", from_here=True).role == "annotator"


def test_login_can_be_asked_for_without_a_key(tmp_path):
    access = Access.open(Settings(home=tmp_path, require_login=True))
    with pytest.raises(NotSignedIn):
        access.identify(None, from_here=True)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic YTpi", "Bearer  ", "mh_0_x"])
def test_wrong_credentials_are_refused_even_where_none_are_needed(access, header):
    with pytest.raises(NotSignedIn):
        access.identify(header, from_here=True)


def test_a_role_includes_the_ones_below_it():
    for n, role in enumerate(ROLES):
        who = Identity("x", role)
        assert who.roles == ROLES[: n + 1]
        for lower in ROLES[: n + 1]:
            who.require(lower)
        for higher in ROLES[n + 1 :]:
            with pytest.raises(NotAllowed, match=higher):
                who.require(higher)


def test_an_unknown_role_is_refused():
    with pytest.raises(AccessError, match="king"):
        Identity("x", "king")
