"""The font of pictures and PDF: Noto Sans CJK, which has Chinese and Latin letters; shipped as a package."""

from __future__ import annotations

import io
from importlib import resources
from pathlib import Path

__all__ = ["FAMILY", "FONT_FILE", "SIMPLIFIED", "subset_font"]

FONT_FILE = Path(str(resources.files("noto_cjk_sans_otc") / "NotoSansCJK-Regular.ttc"))
FAMILY = "Noto Sans CJK SC"
"""Family of the collection with the letter forms of Simplified Chinese."""
SIMPLIFIED = 2
"""Its index in the collection."""
_FEATURES = ["kern", "locl", "pwid", "tnum"]


def subset_font(text: str) -> bytes:
    """Return the font with the characters of a text only, as WOFF: some 80 kB for a report."""
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont

    options = Options(layout_features=_FEATURES, hinting=False, notdef_outline=True, name_IDs=[])
    options.drop_tables += ["vhea", "vmtx", "VORG", "BASE", "DSIG"]
    with TTFont(FONT_FILE, fontNumber=SIMPLIFIED, lazy=True, recalcTimestamp=False) as font:
        subsetter = Subsetter(options)
        subsetter.populate(text=text)
        subsetter.subset(font)
        font.flavor = "woff"
        buffer = io.BytesIO()
        font.save(buffer)
    return buffer.getvalue()
