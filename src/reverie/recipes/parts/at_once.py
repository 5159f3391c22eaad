"""Shared by all networks that paint in one pass: settings, size of the result, alpha weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from reverie.choices import Precision
from reverie.crafts.settings import DIAL, MACHINE, ColourSettings, DeviceSettings, Numbers, SeedSettings, TileSettings
from reverie.engine.memory import parse_memory
from reverie.engine.precision import chosen
from reverie.errors import PictureError, RecipeError
from reverie.networks import load
from reverie.pictures import fit, scaled, size_of
from reverie.recipes.parts.networks import device_for

LONGEST = 3840  # pixels of the longer side, where no size was asked for
_OPAQUE = 1e-4  # of alpha; less is the rounding of a resize


class InstantSettings(SeedSettings, DeviceSettings, TileSettings, ColourSettings):
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
    precision: Annotated[Precision, MACHINE] = Field(
        default="auto",
        description="auto, float32, bfloat16, or on accelerators float16 or tf32; auto measures what is fastest",
    )


def resolved(settings: InstantSettings) -> InstantSettings:
    """Return the settings with the automatic device and precision resolved, by the pace of the embedded network.

    Raises:
        RecipeError: a device that is not here, or a precision that it has not.
    """
    network = load()
    device = device_for(settings, network, evaluations=1.0)
    here = network if device == network.device else network.with_precision(network.dtype, device=device)
    memory = None if settings.memory is None else parse_memory(settings.memory)
    precision = chosen(here, settings.precision, memory=memory).name
    return settings.model_copy(update={"device": str(device), "precision": precision})


def dtype_of(precision: Precision) -> torch.dtype:
    """Return the type of a precision's numbers."""
    found: torch.dtype = getattr(torch, "float32" if precision in ("auto", "tf32") else precision)
    return found


def size_for(photo: Tensor, settings: InstantSettings) -> tuple[int, int]:
    """Return the (H, W) of the result: the longer side as set, or the photo's own up to `LONGEST`."""
    size = size_of(photo)
    if settings.size is None and max(size) <= LONGEST:
        return size
    return fit(size, longer=settings.size or LONGEST)


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
