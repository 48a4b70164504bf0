"""The table of measurements of one label map, and its JSON form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from medheart.records import Measurement
from medheart_measure.quantities import load_quantities

__all__ = ["ComponentMeasurements", "LabelMeasurements", "MeasurementTable"]


def _find(measurements: tuple[Measurement, ...], code: str) -> Measurement:
    for measurement in measurements:
        if measurement.code == code:
            return measurement
    raise KeyError(f"{code!r} was not measured; there are {[m.code for m in measurements]}")


@dataclass(frozen=True)
class ComponentMeasurements:
    """One connected part of a label: `index` 1 is the largest."""

    index: int
    measurements: tuple[Measurement, ...]

    def __getitem__(self, code: str) -> Measurement:
        """Return the measurement of a quantity; KeyError names those there are."""
        return _find(self.measurements, code)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"index": self.index, "measurements": [m.to_dict() for m in self.measurements]}


@dataclass(frozen=True)
class LabelMeasurements:
    """One label of the schema.

    Parameters
    ----------
    value, name : int, str
        As in the schema.
    measurements : tuple of Measurement
        Of the whole label; of a label without a voxel only its count, volume and number of components, all 0.
    components : tuple of ComponentMeasurements
        Largest first; the smallest may be left out (see `MeasurementTable.warnings`).
    """

    value: int
    name: str
    measurements: tuple[Measurement, ...]
    components: tuple[ComponentMeasurements, ...] = ()

    def __getitem__(self, code: str) -> Measurement:
        """Return the measurement of a quantity; KeyError names those there are."""
        return _find(self.measurements, code)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "value": self.value,
            "name": self.name,
            "measurements": [m.to_dict() for m in self.measurements],
            "components": [c.to_dict() for c in self.components],
        }


@dataclass(frozen=True)
class MeasurementTable:
    """All measurements of a label map.

    Parameters
    ----------
    labels : tuple of LabelMeasurements
        Every label of the schema, in its order.
    schema_id : str
        Label schema.
    source : str
        Id of the label version, empty where there is none.
    warnings : tuple of str
        `single_slice` (the extent across the slice is the slice spacing, not measured),
        `components_limited` (small components were counted but not listed), `orientation-assumed` (the planes are
        named as if the grid lay in the patient as assumed; nothing was measured along the patient's directions).
    """

    labels: tuple[LabelMeasurements, ...]
    schema_id: str = ""
    source: str = ""
    warnings: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> LabelMeasurements:
        """Return the label of that name; KeyError names those there are."""
        for label in self.labels:
            if label.name == name:
                return label
        raise KeyError(f"no label {name!r}; there are {[label.name for label in self.labels]}")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; `quantities` says of every code used what it means, in English and Chinese."""
        codes = {m.code for label in self.labels for m in label.measurements}
        return {
            "format": "medheart-measurements/1",
            "source": self.source,
            "schema": self.schema_id,
            "labels": [label.to_dict() for label in self.labels],
            "warnings": list(self.warnings),
            "quantities": {code: q.to_dict() for code, q in load_quantities().items() if code in codes},
        }
