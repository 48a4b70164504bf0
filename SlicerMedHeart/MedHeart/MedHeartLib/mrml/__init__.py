"""MRML and MedHeart's types, both ways. Of the application only `slicer` and `vtk`; the scene is an argument."""
