"""The pictures of a report: planes through the largest finding, close-ups, a montage, and a view in space.

Pictures hold no words but letters and numbers that are the same in both languages (the research notice is bilingual),
so they are drawn once for a report in any language.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from medheart.task import RESEARCH_ONLY
from medheart_reports.content import LANGUAGES, ReportContent
from medheart_reports.panels import Box, Colour, Panel, draw_panel, stamp, write_text
from medheart_reports.scene import Camera, Glass, camera_for, render
from medheart_reports.surfaces import Mesh, body_surfaces, label_surface
from medheart_reports.views import PLANES, Plane, View, edge_letters, view_of
from medheart_reports.windows import Window, choose_window

__all__ = ["KINDS", "Figures", "Picture", "draw_figures"]

KINDS = ("planes", "close_ups", "montage", "space")
"""Kinds of pictures, in the order of `Figures.pictures`."""

VoxelBox = tuple[slice, slice, slice]

_SIZE = 720
_CLOSE_UP = 420
_SPACE = 640
_TILE = 300
_MONTAGE = (2, 4)
_CLOSE_UPS = 5
_SPECK = 0.01
"""Share of the largest part's volume below which a part gets no close-up."""
_CLOSE_UP_MM = (30.0, 2.0)
"""Smallest side of a close-up, and how many times the lesion's axial extent it shows."""
_WITHIN, _SMALLER = 0.8, 0.9
_GLASS_LABELS = 6
_LINES = ("long_axis_axial", "short_axis_axial")


@dataclass(frozen=True)
class Picture:
    """One picture.

    Parameters
    ----------
    name : str
        File name without ending: `axial`, `coronal`, `sagittal`, `surface`, `montage`, `part-<label>-<component>`.
    png : bytes
        The picture.
    facts : dict
        What a caption says: `plane`, `slice`, `slices`, `position_mm`, `label`, `component`, `from`, `to`.
    """

    name: str
    png: bytes
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Figures:
    """All pictures of a report and the window they are shown with."""

    pictures: tuple[Picture, ...]
    window: Window

    def named(self, name: str) -> Picture | None:
        """Return the picture of that name, None where it was not drawn."""
        return next((picture for picture in self.pictures if picture.name == name), None)


def draw_figures(content: ReportContent, *, kinds: Collection[str] = KINDS) -> Figures:
    """Draw the pictures of a report.

    Without labels, or with empty ones, the planes go through the middle of the image, and there is nothing else.

    Parameters
    ----------
    content : ReportContent
    kinds : collection of str
        Which to draw of `planes`, `close_ups`, `montage` and `space`; all by default.

    Raises
    ------
    ValueError
        If a kind is unknown.
    """
    if not set(kinds) <= set(KINDS):
        raise ValueError(f"kinds of pictures are {KINDS}, got {tuple(kinds)}")
    drawing = _Drawing(content)
    drawn = [kind for kind in KINDS if kind in kinds and (kind == "planes" or drawing.boxes)]
    pictures = [picture for kind in drawn for picture in getattr(drawing, kind)()]
    return Figures(tuple(pictures), drawing.window)


class _Drawing:
    """What all pictures of one report share."""

    def __init__(self, content: ReportContent) -> None:
        self.content = content
        self.view: View = view_of(content.image, content.labels)
        self.window = choose_window(content.image, content.labels)
        classes = content.labels.schema.labels if content.labels else ()
        self.colours: Mapping[int, Colour] = {label.value: label.color for label in classes}

    @cached_property
    def boxes(self) -> dict[int, VoxelBox]:
        """Box (z, y, x) of every label that has a voxel."""
        if self.view.labels is None:
            return {}
        found = enumerate(ndimage.find_objects(self.view.labels), start=1)
        return {value: box for value, box in found if box is not None}

    @cached_property
    def labelled(self) -> VoxelBox | None:
        """Box (z, y, x) of everything labelled, None where there is nothing."""
        if not self.boxes:
            return None
        sides = zip(*self.boxes.values(), strict=True)
        low, high = zip(*((min(s.start for s in side), max(s.stop for s in side)) for side in sides), strict=True)
        return slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2])

    @cached_property
    def focus(self) -> tuple[int, int, int] | None:
        """For each axis (z, y, x) the slice with the largest area of the largest connected part of all labels."""
        if self.view.labels is None or self.labelled is None:
            return None
        marked, _ = ndimage.label(self.view.labels[self.labelled], structure=np.ones((3, 3, 3)))
        sizes = np.bincount(marked.reshape(-1))
        sizes[0] = 0
        largest = marked == int(sizes.argmax())
        areas = (largest.sum(axis=others) for others in ((1, 2), (0, 2), (0, 1)))
        z, y, x = (box.start + int(area.argmax()) for box, area in zip(self.labelled, areas, strict=True))
        return z, y, x

    def index(self, plane: Plane) -> int:
        """Return the slice in focus, else the middle one."""
        if self.focus is None:
            return self.view.geometry.shape[plane.normal] // 2
        return self.focus[plane.normal]

    def has(self, plane: Plane) -> bool:
        """Whether slices of a plane are more than a line of voxels."""
        shape = self.view.geometry.shape
        return min(shape[plane.rows], shape[plane.columns]) > 1 or max(shape) == 1

    def planes(self) -> Iterator[Picture]:
        """Yield the three planes, each over the whole field of view; of a single slice only its own plane."""
        for plane in filter(self.has, PLANES):
            index = self.index(plane)
            picture = draw_panel(self.panel(plane, index), _SIZE)
            yield self.picture(plane.name, picture, self.facts(plane, index))

    def panel(self, plane: Plane, index: int, crop: Box | None = None, *, lines: Any = (), text: str = "") -> Panel:
        """Return one slice as it is drawn."""
        view = self.view
        grey = self.window.apply(view.slice_of(view.image, plane, index))
        labels = None if view.labels is None else view.slice_of(view.labels, plane, index)
        letters = edge_letters(view, plane) if self.content.oriented else {}
        whole = (0, 0, grey.shape[0], grey.shape[1])
        return Panel(grey, labels, self.colours, view.pixel_mm(plane), crop or whole, letters, lines, text)

    def facts(self, plane: Plane, index: int) -> dict[str, Any]:
        """Return what a caption says of a slice."""
        number, count = self.view.stored_slice(plane, index)
        position = self.view.position_mm(plane, index)
        return {"plane": plane.name, "slice": number, "slices": count, "position_mm": round(position, 1)}

    def close_ups(self) -> Iterator[Picture]:
        """Yield the largest parts in their axial slice of the longest diameter, with both axes drawn."""
        plane = PLANES[0]
        for label, component in _largest_parts(self.content.measurements or {}) if self.has(plane) else ():
            found = {m["code"]: m for m in component["measurements"]}
            ends = np.array([found[code]["points"] for code in _LINES])
            pixels = self.view.to_pixels(ends.reshape(-1, 3), plane).reshape(2, 2, 2)
            index = round(float(self.view.geometry.lps_to_index(ends[0, 0])[2]))
            crop = self._around(pixels.reshape(-1, 2), plane, float(found[_LINES[0]]["value"]))
            panel = self.panel(plane, index, crop, lines=[(tuple(a), tuple(b)) for a, b in pixels.tolist()])
            facts = {**self.facts(plane, index), "label": label["name"], "component": component["index"]}
            yield self.picture(
                f"part-{label['value']}-{component['index']}", draw_panel(panel, _CLOSE_UP), facts, tile=_CLOSE_UP
            )

    def _around(self, points: NDArray[np.float64], plane: Plane, length: float) -> Box:
        middle = (points.min(axis=0) + points.max(axis=0)) / 2
        side = max(_CLOSE_UP_MM[0], _CLOSE_UP_MM[1] * length)
        rows, columns = (max(1, round(side / mm)) for mm in self.view.pixel_mm(plane))
        return round(middle[0] - rows / 2 + 0.5), round(middle[1] - columns / 2 + 0.5), rows, columns

    def montage(self) -> Iterator[Picture]:
        """Yield one picture of axial slices, evenly through those that hold a label."""
        plane = PLANES[0]
        if self.view.labels is None or self.labelled is None or not self.has(plane):
            return
        through, down, along = self.labelled
        rows, columns = _MONTAGE
        held = through.start + np.flatnonzero(self.view.labels[self.labelled].any(axis=(1, 2)))
        count = min(rows * columns, held.size)
        chosen = held[np.linspace(0, held.size - 1, count).round().astype(int)]
        crop = self._square(down, along, plane)
        sheet = Image.new("RGB", (columns * _TILE, -(-len(chosen) // columns) * _TILE))
        for number, index in enumerate(chosen[::-1]):
            position = self.facts(plane, int(index))["position_mm"]
            tile = draw_panel(self.panel(plane, int(index), crop, text=f"z {position:.1f} mm".replace("-", "−")), _TILE)
            sheet.paste(tile, (number % columns * _TILE, number // columns * _TILE))
        facts = {"plane": plane.name, "count": len(chosen)}
        yield self.picture("montage", sheet, facts, tile=_TILE)

    def _square(self, down: slice, along: slice, plane: Plane) -> Box:
        pixel = self.view.pixel_mm(plane)
        side = max((part.stop - part.start) * mm for part, mm in zip((down, along), pixel, strict=True)) * 1.25 + 20
        rows, columns = (max(1, round(side / mm)) for mm in pixel)
        return (down.start + down.stop - rows) // 2, (along.start + along.stop - columns) // 2, rows, columns

    def space(self) -> Iterator[Picture]:
        """Yield the view in space; a single slice has none."""
        view = self.view
        if view.labels is None or min(view.geometry.shape) == 1:
            return
        meshes = []
        for value, box in self.boxes.items():
            mesh = label_surface(view.labels, value, view.geometry, box=box)
            if mesh is not None:
                meshes.append((mesh, self.colours[value]))
        few = len(meshes) <= _GLASS_LABELS
        outer = [few and any(_encloses(mesh, inner) for inner, _ in meshes) for mesh, _ in meshes]
        labels = [entry for entry, glassy in zip(meshes, outer, strict=True) if not glassy]
        glass = [Glass(*entry, cover=0.12, edge=0.5) for entry, glassy in zip(meshes, outer, strict=True) if glassy]
        glass += [Glass(mesh) for mesh in body_surfaces(view.image, self.content.image.modality, view.geometry)]
        camera = camera_for([*(mesh for mesh, _ in labels), *(one.mesh for one in glass)])
        picture = Image.fromarray(render(labels, glass, camera, _SPACE))
        if self.content.oriented:
            _draw_axes(picture, camera)
        yield self.picture("surface", picture, {}, tile=_SPACE)

    def picture(self, name: str, image: Image.Image, facts: dict[str, Any], *, tile: int = _SIZE) -> Picture:
        """Return a finished picture; one for research only says so, in letters fit for a tile of that size."""
        if self.content.research:
            stamp(image, [RESEARCH_ONLY[language] for language in reversed(LANGUAGES)], tile)
        buffer = io.BytesIO()
        image.save(buffer, "PNG", compress_level=6)
        return Picture(name, buffer.getvalue(), facts)


def _largest_parts(measurements: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Return label and component (JSON form) of the largest parts, by volume."""
    parts = [(label, part) for label in measurements.get("labels", ()) for part in label["components"]]
    volumes = [next(m["value"] for m in part["measurements"] if m["code"] == "volume") for _, part in parts]
    order = sorted(range(len(parts)), key=lambda n: -volumes[n])
    return [parts[n] for n in order[:_CLOSE_UPS] if volumes[n] >= _SPECK * volumes[order[0]]]


def _encloses(outer: Mesh, inner: Mesh) -> bool:
    """Whether most of one surface's box lies within that of a larger one, which would hide it."""
    boxes = [(mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)) for mesh in (outer, inner)]
    (low, high), (inner_low, inner_high) = boxes
    sizes = [float(np.prod(b - a)) for a, b in boxes]
    shared = np.clip(np.minimum(high, inner_high) - np.maximum(low, inner_low), 0, None)
    return sizes[1] < _SMALLER * sizes[0] and float(np.prod(shared)) >= _WITHIN * sizes[1]


def _draw_axes(picture: Image.Image, camera: Camera) -> None:
    """Draw the directions left, front and head of the patient in the lower left corner."""
    draw = ImageDraw.Draw(picture)
    size = picture.height
    middle = np.array([0.12 * size, 0.88 * size])
    for letter, direction in (("L", (1.0, 0.0, 0.0)), ("A", (0.0, -1.0, 0.0)), ("S", (0.0, 0.0, 1.0))):
        step = np.array([camera.right @ np.array(direction), -(camera.up @ np.array(direction))])
        end, text = middle + step * 0.055 * size, middle + step * 0.085 * size
        draw.line([tuple(middle), tuple(end)], fill=(220, 226, 236), width=3)
        write_text(draw, (float(text[0]), float(text[1])), letter, size=size // 30)
