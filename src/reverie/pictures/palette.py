"""Palettes: results in the painting's colours, the photo's, or something between; for every craft and size.

Everything works on (1, 3, H, W) pictures, mixes in OKLab, keeps no graph, and takes a large
picture a band of rows at a time. Statistics come from a bounded sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, get_args

import torch
from torch import Tensor

from reverie.choices import ColourMode as ColourMode
from reverie.errors import PictureError, suggestion
from reverie.pictures.bands import banded
from reverie.pictures.colour import into_gamut, nearest_in_gamut, oklab_to_srgb, srgb_to_oklab
from reverie.pictures.colour_maps import ColourMap, Colours, gaussian_map, histogram_map, palette_map, sample
from reverie.pictures.resize import scaled, size_of

Method = Literal["mean-covariance", "histogram", "palette"]
"""How the colours of a picture become those of another (``match_colours``)."""


_MAPS: Mapping[str, Callable[[Colours, Colours], ColourMap]] = MappingProxyType(
    {"mean-covariance": gaussian_map, "histogram": histogram_map, "palette": palette_map}
)
_TO_THE_PHOTO: Mapping[str, Method] = MappingProxyType({"mean": "mean-covariance", "histogram": "histogram"})
_STRONGEST = 1.5


def keep_colours(result: Tensor, photo: Tensor, *, amount: float = 1.0) -> Tensor:
    """Combine the photo's colours (OKLab hue and chroma) with the result's lightness.

    Where sRGB has no such colour, the lightness goes only as far from the photo's as it can.

    Args:
        result: (1, 3, H, W) sRGB [0, 1].
        photo: (1, 3, h, w) sRGB [0, 1]; it is resized to the result.
        amount: 0 leaves the result as it is, 1 takes all of the photo's colour.

    Returns:
        (1, 3, H, W) sRGB [0, 1].

    Raises:
        PictureError: not pictures, or an amount outside [0, 1].

    Source: Gatys et al., "Preserving color in neural artistic style transfer", 2016, section 3.2.
    We differ: OKLab instead of YIQ, so that lightness and colour do not mix; colours stay whole
    at the edge of the gamut.

    Example:
        >>> in_its_own_colours = keep_colours(styled, photo)
    """
    _check(result, photo, amount=amount)
    if amount == 0:
        return result
    own = scaled(photo, size_of(result)).to(result.device)
    return banded(lambda band, own: _kept(band, own, amount), result, own)


def match_colours(
    picture: Tensor,
    like: Tensor | Sequence[Tensor],
    *,
    method: Method = "mean-covariance",
    amount: float = 1.0,
) -> Tensor:
    """Recolour a picture so that its colours are distributed as those of another.

    Args:
        picture: (1, 3, H, W) sRGB [0, 1].
        like: (1, 3, h, w) sRGB [0, 1] of any size, or several of them, of equal weight.
        method: ``mean-covariance`` shifts and stretches, ``histogram`` matches the whole
            distribution, ``palette`` moves the eight main colours onto those of ``like``.
        amount: 0 leaves the picture as it is, 1 recolours it wholly.

    Returns:
        (1, 3, H, W) sRGB [0, 1]; colours that sRGB lacks are paled at their lightness and hue.

    Raises:
        PictureError: not pictures, no picture to be like, an unknown method, an amount outside [0, 1].

    Source: Gatys et al., "Preserving color in neural artistic style transfer", 2016, section 3.1,
    and those of the maps in ``colour_maps``.

    Example:
        >>> painting_in_photo_colours = match_colours(painting, photo, method="histogram")
    """
    models = [like] if isinstance(like, Tensor) else list(like)
    _check(picture, *models, amount=amount)
    if not models:
        raise PictureError("colours are matched to those of a picture; got none; give one")
    if method not in _MAPS:
        raise PictureError(f"a method is one of {', '.join(_MAPS)}; got '{method}'.{suggestion(method, _MAPS)}")
    if amount == 0:
        return picture
    change = _MAPS[method](sample([picture]), sample(models))
    return banded(lambda band: _recoloured(band, change, amount), picture)


def coloured(
    result: Tensor,
    *,
    photo: Tensor | None,
    paintings: Sequence[Tensor] = (),
    mode: ColourMode = "painting",
    amount: float = 1.0,
) -> Tensor:
    """Give a finished result the colours asked for; the last step of every craft.

    Args:
        result: (1, 3, H, W) sRGB [0, 1].
        photo: (1, 3, h, w), where there is one; what ``photo``, ``mean`` and ``histogram`` look at.
        paintings: (1, 3, h, w) each; what ``palette`` looks at.
        mode: ``painting`` leaves the colours as they were painted; ``photo`` gives every place
            the photo's colour; ``mean`` and ``histogram`` give the whole the photo's range of
            colours; ``palette`` gives it the main colours of the paintings.
        amount: 0 leaves the result as it is, 1 recolours it wholly.

    Raises:
        PictureError: an unknown mode, or one whose pictures did not come.

    Example:
        >>> result = coloured(styled, photo=photo, paintings=[painting], mode="photo", amount=0.8)
    """
    check_colour_mode(mode, photo=photo is not None, paintings=len(paintings))
    if mode == "painting":
        return result
    if mode == "palette":
        return match_colours(result, paintings, method="palette", amount=amount)
    if photo is None:  # refused above; said again for the type checker
        return result
    if mode == "photo":
        return keep_colours(result, photo, amount=amount)
    return match_colours(result, photo, method=_TO_THE_PHOTO[mode], amount=amount)


def check_colour_mode(mode: str, *, photo: bool, paintings: int) -> None:
    """Refuse a colour mode that is unknown or lacks its pictures, before any work is done.

    Raises:
        PictureError: one of these.
    """
    modes = get_args(ColourMode)
    if mode not in modes:
        raise PictureError(f"colours are one of {', '.join(modes)}; got '{mode}'.{suggestion(mode, modes)}")
    if mode == "palette" and not paintings:
        raise PictureError("colours 'palette' are those of paintings; got none; choose 'painting' or 'photo'")
    if mode in ("photo", *_TO_THE_PHOTO) and not photo:
        raise PictureError(f"colours '{mode}' are those of a photo; got none; choose 'painting'")


def remix(
    original: Tensor,
    result: Tensor,
    *,
    strength: float = 1.0,
    mode: ColourMode = "painting",
    paintings: Sequence[Tensor] = (),
    amount: float = 1.0,
) -> Tensor:
    """Mix a saved result anew with its photo, weaker or stronger, without computing it again.

    Args:
        original: (1, 3, h, w) sRGB [0, 1], the photo; it is resized to the result.
        result: (1, 3, H, W) sRGB [0, 1].
        strength: 0 is the photo, 1 the result, up to 1.5 goes beyond it; mixed in OKLab.
        mode, paintings, amount: as for ``coloured``.

    Returns:
        (1, 3, H, W) sRGB [0, 1].

    Raises:
        PictureError: a strength outside [0, 1.5], or as for ``coloured``.

    Example:
        >>> weaker = remix(photo, styled, strength=0.6, mode="photo")
    """
    _check(original, result, amount=amount)
    if not 0 <= strength <= _STRONGEST:
        raise PictureError(f"strength lies in 0 to {_STRONGEST}; got {strength:g}; 1 is the result itself")
    photo = scaled(original, size_of(result))
    mixed = result if strength == 1 else photo if strength == 0 else _mixed(photo, result, strength)
    return coloured(mixed, photo=photo, paintings=paintings, mode=mode, amount=amount)


def _mixed(photo: Tensor, result: Tensor, strength: float) -> Tensor:
    return banded(
        lambda x, y: _shown(into_gamut(_between(srgb_to_oklab(x), srgb_to_oklab(y), strength))), photo, result
    )


def _kept(result: Tensor, photo: Tensor, amount: float) -> Tensor:
    painted, own = srgb_to_oklab(result), srgb_to_oklab(photo)
    kept = nearest_in_gamut(own, torch.cat([painted[:, :1], own[:, 1:]], dim=1))
    return _shown(into_gamut(_between(painted, kept, amount)))


def _recoloured(picture: Tensor, change: ColourMap, amount: float) -> Tensor:
    lab = srgb_to_oklab(picture)
    return _shown(into_gamut(_between(lab, change(lab), amount)))


def _between(start: Tensor, end: Tensor, amount: float) -> Tensor:
    return end if amount == 1 else torch.lerp(start, end, amount)


def _shown(lab: Tensor) -> Tensor:
    return oklab_to_srgb(lab).clamp_(0, 1)


def _check(*pictures: Tensor, amount: float) -> None:
    for picture in pictures:
        if picture.ndim != 4 or picture.shape[:2] != (1, 3) or 0 in picture.shape:
            raise PictureError(
                f"colours are those of one (1, 3, H, W) picture; got {tuple(picture.shape)}; read it with read_image"
            )
    if not 0 <= amount <= 1:
        raise PictureError(f"an amount lies in 0 to 1; got {amount:g}; 1 is all of it")
