"""Settings: environment `MEDHEART_*` before `medheart.toml` before defaults.

`medheart.toml` is looked for in the working folder, then in `MEDHEART_HOME`.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from medheart.errors import MedHeartError

__all__ = ["Settings"]

_WORDS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}


@dataclass(frozen=True)
class Settings:
    """Where things are and who may reach them.

    Parameters
    ----------
    home : pathlib.Path
        Data of this installation; `~/.medheart` by default.
    host : str
        Address to listen on; loopback unless told otherwise.
    label_port, service_port : int
        Ports of the label server and of the service.
    language : str
        `en` or `zh`; empty takes the system's.
    device : str
        `auto`, `cpu` or `cuda`.
    require_login : bool
        Whether requests from loopback need an account, too.
    server : str
        Address of a service whose store the command line works on; empty takes this machine's own.
    """

    home: Path = Path("~/.medheart")
    host: str = "127.0.0.1"
    label_port: int = 8000
    service_port: int = 8080
    language: str = ""
    device: str = "auto"
    require_login: bool = False
    server: str = ""

    @classmethod
    def load(cls, **overrides: Any) -> Settings:
        """Read the settings; `overrides` that are not None win.

        Raises
        ------
        MedHeartError
            If a name is unknown or a value has the wrong type; names it.
        """
        home = Path(os.environ.get("MEDHEART_HOME", "~/.medheart")).expanduser()
        values = {**_from_files(home), **_from_environment(), **{k: v for k, v in overrides.items() if v is not None}}
        known = {field.name: field for field in fields(cls)}
        for name in values:
            if name not in known:
                raise MedHeartError(f"unknown setting {name!r}; there are {sorted(known)}", code="settings")
        return cls(**{name: _convert(name, value, type(known[name].default)) for name, value in values.items()})

    def __post_init__(self) -> None:
        object.__setattr__(self, "home", Path(self.home).expanduser().absolute())

    @property
    def label_url(self) -> str:
        """Address of the label server."""
        return f"http://{self.host}:{self.label_port}"

    @property
    def service_url(self) -> str:
        """Address of the service."""
        return f"http://{self.host}:{self.service_port}"

    @property
    def store_dir(self) -> Path:
        """Objects and records."""
        return self.home / "store"

    @property
    def exports_dir(self) -> Path:
        """Networks exported for the runtime, by digest of their weights."""
        return self.home / "exports"

    @property
    def host_socket(self) -> Path:
        """Unix socket of the model host."""
        return self.home / "run" / "host.sock"

    @property
    def jobs_url(self) -> str:
        """SQLAlchemy URL of the job tables."""
        return os.environ.get("MEDHEART_JOBS_URL", f"sqlite:///{self.home / 'jobs.sqlite'}")


def _from_environment() -> dict[str, Any]:
    known = {field.name for field in fields(Settings)}
    names = (name for name in os.environ if name.startswith("MEDHEART_"))
    pairs = ((name.removeprefix("MEDHEART_").lower(), os.environ[name]) for name in names)
    return {name: value for name, value in pairs if name in known}


def _from_files(home: Path) -> dict[str, Any]:
    for path in (Path("medheart.toml"), home / "medheart.toml"):
        if path.is_file():
            try:
                return tomllib.loads(path.read_text(encoding="utf-8"))
            except UnicodeDecodeError as error:
                raise MedHeartError(f"{path}: not UTF-8 ({error}); save it as UTF-8", code="settings") from error
            except tomllib.TOMLDecodeError as error:
                raise MedHeartError(f"{path}: not valid TOML: {error}", code="settings") from error
    return {}


def _convert(name: str, value: Any, kind: Any) -> Any:
    try:
        if kind is bool and isinstance(value, str):
            return _WORDS[value.lower()]
        return Path(value).expanduser() if issubclass(kind, Path) else kind(value)
    except (KeyError, TypeError, ValueError) as error:
        raise MedHeartError(f"setting {name} must be a {kind.__name__}, got {value!r}", code="settings") from error
