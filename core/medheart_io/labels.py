"""Label maps in files. One schema is enforced on every path; values are never renumbered."""

from __future__ import annotations

from pathlib import Path

from medheart.geometry import Geometry
from medheart.schema import LabelSchema
from medheart.volume import LabelMap
from medheart_io.boundary import reject, rejecting
from medheart_io.images import plan_file
from medheart_io.metaimage import write_metaimage
from medheart_io.nifti import write_nifti
from medheart_io.nrrd import write_nrrd
from medheart_io.placing import place
from medheart_io.seg_nrrd import read_seg_nrrd, write_seg_nrrd
from medheart_io.sniff import sniff
from medheart_io.streams import LABEL_ALLOWANCE
from medheart_io.voxels import as_label_array

__all__ = ["read_labels", "write_labels"]


def read_labels(path: str | Path, schema: LabelSchema, *, like: Geometry | None = None) -> LabelMap:
    """Read a label map: NIfTI, NRRD, `.seg.nrrd`, MetaImage or DICOM SEG, found by content.

    Parameters
    ----------
    path : path-like
        File.
    schema : LabelSchema
        Meaning of the values; a `.seg.nrrd` or DICOM SEG must name its segments as the schema does.
    like : Geometry, optional
        Grid of the image. The label map is laid onto it without interpolation: it may be a part of it and
        its axes may run in another order or direction, but its voxels must coincide.

    Raises
    ------
    ImageRejected
        If the file cannot be used, or holds values that are not whole numbers from 0 to 65535.
    SchemaError
        If values or segments differ from the schema; names them.
    GeometryError
        If the voxels do not coincide with those of `like`.
    """
    path = Path(path)
    kind = sniff(path)
    if kind == "dicom":
        from medheart_io.dicom_seg_reader import read_dicom_seg

        return read_dicom_seg(path, schema, like=like)
    with rejecting(path):
        if kind == "nrrd":
            labels = read_seg_nrrd(path, schema)
        else:
            plan = plan_file(path, kind, allowance=LABEL_ALLOWANCE)
            labels = LabelMap(as_label_array(plan.read(), schema, path), plan.geometry, schema)
    return labels if like is None else place(labels, like)


def write_labels(path: str | Path, labels: LabelMap, *, title: str = "Segmentation") -> Path:
    """Write a label map as `.nii.gz`, `.seg.nrrd`, `.nrrd`, `.mha` or `.mhd`, as `write_volume` does.

    DICOM SEG needs to know its image and who made it: see `write_dicom_seg`.

    Parameters
    ----------
    path : path-like
        Target; its ending selects the format.
    labels : LabelMap
        Values are kept as they are.
    title : str
        Name inside a `.seg.nrrd`, `descrip` of NIfTI, `content` of NRRD, `Comment` of MetaImage; ASCII.
    """
    path = Path(path)
    if path.name.endswith(".seg.nrrd"):
        write_seg_nrrd(path, labels, title=title)
    elif path.name.endswith((".nii", ".nii.gz")):
        write_nifti(path, labels.array, labels.geometry, title=title)
    elif path.suffix == ".nrrd":
        write_nrrd(path, labels.array, labels.geometry, fields={"content": title})
    elif path.suffix in {".mha", ".mhd"}:
        write_metaimage(path, labels.array, labels.geometry, title=title)
    else:
        expected = ".nii.gz, .seg.nrrd, .nrrd, .mha or .mhd"
        raise reject(path, f"unknown ending for a label map, expected {expected}", "unknown_format")
    return path
