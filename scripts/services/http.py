"""One question to a server on loopback."""

from __future__ import annotations

import base64
import http.client

__all__ = ["ask"]


def ask(port: int, path: str, *, user: str = "", password: str = "") -> tuple[int, dict[str, str]]:
    """Return status and headers (names in lower case) of a GET; status 0 where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    headers = {}
    if user:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}
    except (OSError, http.client.HTTPException):
        return 0, {}
    finally:
        connection.close()
