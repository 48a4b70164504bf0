"""From the credentials of a request to an identity."""

from __future__ import annotations

from medheart.errors import NotSignedIn
from medheart.settings import Settings
from medheart_access.attempts import Attempts
from medheart_access.identity import LOCAL_OWNER, Identity
from medheart_access.keys import Key, KeyFile

__all__ = ["Access"]


class Access:
    """Decides who a request comes from.

    Parameters
    ----------
    keys : KeyFile
        Keys that are accepted.
    require_login : bool
        Whether requests from this machine need a key even while there is none.
    attempts : Attempts, optional
        How many wrong keys one sender may try.
    """

    def __init__(self, keys: KeyFile, *, require_login: bool = False, attempts: Attempts | None = None) -> None:
        self.keys = keys
        self._require_login = require_login
        self._attempts = attempts or Attempts()

    @classmethod
    def open(cls, settings: Settings, *, require_login: bool = False) -> Access:
        """Open the keys of an installation (`access/keys.json` in its home)."""
        keys = KeyFile(settings.home / "access" / "keys.json")
        return cls(keys, require_login=require_login or settings.require_login)

    @property
    def login_required(self) -> bool:
        """Whether every request needs a key: asked for, or a key exists."""
        return self._require_login or bool(self.keys.list())

    def check(self, token: str, *, address: str = "") -> Key:
        """Return the key that a token is.

        Parameters
        ----------
        token : str
            What was sent as a key.
        address : str
            Where it came from.

        Raises
        ------
        NotSignedIn
            If it is no key of this installation.
        Busy
            If too many wrong ones came from this address for the same key. Those that name no key we have
            count together, so that a program with an outdated key locks out nobody else at its address.
        """
        named = self.keys.named(token)
        sender = f"{address} {named.id if named else ''}"
        self._attempts.check(sender)
        key = self.keys.find(token)
        if key is None:
            self._attempts.fail(sender)
            raise NotSignedIn("the key is not valid")
        return key

    def identify(self, authorization: str | None, *, from_here: bool, address: str = "") -> Identity:
        """Return who asks.

        Parameters
        ----------
        authorization : str, optional
            The request's `Authorization` header.
        from_here : bool
            Whether the request comes from a loopback address.
        address : str
            Where it comes from; wrong keys are counted by it.

        Raises
        ------
        NotSignedIn
            If a key is needed and none, or a wrong one, came. A wrong key is refused in any case.
        Busy
            See `check`.
        """
        if authorization is None:
            if self.login_required or not from_here:
                raise NotSignedIn("this server needs a key: send `Authorization: Bearer <key>`")
            return LOCAL_OWNER
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise NotSignedIn("the key is not valid: send `Authorization: Bearer <key>`")
        return self.check(token.strip(), address=address).identity
