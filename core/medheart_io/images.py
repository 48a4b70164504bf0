"""Volumes in files: reading any supported format, writing NIfTI, NRRD and MetaImage."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from medheart.volume import Volume
from medheart_io.boundary import is_folder, reject
from medheart_io.metaimage import plan_metaimage, write_metaimage
from medheart_io.nifti import plan_nifti, write_nifti
from medheart_io.nrrd import plan_nrrd, write_nrrd
from medheart_io.sniff import Format, sniff
from medheart_io.streams import ALLOWANCE
from medheart_io.voxels import FilePlan

__all__ = ["as_choices", "plan_file", "read_image", "write_volume"]

_WRITTEN = {"b1", "u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"}
_PLANS = {"nifti": plan_nifti, "nrrd": plan_nrrd, "metaimage": plan_metaimage}


def plan_file(
    path: Path, kind: Format, *, choices: frozenset[str] = frozenset(), allowance: int = ALLOWANCE
) -> FilePlan:
    """Check the header of a NIfTI, NRRD or MetaImage file; raises as the format's reader does."""
    if kind not in _PLANS:
        raise reject(path, f"is a {kind} file, expected NIfTI, NRRD or MetaImage", "unknown_format")
    return _PLANS[kind](path, choices=choices, allowance=allowance)


def as_choices(choice: str | Iterable[str] | None) -> frozenset[str]:
    """Return the choices as a set; one string is one choice."""
    if choice is None:
        return frozenset()
    return frozenset([choice]) if isinstance(choice, str) else frozenset(choice)


def read_image(path: str | Path, *, choice: str | Iterable[str] | None = None) -> Volume:
    """Read one image: a file, or a folder (or zip) that holds exactly one usable case.

    The format is found by content: DICOM, NIfTI, NRRD, MetaImage.

    Parameters
    ----------
    path : path-like
        File or folder.
    choice : str or iterable of str, optional
        Answers to what `NeedsChoice` asked before.

    Returns
    -------
    Volume
        Array (K, J, I) in stored units (HU for CT), grid in LPS mm, `meta` free of identity.

    Raises
    ------
    ImageRejected
        If it cannot be used; `code` and message say why.
    NeedsChoice
        If a person must choose; `choices` lists how.
    """
    path, choices = Path(path), as_choices(choice)
    if not is_folder(path) and (kind := sniff(path)) in _PLANS:
        return plan_file(path, kind, choices=choices).volume()
    from medheart_io.scanning import read_only_case

    return read_only_case(path, choices=choices)


def write_volume(path: str | Path, volume: Volume) -> Path:
    """Write a volume as `.nii`, `.nii.gz`, `.nrrd`, `.mha` or `.mhd` + `.raw`.

    Every file is written whole or not at all. `.mhd` and `.raw` are two: if the machine stops between them, the
    old header stands beside new voxels, so prefer `.mha` where an older file is replaced.

    Parameters
    ----------
    path : path-like
        Target; its ending selects the format.
    volume : Volume
        Image (K, J, I); voxel values and types are kept (bool, integers up to 32 bits, float32, float64).

    Returns
    -------
    pathlib.Path
        The file written.
    """
    path = Path(path)
    if volume.array.dtype.str[1:] not in _WRITTEN:
        raise reject(path, f"voxels of type {volume.array.dtype} cannot be written", "unsupported_type")
    if path.name.endswith((".nii", ".nii.gz")):
        write_nifti(path, volume.array, volume.geometry)
    elif path.suffix == ".nrrd":
        write_nrrd(path, volume.array, volume.geometry)
    elif path.suffix in {".mha", ".mhd"}:
        write_metaimage(path, volume.array, volume.geometry)
    else:
        expected = ".nii, .nii.gz, .nrrd, .mha or .mhd"
        raise reject(path, f"unknown ending for an image, expected {expected}", "unknown_format")
    return path
