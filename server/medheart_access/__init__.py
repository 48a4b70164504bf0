"""Who asks, and what they may do: identities, keys, sessions, the ASGI middleware, the rule for listening.

Until a key exists and while `require_login` is off, requests from this machine act as the local owner.
"""

from medheart_access.access import Access
from medheart_access.attempts import Attempts
from medheart_access.binding import check_binding, is_loopback
from medheart_access.identity import LOCAL_OWNER, ROLES, Identity
from medheart_access.keys import Key, KeyFile
from medheart_access.middleware import AccessMiddleware, identity_of, session_of
from medheart_access.sessions import Session, Sessions

__all__ = [
    "LOCAL_OWNER",
    "ROLES",
    "Access",
    "AccessMiddleware",
    "Attempts",
    "Identity",
    "Key",
    "KeyFile",
    "Session",
    "Sessions",
    "check_binding",
    "identity_of",
    "is_loopback",
    "session_of",
]
