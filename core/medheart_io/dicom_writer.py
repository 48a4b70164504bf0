"""Writing a volume as a DICOM series: CT Image or MR Image Storage, one file per slice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart import __version__
from medheart.volume import Volume
from medheart_io.boundary import reject
from medheart_io.streams import replacing

__all__ = ["SeriesFacts", "series_datasets", "write_dicom_series"]

_SOP_CLASSES = {"CT": "1.2.840.10008.5.1.4.1.1.2", "MR": "1.2.840.10008.5.1.4.1.1.4"}
_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
_MANUFACTURER = "MedHeart"


@dataclass(frozen=True)
class SeriesFacts:
    """What a written series says beside its voxels; texts may be Chinese.

    Parameters
    ----------
    patient_id, patient_name, patient_sex, patient_birth_date
        Patient; sex is `M`, `F`, `O` or empty, the date `YYYYMMDD` or empty.
    study_description, series_description, body_part, series_number
        As shown in a viewer; body part is a DICOM BodyPartExamined value.
    when
        Date and time of the study; empty values where None.
    """

    patient_id: str
    patient_name: str = ""
    patient_sex: str = ""
    patient_birth_date: str = ""
    study_description: str = ""
    series_description: str = ""
    body_part: str = ""
    series_number: int = 1
    when: datetime | None = None


def write_dicom_series(
    folder: str | Path,
    volume: Volume,
    *,
    patient_id: str,
    patient_name: str = "",
    patient_sex: str = "",
    patient_birth_date: str = "",
    study_description: str = "",
    series_description: str = "",
    body_part: str = "",
    series_number: int = 1,
    when: datetime | None = None,
) -> list[Path]:
    """Write one file per slice, `IM0001.dcm` …, in order of position.

    UIDs follow from the voxels and the texts, so that the same call writes the same series.

    Parameters
    ----------
    folder : path-like
        Made where missing.
    volume : Volume
        Array (K, J, I); `modality` must be `CT` or `MR`. 8- and 16-bit integers are kept exactly; other
        types are spread over 16 bits by slope and intercept (error at most half a slope).
    patient_id, patient_name, patient_sex, patient_birth_date, study_description, series_description, body_part
        See `SeriesFacts`.
    series_number : int
        SeriesNumber.
    when : datetime, optional
        Time of the study.

    Returns
    -------
    list of pathlib.Path
        The files.
    """
    facts = SeriesFacts(
        patient_id,
        patient_name,
        patient_sex,
        patient_birth_date,
        study_description,
        series_description,
        body_part,
        series_number,
        when,
    )
    written = []
    for number, dataset in enumerate(series_datasets(volume, facts), start=1):
        path = Path(folder) / f"IM{number:04d}.dcm"
        with replacing(path) as temporary:
            dataset.save_as(temporary, enforce_file_format=True)
        written.append(path)
    return written


def series_datasets(volume: Volume, facts: SeriesFacts, *, pixels: bool = True) -> list[Any]:
    """Return the data sets of a series, with or without their pixels.

    Parameters
    ----------
    volume : Volume
        As for `write_dicom_series`.
    facts : SeriesFacts
        Texts.
    pixels : bool
        False leaves the pixels out, where only the references matter.
    """
    if volume.modality not in _SOP_CLASSES:
        raise reject(
            "volume", f"modality {volume.modality!r} cannot be written as DICOM, expected CT or MR", "unsupported_type"
        )
    stored, slope, intercept = _stored(volume.array, keep=volume.array.dtype.kind in "iub")
    uids = _uids(volume, facts)
    common = _common(volume, facts, uids)
    common.update(_pixel_module(stored, slope, intercept, volume.modality))
    return [_slice(volume, common, stored, k, uids, pixels=pixels) for k in range(volume.geometry.shape[0])]


def _stored(array: NDArray[Any], *, keep: bool) -> tuple[NDArray[Any], float, float]:
    """Return 16-bit stored values with slope and intercept."""
    low, high = float(array.min()), float(array.max())
    if keep and low >= -(2**15) and high < 2**15:
        return array.astype(np.int16), 1.0, 0.0
    if keep and low >= 0 and high < 2**16:
        return array.astype(np.uint16), 1.0, 0.0
    # A DS value has at most 16 characters: take the slope as written.
    slope = float(f"{max((high - low) / 65000, 1e-12):.9e}")
    intercept = float(f"{low:.8e}")
    return np.clip(np.rint((array - intercept) / slope), 0, 65535).astype(np.uint16), slope, intercept


def _uids(volume: Volume, facts: SeriesFacts) -> dict[str, str]:
    from pydicom.uid import generate_uid

    seed = [volume.digest, facts.patient_id, facts.study_description, facts.series_description, str(facts.when)]
    patient = [facts.patient_id, facts.study_description, str(facts.when)]
    return {
        "study": str(generate_uid(entropy_srcs=["study", *patient])),
        "frame": str(generate_uid(entropy_srcs=["frame", *patient])),
        "series": str(generate_uid(entropy_srcs=["series", *seed, str(facts.series_number)])),
    }


def _common(volume: Volume, facts: SeriesFacts, uids: dict[str, str]) -> Any:
    from pydicom.dataset import Dataset

    date = facts.when.strftime("%Y%m%d") if facts.when else ""
    time = facts.when.strftime("%H%M%S") if facts.when else ""
    values = {
        "SpecificCharacterSet": "ISO_IR 192",
        "ImageType": ["DERIVED", "SECONDARY", "AXIAL"]
        if volume.modality == "CT"
        else ["DERIVED", "SECONDARY", "OTHER"],
        "SOPClassUID": _SOP_CLASSES[volume.modality],
        "StudyDate": date,
        "SeriesDate": date,
        "StudyTime": time,
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "Modality": volume.modality,
        "Manufacturer": _MANUFACTURER,
        "ManufacturerModelName": "medheart_io",
        "SoftwareVersions": __version__,
        "StudyDescription": facts.study_description,
        "SeriesDescription": facts.series_description,
        "PatientID": facts.patient_id,
        "PatientName": facts.patient_name,
        "PatientBirthDate": facts.patient_birth_date,
        "PatientSex": facts.patient_sex,
        "BodyPartExamined": facts.body_part,
        "PatientPosition": "HFS",
        "StudyInstanceUID": uids["study"],
        "SeriesInstanceUID": uids["series"],
        "FrameOfReferenceUID": uids["frame"],
        "PositionReferenceIndicator": "",
        "StudyID": "1",
        "SeriesNumber": facts.series_number,
        "AcquisitionNumber": 1,
    }
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    for keyword in ("KVP",) if volume.modality == "CT" else ("EchoTime", "EchoTrainLength", "MRAcquisitionType"):
        setattr(dataset, keyword, None if keyword != "MRAcquisitionType" else "3D")
    if volume.modality == "MR":
        dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions = "RM", "NONE", ""
    return dataset


def _pixel_module(stored: NDArray[Any], slope: float, intercept: float, modality: str) -> Any:
    from pydicom.dataset import Dataset
    from pydicom.valuerep import DSfloat

    dataset = Dataset()
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape[1:]
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    if modality == "CT" or slope != 1 or intercept:
        dataset.RescaleSlope, dataset.RescaleIntercept = DSfloat(slope, True), DSfloat(intercept, True)
        dataset.RescaleType = "HU" if modality == "CT" else "US"
    return dataset


def _slice(volume: Volume, common: Any, stored: NDArray[Any], k: int, uids: dict[str, str], *, pixels: bool) -> Any:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import generate_uid
    from pydicom.valuerep import DSfloat

    geometry = volume.geometry
    dataset = Dataset()
    dataset.update(common)
    dataset.SOPInstanceUID = str(generate_uid(entropy_srcs=[uids["series"], str(k)]))
    dataset.InstanceNumber = k + 1
    position = geometry.index_to_lps([0, 0, k])
    dataset.ImagePositionPatient = [DSfloat(float(v), True) for v in position]
    dataset.ImageOrientationPatient = [DSfloat(float(v), True) for v in geometry.direction[:, :2].T.reshape(-1)]
    i, j, between = (float(s) for s in geometry.spacing)
    dataset.PixelSpacing = [DSfloat(j, True), DSfloat(i, True)]
    dataset.SliceThickness = DSfloat(between, True)
    dataset.SpacingBetweenSlices = DSfloat(between, True)
    if pixels:
        dataset.PixelData = stored[k].astype(stored.dtype.newbyteorder("<")).tobytes()
        dataset["PixelData"].VR = "OW"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = _EXPLICIT_LITTLE
    dataset.file_meta = meta
    return dataset
