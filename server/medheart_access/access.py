"""From the credentials of a request to an identity."""

from __future__ import annotations

from medheart.errors import NotSignedIn
from medheart.settings import Settings
from medheart_access.identity import LOCAL_OWNER, Identity
from medheart_access.keys import KeyFile

__all__ = ["Access"]


class Access:
    """Decides who a request comes from.

    Parameters
    ----------
    keys : KeyFile
        Keys that are accepted.
    require_login : bool
        Whether requests from this machine need a key even while there is none.
    """

    def __init__(self, keys: KeyFile, *, require_login: bool = False) -> None:
        self.keys = keys
        self._require_login = require_login

    @classmethod
    def open(cls, settings: Settings, *, require_login: bool = False) -> Access:
        """Open the keys of an installation (`access/keys.json` in its home)."""
        keys = KeyFile(settings.home / "access" / "keys.json")
        return cls(keys, require_login=require_login or settings.require_login)

    @property
    def login_required(self) -> bool:
        """Whether every request needs a key: asked for, or a key exists."""
        return self._require_login or bool(self.keys.list())

    def identify(self, authorization: str | None, *, from_here: bool) -> Identity:
        """Return who asks.

        Parameters
        ----------
        authorization : str, optional
            The request's `Authorization` header.
        from_here : bool
            Whether the request comes from a loopback address.

        Raises
        ------
        NotSignedIn
            If a key is needed and none, or a wrong one, came. A wrong key is refused in any case.
        """
        if authorization is None:
            if self.login_required or not from_here:
                raise NotSignedIn("this server needs a key: send `Authorization: Bearer <key>`")
            return LOCAL_OWNER
        scheme, _, token = authorization.partition(" ")
        identity = self.keys.identify(token.strip()) if scheme.lower() == "bearer" else None
        if identity is None:
            raise NotSignedIn("the key is not valid")
        return identity
