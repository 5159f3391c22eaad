"""Films: runs that make a picture of every frame of a clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from torch import Tensor

from reverie.clips import ClipFrame, Footage
from reverie.engine.executors import Executor
from reverie.engine.iterates import State
from reverie.engine.plan import Plan
from reverie.engine.runs import Losses, OnePass, Optimisation
from reverie.networks import NetworkUsed

_OPENED = 48 * 2**20  # bytes that the libraries of clips and of flow come to hold, codecs included
_HELD = 12 * 2 + 20  # bytes per pixel of a frame between keyframes: the picture as it was and as it will be, its flow


@dataclass(frozen=True, eq=False)
class FilmProgress:
    """How far a film is.

    Attributes:
        number: of the frames that are done.
        time: of the last of them, in seconds.
        share: of the film that is done, in [0, 1].
        final: whether the film is.
        pace: frames a second, since the start.
        kept: what the run needs to go on; given after each chunk of frames, None elsewhere.
    """

    number: int
    time: Fraction
    share: float
    final: bool
    pace: float
    kept: State | None = field(default=None, repr=False)

    @property
    def done(self) -> float:
        """Share of the film that is done."""
        return 1.0 if self.final else min(self.share, 0.999)

    @property
    def last(self) -> bool:
        """True if the film ends with it."""
        return self.final

    @property
    def at(self) -> tuple[int, int]:
        """The number of the frame, as a step of the only stage."""
        return 1, self.number

    @property
    def losses(self) -> Losses:
        """Empty: what is minimised differs from frame to frame."""
        return {}

    @property
    def place(self) -> str:
        """Number and time of the frame, and how fast it goes."""
        return f"frame {self.number}  {float(self.time):.1f} s  {self.pace:.2g} frames/s"

    def facts(self) -> dict[str, Any]:
        """Return the same for a program."""
        return {
            "frame": self.number,
            "time": round(float(self.time), 6),
            "frames_per_second": round(self.pace, 3),
            "done": round(self.done, 6),
        }

    def state(self) -> State | None:
        """Return what is needed to go on after a chunk; a chunk that is not complete starts anew."""
        return self.kept


@dataclass(frozen=True, eq=False, kw_only=True)
class FilmStep(FilmProgress):
    """A frame that is done.

    Attributes:
        frame: of the clip, in the film's size.
        image: (1, 3, H, W) sRGB in [0, 1].
        key: whether it is a keyframe.
    """

    frame: ClipFrame
    image: Tensor = field(repr=False)
    key: bool

    def facts(self) -> dict[str, Any]:
        """Return the same for a program."""
        return {**super().facts(), "key": self.key}


@dataclass(frozen=True)
class Segment:
    """A part of a clip that can be made apart from the others.

    Attributes:
        begin, end: seconds of its first frame, or earlier, and from which its frames are none of its own; None: it goes
            on to the clip's end.
    """

    begin: Fraction
    end: Fraction | None = None


Frames = Callable[[State | None, Segment | None], Iterator[FilmStep]]
"""From a state to the frames that are missing, of the whole clip or of a segment."""


@dataclass(frozen=True, eq=False)
class FilmRun:
    """A film made of a clip.

    Attributes:
        footage: the clip, as far as it is taken.
        size: (H, W) of the film.
        keyframe: the run of one keyframe, by which the others are planned.
        begun: from a plan and an executor to what makes the frames; what all of them need is prepared once.
        segments: yields the parts that can be made apart, in their order; it may go on behind the clip's end.
        held: frames that are in memory at once.
        alone: from a plan to what paints a frame for itself, by the clip's statistics; None where that takes long.
        notes: see `Run`.
    """

    footage: Footage
    size: tuple[int, int]
    keyframe: Optimisation | OnePass
    begun: Callable[[Plan, Executor | None], Frames]
    segments: Callable[[], Iterator[Segment]]
    held: int = 0
    alone: Callable[[Plan], Callable[[Tensor], Tensor | None]] | None = None
    notes: Sequence[str] = ()

    @property
    def networks(self) -> Sequence[NetworkUsed]:
        """See the keyframe's run."""
        return self.keyframe.networks

    @property
    def precision(self) -> str | None:
        """See the keyframe's run."""
        return self.keyframe.precision

    @property
    def device(self) -> str | None:
        """See the keyframe's run; None where it has none."""
        return getattr(self.keyframe, "device", None)

    @property
    def least(self) -> int | None:
        """See the keyframe's run."""
        return self.keyframe.least

    def planned(self, *, memory: str | None = None, tile: int | None = None) -> Plan:
        """Plan a keyframe's run, and the frames that are held beside it."""
        held = _OPENED + _HELD * self.held * self.size[0] * self.size[1]
        return self.keyframe.planned(memory=memory, tile=tile, held=held)

    def steps(self, plan: Plan, *, executor: Executor | None = None, state: State | None = None) -> Iterator[FilmStep]:
        """Yield the frames, from the first or from a state."""
        return self.begun(plan, executor)(state, None)


def time_of(state: State) -> Fraction:
    """Return the time of the frame with which a state goes on, in seconds."""
    return Fraction(state["time"][0], state["time"][1])
