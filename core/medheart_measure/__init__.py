"""Measuring: every number of a label map, in the patient's millimetres, with its method and definition.

Written on numpy, SciPy and cc3d: no compiling at run time, so a small label is measured as soon as they are imported.
"""

from medheart_measure.engine import measure
from medheart_measure.quantities import Quantity, load_quantities
from medheart_measure.table import ComponentMeasurements, LabelMeasurements, MeasurementTable

__all__ = [
    "ComponentMeasurements",
    "LabelMeasurements",
    "MeasurementTable",
    "Quantity",
    "load_quantities",
    "measure",
]
