"""A finished result mixed anew with its photo: weaker, stronger, in other colours, without computing it again."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from reverie.pictures import periodic_part, remix, scaled, size_of
from reverie.recipes.settings import ColourAmount, WhoseColours


class RemixSettings(BaseModel):
    """How to mix."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, populate_by_name=True)

    strength: float = Field(default=1.0, ge=0, le=1.5, description="0 is the photo, 1 the result, more goes beyond it")
    colour: WhoseColours = "painting"
    colour_amount: ColourAmount = 1.0


def remixed(
    result: Tensor,
    photo: Tensor,
    settings: RemixSettings | None = None,
    *,
    paintings: Sequence[Tensor] = (),
    seamless: bool = False,
) -> Tensor:
    """A finished result mixed anew with its photo.

    Args:
        result: (1, 3, H, W) sRGB in [0, 1].
        photo: (1, 3, h, w) that it was made from; resized to the result.
        settings: how.
        paintings: (1, 3, h, w) each, whose main colours ``palette`` takes.
        seamless: the result tiles with itself, and so must what the photo adds.
    Returns:
        (1, 3, H, W) sRGB in [0, 1].
    Raises:
        PictureError: colours of paintings that did not come.
    Example:
        >>> weaker = remixed(painted, photo, RemixSettings(strength=0.6, colour="photo"))
    """
    how = settings or RemixSettings()
    photo = scaled(photo, size_of(result))
    return remix(
        periodic_part(photo).clamp_(0, 1) if seamless else photo,
        result,
        strength=how.strength,
        mode=how.colour,
        paintings=paintings,
        amount=how.colour_amount,
    )
