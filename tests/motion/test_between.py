"""Frames between keyframes: they move with the clip, are as sharp as the keyframes, and go on where they stopped."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

from reverie.clips import ClipFrame
from reverie.motion import Guide, Parting, intervals, measured, rendered, sharpness
from tests.clips.made_clips import panned


class Rough:
    """Paints the frame with some noise of its own in each: the worst flicker."""

    detail, carried = False, 0.8

    def __init__(self, amount: float = 0.1) -> None:
        self.amount, self.painted = amount, 0

    def key(self, photo: Tensor, guides: Sequence[Guide]) -> Tensor:
        return self.between(photo)

    def between(self, photo: Tensor) -> Tensor:
        self.painted += 1
        seed = int(photo.sum() * 1000) % 2**31
        grain = torch.randn(photo.shape, generator=torch.Generator().manual_seed(seed))
        grain = torch.nn.functional.avg_pool2d(grain, 3, 1, 1) * 3
        return (photo + self.amount * grain).clamp(0, 1)


class Detailed(Rough):
    """The same, of which only what it adds is carried."""

    detail, carried = True, 0.0


def clip(count: int = 20, step: float = 1.5, seed: int = 0) -> list[ClipFrame]:
    frames = panned(count, (96, 128), step, seed)
    pictures = [torch.from_numpy(f.astype(np.float32) / 255).permute(2, 0, 1)[None] for f in frames]
    return [ClipFrame(p, Fraction(n, 24), Fraction(1, 24)) for n, p in enumerate(pictures)]


def later(frames: list[ClipFrame], count: int) -> list[ClipFrame]:
    """The same, so many frames later."""
    return [replace(frame, time=frame.time + Fraction(count, 24)) for frame in frames]


@pytest.mark.parametrize("kind", [Rough, Detailed])
def test_it_does_not_flicker_and_stays_sharp(kind: type[Rough]) -> None:
    frames, painter = clip(), kind()
    own = [painter.between(frame.image) for frame in frames]
    made = [each.image for each in rendered(intervals(frames, 8), painter)]
    assert len(made) == len(frames) and painter.painted < 2 * len(frames)
    versions = zip((f.image for f in frames), own, made, strict=True)
    table = measured({"source": a, "own": b, "made": c} for a, b, c in versions)
    mean = {name: {kind: float(np.mean(v)) for kind, v in row.items()} for name, row in table.items()}
    assert mean["made"]["short"] < mean["own"]["short"] / 4
    assert mean["made"]["long"] < mean["own"]["long"] / (1.5 if painter.carried else 1)
    assert mean["made"]["sharpness"] > 0.95 * mean["own"]["sharpness"]
    assert mean["source"]["short"] < mean["made"]["short"]


def test_cuts_part_a_clip() -> None:
    frames = [*clip(7), *clip(5, seed=9)]
    parts = list(intervals(frames, 4))
    assert [(len(p.frames), p.ends) for p in parts] == [(5, False), (3, True), (5, False), (1, True)]
    one = list(intervals(clip(1), 4))
    assert [(len(p.frames), p.ends) for p in one] == [(1, True)]
    assert len(list(rendered(parts, Rough()))) == 12 and len(list(rendered(one, Rough()))) == 1


@pytest.mark.parametrize("kind", [Rough, Detailed])
def test_gone_on_with_in_the_middle(kind: type[Rough]) -> None:
    """What follows a state is the same as without a stop."""
    frames, parting = [*clip(16), *later(clip(9, seed=9), 16)], Parting(Fraction(6, 24), at_cuts=True)
    whole = list(rendered(intervals(frames, 4, parting), kind()))
    kept = [number for number, each in enumerate(whole) if each.state is not None]
    assert kept == [0, 6, 12, 16, 18, 24]
    for number in kept:
        rest = list(rendered(intervals(frames[number:], 4, parting), kind(), state=whole[number].state))
        assert len(rest) == len(whole) - number
        assert all(torch.equal(a.image, b.image) for a, b in zip(rest, whole[number:], strict=True))


def test_intervals_before_a_chunk_and_an_end_are_no_jump() -> None:
    """Keyframes lie evenly before a chunk; and one that a scene ends with, after few frames, changes little."""
    parts = list(intervals(clip(21), 9, Parting(Fraction(10, 24), frames=10)))
    assert [len(part.pairs) for part in parts] == [5, 5, 5, 5, 0]
    frames = clip(10)
    made = [each.image for each in rendered(intervals(frames, 8), Rough())]
    apart = [float((a - b).abs().mean()) for a, b in itertools.pairwise(made)]
    assert apart[-1] < 1.2 * max(apart[:-1])


def test_chunks_of_what_is_painted_at_once_need_no_state() -> None:
    """Each is made of its own frames and the first of the next, and is the same."""
    frames, parting = [*clip(14), *later(clip(9, seed=9), 14)], Parting(Fraction(6, 24))
    whole = list(rendered(intervals(frames, 4, parting), Rough()))
    for first in (0, 6, 12, 18):
        made = list(rendered(intervals(frames[first : first + 7], 4, parting), Rough()))[:6]
        assert all(torch.equal(a.image, b.image) for a, b in zip(made, whole[first : first + 6], strict=False))


def test_every_frame_may_be_painted() -> None:
    frames, painter = clip(6), Rough()
    made = list(rendered(intervals(frames, 1), painter))
    assert all(each.key for each in made) and painter.painted == 6


def test_what_neither_keyframe_shows_is_painted_for_itself() -> None:
    frames = clip(9, step=0)
    for number in range(2, 7):  # something that comes and goes
        frames[number].image[..., 30:70, 40:90] = torch.tensor([0.9, 0.1, 0.2]).view(1, 3, 1, 1)
    painter = Rough(0.02)
    made = [each.image for each in rendered(intervals(frames, 8), painter)]
    assert painter.painted > 2
    seen = made[4][0, :, 40:60, 55:75].mean((1, 2))
    assert torch.allclose(seen, torch.tensor([0.9, 0.1, 0.2]), atol=0.1)


def test_sharpness_knows_a_blur() -> None:
    image = clip(1)[0].image
    blurred = torch.nn.functional.avg_pool2d(image, 3, 1, 1, count_include_pad=False)
    assert sharpness(blurred) < 0.7 * sharpness(image)
