"""Mix a finished result with its photo again: weaker, stronger or in other colours, without recomputing it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from reverie.crafts.craft import craft
from reverie.crafts.kinds import Many, Painting, Photo, Result, Still
from reverie.crafts.settings import DIAL, ColourSettings
from reverie.pictures import periodic_part, scaled, size_of
from reverie.pictures import remix as mixed


class RemixSettings(ColourSettings):
    """Settings of a remix."""

    strength: Annotated[float, DIAL] = Field(
        default=1.0, ge=0, le=1.5, description="0 is the photo, 1 the result, more goes beyond it"
    )
    seamless: bool = Field(default=False, description="the result tiles with itself; default: as its recipe says")


@craft(example="reverie remix cat-night.png --strength 0.6 --colour photo", makes=Still, inherits=("seamless",))
def remix(
    result: Result,
    photo: Annotated[Photo, "the photo that it was made from; default: as its recipe says"],
    settings: RemixSettings = RemixSettings(),
    *,
    painting: Annotated[Many[Painting], "whose main colours 'palette' takes; default: as its recipe says"] = (),
) -> Tensor:
    """Make a saved result weaker, stronger or of other colours, at once.

    Args:
        result: (1, 3, H, W) sRGB in [0, 1].
        photo: (1, 3, h, w) that it was made from; resized to the result.
        settings: how.
        painting: (1, 3, h, w) each, whose main colours ``palette`` takes.
    Returns:
        (1, 3, H, W) sRGB in [0, 1].
    Raises:
        PictureError: colours of paintings that did not come.
    Example:
        >>> weaker = remix(painted, photo, RemixSettings(strength=0.6, colour="photo"))
    """
    photo = scaled(photo, size_of(result))
    return mixed(
        periodic_part(photo).clamp_(0, 1) if settings.seamless else photo,
        result,
        strength=settings.strength,
        mode=settings.colour,
        paintings=painting,
        amount=settings.colour_amount,
    )
