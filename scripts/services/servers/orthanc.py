"""Orthanc of the system's packages, with its DICOMweb plugin, a storage folder and ports of its own."""

from __future__ import annotations

import json
from typing import Any

from scripts.services.http import ask
from scripts.services.place import TABLE, Place
from scripts.services.processes import Launch
from scripts.services.sources import install_packages, need_program

__all__ = ["launch"]

_NAME = "orthanc"
_USER = "medheart"


def launch(place: Place) -> Launch:
    """Install it where it is missing, write its configuration, and say how to start it."""
    part = TABLE[_NAME]
    install_packages(place, _NAME, part["packages"])
    program = need_program("Orthanc", "orthanc and orthanc-dicomweb")
    folder, port, password = place.of(_NAME), part["port"], place.secret(_NAME)
    configuration = folder / "orthanc.json"
    place.write_private(configuration, json.dumps(_configuration(str(folder), part, password), indent=2))
    return Launch(
        command=[program, str(configuration)],
        ports=(port,),
        ready=lambda: ask(port, "/dicom-web/studies", user=_USER, password=password)[0] == 200,
        entry={
            "url": f"http://127.0.0.1:{port}",
            "dicomweb_url": f"http://127.0.0.1:{port}/dicom-web",
            "user": _USER,
            "secret_file": str(place.secret_file(_NAME)),
        },
    )


def _configuration(folder: str, part: dict[str, Any], password: str) -> dict[str, Any]:
    return {
        "Name": "medheart",
        "StorageDirectory": f"{folder}/storage",
        "IndexDirectory": f"{folder}/storage",
        "Plugins": ["/usr/share/orthanc/plugins"],
        "HttpPort": part["port"],
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {_USER: password},
        # Its DICOM listener cannot be kept to loopback; DICOMweb refuses whoever is not on it.
        "DicomServerEnabled": False,
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": False},
    }
