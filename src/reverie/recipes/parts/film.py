"""Shared by all crafts that make films: settings, the frames that are painted, and the run."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import takewhile
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from torch import Tensor

from reverie.clips import ClipFrame, Footage
from reverie.crafts.settings import Panel, Settings
from reverie.engine import Executor, Plan, State
from reverie.engine.films import FilmRun, FilmStep, Frames, Segment, time_of
from reverie.engine.runs import OnePass, Optimisation
from reverie.errors import RecipeError
from reverie.motion import FramePainter, Parting, Rendered, intervals, moments, rendered
from reverie.pictures import fit, scaled, size_of

CHUNK = 48
"""Frames of a chunk, on average: what a killed process loses at most."""
LONGEST_SIDE = 3840
_FEWEST, _MOST, _EACH = 8, 24, 16  # frames whose statistics stand for the clip's: one in so many, within these limits
_SAMPLED_PIXELS = 6_000_000  # of all of them together: of larger frames a piece each is taken
_STRIDE = 32  # pixels: sides of a piece are multiples of it
_GOLDEN = (0.7548776662, 0.5698402910)  # steps that fill a plane evenly: Roberts 2018, "R2"
_TIME = re.compile(r"(?:(\d+):)?(?:(\d+):)?(\d+(?:\.\d*)?)\s*s?")
CLIP, FILM = Panel("Clip"), Panel("Film")


def seconds_of(value: Any) -> Any:
    """Turn a time as people write it into seconds.

    Raises:
        RecipeError: it is none.

    Example:
        >>> seconds_of("1:02.5"), seconds_of("3s"), seconds_of(8)
        (62.5, 3.0, 8)
    """
    if not isinstance(value, str):
        return value
    found = _TIME.fullmatch(value.strip())
    if found is None:
        raise RecipeError(f"a time is seconds, or minutes and seconds, as in 3s or 1:02.5; got '{value}'.")
    first, second, rest = found.groups()
    hours, minutes = (first, second) if second is not None else (None, first)
    return 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(rest)


Time = Annotated[float | None, BeforeValidator(seconds_of)]


class FilmSettings(Settings):
    """Settings of crafts that make a film of a clip."""

    begin: Annotated[Time, CLIP] = Field(
        default=None, ge=0, alias="from", description="begin at this time of the clip, e.g. 3s or 1:02.5"
    )
    end: Annotated[Time, CLIP] = Field(default=None, gt=0, alias="to", description="end at this time of the clip")
    fps: Annotated[float | None, CLIP] = Field(
        default=None, gt=0, le=1000, description="frames a second; default: the clip's own, at its own times"
    )
    every: Annotated[int, CLIP] = Field(default=1, ge=1, le=100_000, description="take one frame in so many")
    keyframes: Annotated[int, FILM] = Field(
        default=8,
        ge=1,
        le=64,
        description="frames from a painted keyframe to the next, at most; those between follow the flow; 1 paints all",
    )
    quality: Annotated[int, FILM] = Field(default=80, ge=0, le=100, description="of the encoded film, up to 100")


def taken(footage: Footage, settings: FilmSettings) -> Footage:
    """Return the part of a clip that the settings take."""
    return footage.taken(begin=settings.begin, end=settings.end, fps=settings.fps, every=settings.every)


def film_size(footage: Footage, longer: int | None) -> tuple[int, int]:
    """Return the (H, W) of a film: even, as codecs halve colours; the clip's own where no size is asked for."""
    size = footage.size
    if longer is not None or max(size) > LONGEST_SIDE:
        size = fit(size, longer=longer or LONGEST_SIDE)
    return max(16, size[0] + size[0] % 2), max(16, size[1] + size[1] % 2)


def sized(frames: Iterable[ClipFrame], size: tuple[int, int]) -> Iterator[ClipFrame]:
    """Yield the frames in the film's size."""
    for frame in frames:
        if size_of(frame.image) == size:
            yield frame
        else:
            alpha = None if frame.alpha is None else scaled(frame.alpha, size).clamp(0, 1)
            yield replace(frame, image=scaled(frame.image, size).clamp(0, 1), alpha=alpha)


def samples(footage: Footage, size: tuple[int, int]) -> list[Tensor]:
    """Return frames from all over a clip, or pieces of them, whose statistics stand for the whole clip's.

    Args:
        footage: the clip.
        size: (H, W) of the film, in which the frames are taken.
    """
    lasting = footage.lasting
    count = _FEWEST if not lasting else min(max(_FEWEST, int(lasting * footage.pace) // _EACH), _MOST)
    if not lasting:
        frames: Iterable[ClipFrame] = [frame for _, frame in zip(range(count), footage.frames(), strict=False)]
    else:
        frames = (footage.frame_at(lasting * (2 * number + 1) / (2 * count)) for number in range(count))
    return [piece(frame.image, number, _SAMPLED_PIXELS // count) for number, frame in enumerate(sized(frames, size))]


def piece(image: Tensor, number: int, pixels: int) -> Tensor:
    """Cut a piece of so many pixels out of a picture, elsewhere for each number; the whole where it is no larger.

    Example:
        >>> piece(torch.zeros(1, 3, 2160, 3840), 3, 250_000).shape
        torch.Size([1, 3, 352, 640])
    """
    whole = size_of(image)
    share = (pixels / (whole[0] * whole[1])) ** 0.5
    if share >= 1:
        return image
    height, width = (max(_STRIDE, int(side * share) // _STRIDE * _STRIDE) for side in whole)
    top, left = (
        int(number * step % 1 * (side - own)) for step, side, own in zip(_GOLDEN, whole, (height, width), strict=True)
    )
    return image[..., top : top + height, left : left + width].contiguous()


def film_of(
    footage: Footage,
    settings: FilmSettings,
    size: tuple[int, int],
    keyframe: Optimisation | OnePass,
    painter_for: Callable[[Plan, Executor | None], FramePainter],
    *,
    quick: bool = False,
    notes: Sequence[str] = (),
) -> FilmRun:
    """Declare the run of a film.

    Args:
        footage: as far as it is taken.
        settings: of the film.
        size: (H, W) of the film.
        keyframe: the run of one keyframe.
        painter_for: prepares to paint frames; called when the run begins.
        quick: whether a frame is painted at once, for itself, and each chunk begins anew.
        notes: for the user.
    """

    parting = Parting(CHUNK / footage.pace, at_cuts=not quick)

    def begun(plan: Plan, executor: Executor | None) -> Frames:
        painter = painter_for(plan, executor)

        def frames(state: State | None, segment: Segment | None) -> Iterator[FilmStep]:
            part = Segment(Fraction(0)) if segment is None else segment
            source = footage.frames(after=part.begin if state is None else time_of(state))
            shown = sized(_up_to(source, part.end, beyond=quick), size)
            before = None if state is None else state["memory"]
            made = rendered(intervals(shown, settings.keyframes, parting), painter, state=before)
            own = takewhile(lambda each: part.end is None or each.frame.time < part.end, made)
            return _steps(own, footage, 0 if state is None else state["number"], whole=segment is None)

        return frames

    def segments() -> Iterator[Segment]:
        return _slots(parting) if quick else scenes(sized(footage.frames(), size), parting)

    alone = (lambda plan: painter_for(plan, None).between) if quick else None
    return FilmRun(footage, size, keyframe, begun, segments, settings.keyframes + 2, alone, notes)


def _up_to(frames: Iterable[ClipFrame], end: Fraction | None, *, beyond: bool) -> Iterator[ClipFrame]:
    """Yield the frames before a time; beyond it one more, where that is the keyframe ahead of the last."""
    for frame in frames:
        if end is not None and frame.time >= end:
            if beyond:
                yield frame
            return
        yield frame


def _slots(parting: Parting) -> Iterator[Segment]:
    """Yield the segments of what is painted at once: each chunk begins anew."""
    for number in itertools.count():
        yield Segment(number * parting.seconds, (number + 1) * parting.seconds)


def scenes(frames: Iterable[ClipFrame], parting: Parting) -> Iterator[Segment]:
    """Yield the segments of what follows from frame to frame: it begins anew at cuts only."""
    begin = Fraction(0)
    for moment in moments(frames, parting):
        if moment.cut and moment.opens:
            yield Segment(begin, moment.frame.time)
            begin = moment.frame.time
    yield Segment(begin)


def _steps(made: Iterator[Rendered], footage: Footage, before: int, *, whole: bool) -> Iterator[FilmStep]:
    """Yield a step for each frame; whether a chunk ends with it is known once there is another.

    Args:
        made: the frames.
        footage: they are of.
        before: number of frames that were done before.
        whole: whether they go on to the clip's end.
    """
    began, lasting = time.monotonic(), footage.lasting
    held: Rendered | None = None
    number = before

    def step(what: Rendered, *, following: Rendered | None) -> FilmStep:
        moment = what.frame.time
        kept = None
        if following is not None and following.state is not None:
            at = following.frame.time.as_integer_ratio()
            kept = {"number": number, "time": list(at), "memory": following.state}
        return FilmStep(
            number=number,
            time=moment,
            share=float(moment / lasting) if lasting else 0.0,
            final=following is None,
            pace=(number - before) / max(time.monotonic() - began, 1e-9),
            kept=kept,
            frame=what.frame,
            image=what.image,
            key=what.key,
        )

    for each in made:
        if held is not None:
            number += 1
            yield step(held, following=each)
        held = each
    if held is not None:
        number += 1
        yield step(held, following=None)
    elif whole:
        raise RecipeError("no frame of the clip is taken; lower --from, --every or --fps, or leave them out.")
