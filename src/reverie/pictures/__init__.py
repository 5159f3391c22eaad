"""Pictures: read, write, resize, colours, sheets.

Everywhere a picture is a float32 tensor (B, 3, H, W) of sRGB in [0, 1]; sizes are (H, W).
"""

from __future__ import annotations

from reverie.pictures.colour import (
    linear_to_srgb,
    match_colours,
    oklab_to_srgb,
    srgb_to_linear,
    srgb_to_oklab,
    with_colours_of,
    with_lightness_of,
)
from reverie.pictures.files import atomic_path, write_bytes
from reverie.pictures.formats import FORMATS, Format, format_of, suffixes
from reverie.pictures.read import MAX_PIXELS, Picture, read_image, read_picture
from reverie.pictures.recipe import read_recipe
from reverie.pictures.resize import fit, fit_area, resize, scaled, size_of
from reverie.pictures.sheets import contact_sheet, side_by_side
from reverie.pictures.write import check_output, write_image

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "Format",
    "Picture",
    "atomic_path",
    "check_output",
    "contact_sheet",
    "fit",
    "fit_area",
    "format_of",
    "linear_to_srgb",
    "match_colours",
    "oklab_to_srgb",
    "read_image",
    "read_picture",
    "read_recipe",
    "resize",
    "scaled",
    "side_by_side",
    "size_of",
    "srgb_to_linear",
    "srgb_to_oklab",
    "suffixes",
    "with_colours_of",
    "with_lightness_of",
    "write_bytes",
    "write_image",
]
