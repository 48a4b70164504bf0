"""The words of MedHeart: domain types, geometry, label schemas, errors, wire formats.

Needs numpy and scipy only, so that it runs inside 3D Slicer as shipped.
Import names from the submodules; this file re-exports the types that every part uses.
"""

from medheart.errors import ImageRejected, MedHeartError
from medheart.geometry import Geometry
from medheart.schema import Code, LabelClass, LabelSchema
from medheart.volume import LabelMap, Volume

__all__ = ["Code", "Geometry", "ImageRejected", "LabelClass", "LabelMap", "LabelSchema", "MedHeartError", "Volume"]

__version__ = "0.1.0"
