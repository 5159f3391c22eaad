"""Shared by crafts that look at a picture: the network and how large it sees, and the plates of their sheets."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from reverie.crafts.settings import DIAL, DeviceSettings
from reverie.networks import Network, load
from reverie.pictures import fit, resize, size_of
from reverie.pictures.page import DIM, INK, Page, fitted
from reverie.recipes.parts.networks import device_for

WIDTH, MARGIN, TOP = 1280, 32, 72  # pixels, of a sheet


class LookSettings(DeviceSettings):
    """Settings of crafts that look at a picture."""

    network: str = Field(default="dreamnet", description="network that looks; 'reverie networks' lists them")
    size: Annotated[int, DIAL] = Field(
        default=160, ge=32, le=4096, description="longer side at which the network looks, pixels"
    )


def looking(settings: LookSettings, own: Network | None = None) -> Network:
    """Load the network that the settings name, or take the caller's, on the settings' device.

    Raises:
        RecipeError: that is not here.
    """
    if own is not None and settings.device == "auto":
        return own
    return placed(load(settings.network) if own is None else own, settings)


def placed(network: Network, settings: DeviceSettings) -> Network:
    """Return the network on the settings' device, for looking once.

    Raises:
        RecipeError: that is not here.
    """
    there = device_for(settings, network, evaluations=1.0)
    return network if there == network.device else network.with_precision(network.dtype, device=there)


def begun(size: tuple[int, int], title: str, aside: str) -> Page:
    """Begin a sheet with a title, and some words right of it."""
    page = Page(size)
    page.text((MARGIN, TOP / 2), fitted(title, size[1] - 2 * MARGIN - 420, size=22), size=22, colour=INK, anchor="lm")
    page.text((size[1] - MARGIN, TOP / 2 + 2), fitted(aside, 400, size=14), size=14, colour=DIM, anchor="rm")
    return page


def within(size: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    """Return the largest (H, W) of a picture's proportions inside a box (H, W)."""
    h, w = fit(size, longer=max(size) * 8)  # so that proportions lose nothing to rounding
    factor = min(box[0] / h, box[1] / w)
    return max(1, min(box[0], round(h * factor))), max(1, min(box[1], round(w * factor)))


def shown(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize a picture to be shown."""
    return picture if size_of(picture) == size else resize(picture, size).clamp(0, 1)
