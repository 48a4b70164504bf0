from medheart_labeling.app import MedHeartApp  # noqa: D100, F401  MONAI Label looks for a class in this file
