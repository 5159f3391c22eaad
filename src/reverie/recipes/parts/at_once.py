"""Shared by all networks that paint in one pass: settings, size of the result, alpha weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from torch import Tensor

from reverie.crafts.settings import (
    DIAL,
    ColourSettings,
    LikenessSettings,
    Numbers,
    PrecisionSettings,
    SeedSettings,
    TileSettings,
)
from reverie.errors import PictureError, RecipeError
from reverie.pictures import fit, scaled, size_of

LONGEST = 3840  # pixels of the longer side, where no size was asked for
FIRM = 512
"""Pixels of the longer side, times 1 to 2 by the likeness, from which faces keep their forms."""
_OPAQUE = 1e-4  # of alpha; less is the rounding of a resize


class InstantSettings(LikenessSettings, SeedSettings, PrecisionSettings, TileSettings, ColourSettings):
    """Settings of painting in one pass."""

    strength: Annotated[float, DIAL] = Field(
        default=1.0, ge=0, le=1, description="0 gives nearly the photo, 1 the painting's manner"
    )
    stroke: Annotated[float, DIAL] = Field(
        default=1.0, gt=0, le=10, description="size of the strokes, 1 as in the painting"
    )
    size: Annotated[int | None, DIAL] = Field(
        default=None,
        ge=16,
        le=100_000,
        description=f"longer side of the result, pixels; default: the photo's, up to {LONGEST}",
    )
    weights: Annotated[Numbers, DIAL] = Field(
        default=(), description="share of each painting, e.g. 2,1; default: equal"
    )


def size_for(photo: Tensor, settings: InstantSettings) -> tuple[int, int]:
    """Return the (H, W) of the result: the longer side as set, or the photo's own up to `LONGEST`."""
    size = size_of(photo)
    if settings.size is None and max(size) <= LONGEST:
        return size
    return fit(size, longer=settings.size or LONGEST)


def working_size(size: tuple[int, int], likeness: float) -> tuple[int, int]:
    """Return the (H, W) in which a result of this (H, W) is painted: a small one larger, where faces keep their forms.

    Example:
        >>> working_size((384, 512), 0.5), working_size((1200, 1600), 0.5)
        ((576, 768), (1200, 1600))
    """
    longer, most = max(size), round(FIRM * (1 + likeness))
    return fit(size, longer=max(longer, min(round(longer * (1 + likeness)), most)))


def alpha_of_each(opaque: Sequence[Tensor | None], paintings: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    """Return the alpha of each painting, None where it is all opaque or all transparent.

    Args:
        opaque: (1, 1, h, w) or None for each; empty: none has any.
        paintings: (1, 3, h, w) each.
    Raises:
        RecipeError: not as many as paintings.
        PictureError: one of another size than its painting.
    """
    given = tuple(opaque) or (None,) * len(paintings)
    if len(given) != len(paintings):
        raise RecipeError(f"alpha is one for each painting, or none at all; got {len(given)} for {len(paintings)}.")
    return tuple(alpha_weights(alpha, of=p, size=size_of(p)) for alpha, p in zip(given, paintings, strict=True))


def alpha_weights(opaque: Tensor | None, *, of: Tensor, size: tuple[int, int]) -> Tensor | None:
    """Resize an alpha into pixel weights at this size; None where all are equal or none is opaque.

    Args:
        opaque: (1, 1, H, W) in [0, 1].
        of: the picture, (1, 3, H, W).
        size: (h, w).
    Raises:
        PictureError: their sizes differ.
    """
    if opaque is None:
        return None
    if opaque.shape != (1, 1, *size_of(of)):
        raise PictureError(
            f"alpha is (1, 1, H, W) of its picture's size, and {tuple(opaque.shape)} came for {size_of(of)}; resize it."
        )
    own = scaled(opaque, size)
    least, most = (float(bound) for bound in own.aminmax())
    return own if least < 1 - _OPAQUE and most > _OPAQUE else None
