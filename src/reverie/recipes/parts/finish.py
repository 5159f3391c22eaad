"""The finish of a painting or a dream: its colours cleaned of grain, and changed as asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from reverie.choices import ColourMode
from reverie.pictures import coloured, keep_colours, within_colours, without_grain


@dataclass(frozen=True, eq=False)
class Finish:
    """The last change to a painting's colours.

    Attributes:
        paintings: whose colours it is to have, (1, 3, h, w) each.
        photo: whose colours the mode may ask for, where there is one.
        mode, amount: as for `coloured`.
        held: how far colours that the paintings lack are taken away, in [0, 1].
        periodic: the picture wraps round its edges.
    """

    paintings: Sequence[Tensor]
    photo: Tensor | None = None
    mode: ColourMode = "painting"
    amount: float = 1.0
    held: float = 1.0
    periodic: bool = False

    def __call__(self, picture: Tensor) -> Tensor:
        """Finish a picture (1, 3, H, W) sRGB in [0, 1]."""
        clean = without_grain(picture, periodic=self.periodic)
        if self.mode in ("painting", "palette"):
            clean = within_colours(clean, self.paintings, amount=self.held)
        return coloured(clean, photo=self.photo, paintings=self.paintings, mode=self.mode, amount=self.amount)


@dataclass(frozen=True, eq=False)
class DreamFinish:
    """The last change to a dream's colours.

    Attributes:
        photo: (1, 3, h, w), on which is dreamt, whose own colours stay; None where that is noise.
        kept: how much of the photo's colour replaces the dream's, in [0, 1].
        periodic: the picture wraps round its edges.
    """

    photo: Tensor | None
    kept: float = 0.0
    periodic: bool = False

    def __call__(self, picture: Tensor) -> Tensor:
        """Finish a picture (1, 3, H, W) sRGB in [0, 1]."""
        base = None if self.periodic else self.photo  # whose own edges do not meet
        clean = without_grain(picture, base=base, periodic=self.periodic)
        return clean if self.photo is None else keep_colours(clean, self.photo, amount=self.kept)
