"""Flow on motions that are known: pans, zooms, a moving object with a true mask of what it hides; cuts."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from reverie.motion import both_ways, composed, is_cut, look_at, still, trust, warped
from tests.clips.made_clips import Frame, texture

HEIGHT, WIDTH = 120, 160
INNER = (slice(16, -16), slice(16, -16))


def picture(frame: Frame) -> Tensor:
    return torch.from_numpy(frame.astype(np.float32) / 255).permute(2, 0, 1)[None]


def moved(matrix: Any, seed: int = 0) -> Frame:
    """A texture under an affine map of the places of the first frame."""
    whole = texture(HEIGHT + 80, WIDTH + 80, seed)
    there = np.asarray(matrix, np.float32)
    there = np.hstack([there[:, :2], there[:, 2:] - 40 + there[:, :2] @ np.array([[0.0], [0.0]])])
    return np.asarray(cv2.warpAffine(whole, there.astype(np.float32), (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC))


def zoomed(factor: float) -> Any:
    x, y = WIDTH / 2 + 40, HEIGHT / 2 + 40
    return [[factor, 0, x - factor * x], [0, factor, y - factor * y]]


@pytest.mark.parametrize("step", [(0.5, 0), (3, 1), (-7, 4), (12, 0)])
def test_a_pan(step: tuple[float, float]) -> None:
    first, second = moved([[1, 0, 0], [0, 1, 0]]), moved([[1, 0, step[0]], [0, 1, step[1]]])
    there, back = both_ways(look_at(picture(first)), look_at(picture(second)))
    assert np.abs(there.shift - np.array(step))[INNER].mean() < 0.12
    assert np.abs(back.shift + np.array(step))[INNER].mean() < 0.12
    assert there.holds[INNER].mean() > 0.97
    far = np.hypot(*step)
    if far > 6:  # what leaves the frame is told
        edge = there.holds[:, -int(far) + 3 :] if step[0] > 0 else there.holds[:, : int(far) - 3]
        assert edge.mean() < 0.1


@pytest.mark.parametrize("factor", [0.95, 1.02, 1.08])
def test_a_zoom(factor: float) -> None:
    first, second = moved(zoomed(1)), moved(zoomed(factor))
    there, _ = both_ways(look_at(picture(first)), look_at(picture(second)))
    down, across = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    wanted = np.stack([(across - WIDTH / 2) * (factor - 1), (down - HEIGHT / 2) * (factor - 1)], 2)
    assert np.abs(there.shift - wanted)[INNER].mean() < 0.15
    assert there.holds[INNER].mean() > 0.95


def test_flows_follow_each_other() -> None:
    looks = [look_at(picture(moved([[1, 0, 2 * n], [0, 1, n]]))) for n in range(5)]
    flow = still(looks[0].size)
    for before, after in pairwise(looks):
        flow = composed(both_ways(before, after)[1], flow)
    assert np.abs(flow.shift - np.array((-8, -4)))[INNER].mean() < 0.25
    assert trust(flow, looks[-1], looks[0])[INNER].mean() > 0.8


def with_object(at: int) -> tuple[Frame, Any]:
    """A still background, and before it a disc that moves; and where the disc is."""
    ground, disc = texture(HEIGHT, WIDTH, 1), 255 - texture(HEIGHT, WIDTH + 60, 2)
    down, across = np.mgrid[:HEIGHT, :WIDTH]
    mask = (down - 60) ** 2 + (across - at) ** 2 < 26**2
    ground[mask] = disc[down[mask], across[mask] - at + 60]
    return ground, mask


def test_what_an_object_uncovers_is_not_followed() -> None:
    (first, before), (second, after) = with_object(60), with_object(68)
    looks = look_at(picture(first)), look_at(picture(second))
    _, back = both_ways(*looks)
    uncovered = before & ~after
    background = ~cv2.dilate((before | after).astype(np.uint8), np.ones((21, 21))).astype(bool)
    inside = cv2.erode((before & after).astype(np.uint8), np.ones((13, 13))).astype(bool)
    followed = trust(back, looks[1], looks[0])
    assert followed[uncovered].mean() < 0.3
    assert followed[background][16:].mean() > 0.9 and followed[inside].mean() > 0.7
    assert np.abs(back.shift[inside] - np.array((-8, 0))).mean() < 0.5
    assert np.abs(back.shift[background]).mean() < 0.1


def test_a_cut_and_what_is_none() -> None:
    here, there = moved([[1, 0, 0], [0, 1, 0]], 3), moved([[1, 0, 0], [0, 1, 0]], 7)
    panned, lighter = moved([[1, 0, 9], [0, 1, 0]], 3), np.clip(here.astype(int) + 18, 0, 255).astype(np.uint8)

    def cut(first: Frame, second: Frame) -> bool:
        looks = look_at(picture(first)), look_at(picture(second))
        return is_cut(*looks, both_ways(*looks)[1])

    assert cut(here, there)
    assert not cut(here, here) and not cut(here, panned) and not cut(here, lighter)
    assert cut(here, np.zeros_like(here))


def test_a_tiny_and_a_long_frame() -> None:
    for height, width in ((16, 16), (16, 300), (301, 17)):
        image = picture(texture(height, width))
        there, _ = both_ways(look_at(image), look_at(image))
        assert np.abs(there.shift).mean() < 0.01
        assert warped(image[0].permute(1, 2, 0).numpy(), there.shift).shape == (height, width, 3)
