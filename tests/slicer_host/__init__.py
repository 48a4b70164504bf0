"""What of 3D Slicer's application the panel needs, so that it runs on slicer-core and PySide6.

Scene, MRML and `slicer.util` are Slicer's own; Qt is real. The rest here is ours and small: PythonQt's way to
name signals and properties, three Slicer widgets, base classes of a scripted module. So it proves what the
module does with signals, parameters and scene; not how Slicer's own widgets behave. Nothing of the module
knows it.
"""

from __future__ import annotations

from slicer_host.application import Panel, openPanel

__all__ = ["Panel", "openPanel"]
