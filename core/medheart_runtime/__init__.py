"""Runs an exported network: OpenVINO on a CPU, torch on an NVIDIA GPU where there is one.

Importing this package is cheap; the engines are imported by `load_network`.
"""

from medheart_runtime.engine import Network, load_network
from medheart_runtime.sliding import sliding_window

__all__ = ["Network", "load_network", "sliding_window"]
