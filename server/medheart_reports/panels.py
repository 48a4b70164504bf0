"""Drawing one slice: grey values, coloured labels, letters, scale bar, and lines of what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_erosion

from medheart_reports.fonts import FONT_FILE, SIMPLIFIED

__all__ = ["Box", "Colour", "Panel", "draw_panel", "label_font", "stamp", "write_text"]

Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]

WHITE: Colour = (255, 255, 255)
_STAMP: Colour = (255, 128, 110)
_SHADOW: Colour = (0, 0, 0)
_FILL = 0.30


@dataclass(frozen=True)
class Panel:
    """What is drawn.

    Parameters
    ----------
    grey : numpy.ndarray
        (rows, columns) uint8.
    labels : numpy.ndarray or None
        (rows, columns) label values.
    colours : mapping of int to colour
        RGB of each label value.
    pixel_mm : tuple of float
        Size of a pixel (down, along) in mm.
    crop : tuple of int
        First row, first column, rows, columns of the part that is shown; it may reach beyond the slice.
    letters : mapping of str to str
        At the edges `left`, `right`, `top`, `bottom`.
    lines : sequence of ((row, column), (row, column))
        Drawn with end marks; in pixels of the slice.
    text : str
        In the lower left corner.
    """

    grey: NDArray[np.uint8]
    labels: NDArray[Any] | None
    colours: Mapping[int, Colour]
    pixel_mm: tuple[float, float]
    crop: Box
    letters: Mapping[str, str] = field(default_factory=dict)
    lines: Sequence[tuple[tuple[float, float], tuple[float, float]]] = ()
    text: str = ""

    def scale(self, size: int) -> float:
        """Return drawn pixels per mm so that the crop fits into a square of `size`."""
        return size / max(self.crop[2] * self.pixel_mm[0], self.crop[3] * self.pixel_mm[1])

    def place(self, size: int, row: float, column: float) -> tuple[float, float]:
        """Return where (x, y) in the drawing a point of the slice lies."""
        scale = self.scale(size)
        height, width = (n * mm * scale for n, mm in zip(self.crop[2:], self.pixel_mm, strict=True))
        x = (column + 0.5 - self.crop[1]) * self.pixel_mm[1] * scale + (size - width) / 2
        y = (row + 0.5 - self.crop[0]) * self.pixel_mm[0] * scale + (size - height) / 2
        return x, y


@cache
def label_font(size: int) -> ImageFont.FreeTypeFont:
    """Return the font of the drawings; it has Chinese and Latin letters."""
    return ImageFont.truetype(str(FONT_FILE), size, index=SIMPLIFIED)


def draw_panel(panel: Panel, size: int) -> Image.Image:
    """Return a square picture of `size` pixels, true to scale in mm."""
    scale = panel.scale(size)
    height, width = (max(1, round(n * mm * scale)) for n, mm in zip(panel.crop[2:], panel.pixel_mm, strict=True))
    grey = Image.fromarray(_cut(panel.grey, panel.crop))
    picture = np.array(grey.resize((width, height), Image.Resampling.BICUBIC).convert("RGB"), dtype=np.float32)
    if panel.labels is not None:
        picture = _overlay(picture, _cut(panel.labels, panel.crop), panel.colours)
    canvas = Image.new("RGB", (size, size))
    canvas.paste(Image.fromarray(picture.astype(np.uint8)), ((size - width) // 2, (size - height) // 2))
    draw = ImageDraw.Draw(canvas)
    for start, end in panel.lines:
        _measure_line(draw, panel.place(size, *start), panel.place(size, *end))
    _letters(draw, panel.letters, size)
    _scale_bar(draw, scale, size)
    if panel.text:
        write_text(draw, (0.02 * size, size * 0.985), panel.text, size=_letter_size(size) * 3 // 4, anchor="ld")
    return canvas


def write_text(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    *,
    size: int,
    anchor: str = "mm",
    colour: Colour = WHITE,
) -> None:
    """Write text with a dark rim, readable on any ground; `anchor` as in Pillow."""
    draw.text(
        place, text, colour, font=label_font(size), anchor=anchor, stroke_width=max(1, size // 12), stroke_fill=_SHADOW
    )


def stamp(picture: Image.Image, lines: Sequence[str], tile: int) -> None:
    """Write a notice in the upper left corner of a picture, at most 0.38 times as wide as a square of `tile` pixels."""
    draw = ImageDraw.Draw(picture)
    size = _letter_size(tile)
    while size > 8 and max(draw.textlength(line, font=label_font(size)) for line in lines) > 0.38 * tile:
        size -= 1
    for number, line in enumerate(lines):
        place = (0.015 * tile, 0.008 * tile + 1.25 * number * size)
        write_text(draw, place, line, size=size, anchor="la", colour=_STAMP)


def _letter_size(size: int) -> int:
    return max(11, size // 19)


def _cut(array: NDArray[Any], crop: Box) -> NDArray[Any]:
    """Return a part of a slice; what lies outside is 0."""
    row, column, rows, columns = crop
    result = np.zeros((rows, columns), dtype=array.dtype)
    top, left = max(row, 0), max(column, 0)
    part = array[top : row + rows, left : column + columns]
    result[top - row : top - row + part.shape[0], left - column : left - column + part.shape[1]] = part
    return result


def _overlay(picture: NDArray[np.float32], labels: NDArray[Any], colours: Mapping[int, Colour]) -> NDArray[np.float32]:
    """Lay the labels (rows, columns), drawn to the picture's size, over the picture; it is changed in place."""
    whole = picture.shape[:2]
    scales = [n / m for n, m in zip(whole, labels.shape, strict=True)]
    for value in np.unique(labels[labels != 0]):
        mask = labels == value
        spans = [np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0)]
        top, left = (max(0, int((span[0] - 1) * scale)) for span, scale in zip(spans, scales, strict=True))
        ends = [int((span[-1] + 2) * scale) + 1 for span, scale in zip(spans, scales, strict=True)]
        bottom, right = (min(end, n) for end, n in zip(ends, whole, strict=True))
        box = (left / scales[1], top / scales[0], right / scales[1], bottom / scales[0])
        part = Image.fromarray(np.where(mask, 255, 0).astype(np.uint8))
        part = part.resize((right - left, bottom - top), Image.Resampling.BILINEAR, box=box)
        _tint(picture[top:bottom, left:right], np.asarray(part) >= 128, colours[int(value)], max(1, whole[1] // 300))
    return picture


def _tint(picture: NDArray[np.float32], inside: NDArray[np.bool_], colour: Colour, edge: int) -> None:
    rgb = np.array(colour, dtype=np.float32)
    rim = inside & ~binary_erosion(inside, iterations=edge, border_value=1)
    picture[inside] = picture[inside] * (1 - _FILL) + rgb * _FILL
    picture[rim] = rgb


def _measure_line(draw: ImageDraw.ImageDraw, start: tuple[float, float], end: tuple[float, float]) -> None:
    for colour, width in ((_SHADOW, 4), (WHITE, 2)):
        draw.line([start, end], fill=colour, width=width)
        for x, y in (start, end):
            draw.ellipse([x - width, y - width, x + width, y + width], fill=colour)


def _letters(draw: ImageDraw.ImageDraw, letters: Mapping[str, str], size: int) -> None:
    inset = 0.03 * size
    places = {
        "left": ((inset, size / 2), "lm"),
        "right": ((size - inset, size / 2), "rm"),
        "top": ((size / 2, inset), "ma"),
        "bottom": ((size / 2, size - inset), "md"),
    }
    for edge, letter in letters.items():
        place, anchor = places[edge]
        write_text(draw, place, letter, size=_letter_size(size), anchor=anchor)


def _scale_bar(draw: ImageDraw.ImageDraw, scale: float, size: int) -> None:
    """Draw a bar of a round length, about a fifth of the picture, in the lower right corner."""
    length = next((mm for mm in (200, 100, 50, 20, 10, 5, 2, 1) if mm * scale <= 0.3 * size), 1)
    right, bottom = 0.965 * size, 0.955 * size
    left = right - length * scale
    for colour, width in ((_SHADOW, 5), (WHITE, 3)):
        draw.line([(left, bottom), (right, bottom)], fill=colour, width=width)
        for x in (left, right):
            draw.line([(x, bottom - 5), (x, bottom + 5)], fill=colour, width=width - 1)
    text = f"{length // 10} cm" if length >= 10 else f"{length} mm"
    write_text(draw, ((left + right) / 2, bottom - 0.012 * size), text, size=_letter_size(size) * 3 // 4, anchor="md")
