"""Pictures: read, write, resize, colours, masks, sheets.

Everywhere a picture is a float32 tensor (B, 3, H, W) of sRGB in [0, 1]; sizes are (H, W).
"""

from __future__ import annotations

from reverie.pictures.chroma import within_colours, without_grain
from reverie.pictures.colour import linear_to_srgb, oklab_to_srgb, srgb_to_linear, srgb_to_oklab
from reverie.pictures.formats import FORMATS, Format, format_of, is_lossless, keeps_recipe, readable, suffixes
from reverie.pictures.magnify import magnified
from reverie.pictures.masks import (
    MOST_REGIONS,
    Regions,
    check_mask_shape,
    mask_of,
    paired,
    read_mask,
    read_regions,
    regions_of,
)
from reverie.pictures.matte import filled, opaque_colours
from reverie.pictures.palette import (
    ColourMode,
    Method,
    check_colour_mode,
    coloured,
    keep_colours,
    match_colours,
    remix,
)
from reverie.pictures.read import MAX_PIXELS, Head, Picture, read_head, read_image, read_picture
from reverie.pictures.recipe import read_recipe
from reverie.pictures.resize import check_picture, fit, fit_area, painting_size, resize, scaled, size_of
from reverie.pictures.seamless import periodic_part, resize_seamless
from reverie.pictures.sheets import contact_sheet, sheet_width, side_by_side, tile_preview
from reverie.pictures.strip import Strip
from reverie.pictures.write import check_output, jpeg_again, jpeg_bytes, png_bytes, to_pil, write_image

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "MOST_REGIONS",
    "ColourMode",
    "Format",
    "Head",
    "Method",
    "Picture",
    "Regions",
    "Strip",
    "check_colour_mode",
    "check_mask_shape",
    "check_output",
    "check_picture",
    "coloured",
    "contact_sheet",
    "filled",
    "fit",
    "fit_area",
    "format_of",
    "is_lossless",
    "jpeg_again",
    "jpeg_bytes",
    "keep_colours",
    "keeps_recipe",
    "linear_to_srgb",
    "magnified",
    "mask_of",
    "match_colours",
    "oklab_to_srgb",
    "opaque_colours",
    "painting_size",
    "paired",
    "periodic_part",
    "png_bytes",
    "read_head",
    "read_image",
    "read_mask",
    "read_picture",
    "read_recipe",
    "read_regions",
    "readable",
    "regions_of",
    "remix",
    "resize",
    "resize_seamless",
    "scaled",
    "sheet_width",
    "side_by_side",
    "size_of",
    "srgb_to_linear",
    "srgb_to_oklab",
    "suffixes",
    "tile_preview",
    "to_pil",
    "within_colours",
    "without_grain",
    "write_image",
]
