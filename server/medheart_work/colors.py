"""Colours for labels of which no schema says any."""

from __future__ import annotations

import colorsys

__all__ = ["color_of"]

_PALETTE = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))
"""Told apart also by those who do not see all colours (Okabe and Ito 2008, without black)."""

_GOLDEN = 0.6180339887498949
"""Turning the hue by the golden ratio keeps every further colour away from those before it."""


def color_of(place: int) -> tuple[int, int, int]:
    """Return red, green and blue (0 to 255) for the label in this place of a list, counted from 0."""
    if place < len(_PALETTE):
        return _PALETTE[place]
    red, green, blue = colorsys.hsv_to_rgb(place * _GOLDEN % 1.0, 0.55 + 0.2 * (place % 3), 0.95 - 0.15 * (place % 2))
    return round(255 * red), round(255 * green), round(255 * blue)
