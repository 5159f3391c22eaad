"""TIFF: a writer that takes strips as they come, and the recipe that it keeps."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import BinaryIO

import tifffile
from numpy.typing import DTypeLike

from reverie.pictures.raster import Array

ROWS = 64
"""Rows of a strip while writing."""

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DESCRIPTION, _SOFTWARE = 270, 305


def write_tiff(
    file: BinaryIO,
    strips: Iterable[Array],
    shape: tuple[int, int, int],
    dtype: DTypeLike,
    *,
    profile: bytes,
    recipe: str | None = None,
) -> None:
    """Write a deflated TIFF as its strips come; only one of them is held.

    Args:
        file: open for writing.
        strips: (``ROWS``, W, 3 or 4) of ``dtype``, from the top; the last may be shorter.
        shape: (H, W, 3 or 4) of them all, RGB or RGBA.
        dtype: uint8 or uint16.
        profile: ICC profile to embed.
        recipe: text to keep as the ImageDescription.
    """
    tifffile.imwrite(
        file,
        map(_packed, strips),
        shape=shape,
        dtype=dtype,
        byteorder="<",
        photometric="rgb",
        extrasamples=["unassalpha"] if shape[2] == 4 else None,
        planarconfig="contig",
        compression="zlib",
        predictor=True,
        rowsperstrip=ROWS,
        iccprofile=profile,
        description=None if recipe is None else recipe.encode("utf-8"),
        software="Reverie" if recipe is not None else False,
        metadata=None,
    )


def _packed(strip: Array) -> bytes:
    """Deflate a strip, each sample less its left neighbour. Source: TIFF 6.0, section 14."""
    differences = strip.copy()
    differences[:, 1:] -= strip[:, :-1]
    return zlib.compress(differences.astype(strip.dtype.newbyteorder("<"), copy=False).tobytes())


def read_recipe_text(file: BinaryIO) -> str | None:
    """Read the recipe of a TIFF, if Reverie wrote it."""
    with tifffile.TiffFile(file) as tiff:
        tags = tiff.pages.first.tags
        text = tags.valueof(_DESCRIPTION)
        if tags.valueof(_SOFTWARE) != "Reverie":
            return None
    return text.decode("utf-8") if isinstance(text, bytes) else text
