"""Run stock MONAI Label's own command line beside pydicom 3: `python serve.py start_server …`."""

from __future__ import annotations

from medheart_labeling.stock import allow_pydicom_3

allow_pydicom_3()

from monailabel.main import Main  # noqa: E402  only importable after the line above

if __name__ == "__main__":
    Main().run()
