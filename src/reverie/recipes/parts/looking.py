"""Shared by crafts that look at a picture: the network and how large it sees, and the plates of their sheets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from reverie.crafts.settings import DIAL, DeviceSettings
from reverie.engine import Findings, OnePass, Part
from reverie.networks import Network, NetworkUsed, load
from reverie.pictures import fit, resize, size_of
from reverie.pictures.page import DIM, EDGE, INK, Page, fitted
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
    """Return the network on the settings' device, for looking once: in float32, channels-last, which is faster.

    Raises:
        RecipeError: that is not here.
    """
    there = device_for(settings, network, evaluations=1.0)
    return network.with_precision(torch.float32, channels_last=True, device=there)


def at_once(
    size: tuple[int, int],
    networks: Sequence[Network],
    look: Callable[[], tuple[Tensor, Findings]],
    *,
    precision: str | None = None,
) -> OnePass:
    """Declare a run of one look.

    Args:
        size: (H, W) of the picture or sheet.
        networks: that look, the first of them most.
        look: from nothing to the picture or sheet, (1, 3, H, W) in [0, 1], and its figures.
        precision: of the network, where it was chosen.
    """

    def draw(_: int) -> Iterator[Part]:
        yield Part(1, 1, *look())

    used = [NetworkUsed(each.name, each.sha256) for each in networks]
    return OnePass(size, draw, networks=used, precision=precision, device=str(networks[0].device))


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


def column_width(count: int, gap: int) -> int:
    """Return the width of one of so many columns of a sheet, with a gap between them."""
    return (WIDTH - 2 * MARGIN - gap * (count - 1)) // count


def draw_key(page: Page, y: float, colours: Sequence[tuple[str, str]], heading: str = "") -> None:
    """Draw a line across the sheet, and below it a heading and what each colour stands for."""
    page.line([(MARGIN, y - 16), (WIDTH - MARGIN, y - 16)], EDGE)
    page.text((MARGIN, y + 4), heading, size=14, colour=INK, anchor="lm")
    left = MARGIN + (190 if heading else 0)
    for number, (colour, words) in enumerate(colours):
        x = left + 190 * number
        page.bar((x, y - 2, x + 14, y + 10), colour)
        page.text((x + 22, y + 4), words, size=14, colour=DIM, anchor="lm")
