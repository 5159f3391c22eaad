"""Part a clip at its cuts, at its keyframes, and into chunks that can be made apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from reverie.clips import ClipFrame
from reverie.motion.flow import Flow, Look, both_ways, composed, is_cut, look_at, still

_COVERED = 0.6  # share of a frame that the last keyframe must show; with less a new one is painted
_SHORTEST = Fraction(1, 4)  # of a chunk's length: a cut ends none that is shorter


@dataclass(frozen=True)
class Parting:
    """Where a clip is parted into chunks that are encoded apart.

    Attributes:
        seconds: length of a chunk: one begins with the first frame at or after each multiple of it.
        at_cuts: whether one begins at a cut as well.
        frames: of a chunk, on average.
    """

    seconds: Fraction
    at_cuts: bool = False
    frames: int = 48

    def begins(self, time: Fraction, *, before: Fraction, began: Fraction, cut: bool) -> bool:
        """True if a chunk begins with a frame.

        Args:
            time, before: of the frame and the one before it, in seconds.
            began: seconds at which the chunk before begins.
            cut: whether a scene begins with the frame.
        """
        if time // self.seconds != before // self.seconds:
            return True
        return cut and self.at_cuts and time - began >= _SHORTEST * self.seconds

    def longest(self, time: Fraction, most: int) -> int:
        """Return the frames from a keyframe at a time to the next, so that the last before a chunk is no shorter.

        Example:
            >>> Parting(Fraction(2)).longest(Fraction(0), 9), Parting(Fraction(2)).longest(Fraction(1, 24), 47)
            (8, 47)
        """
        left = max(1, round((1 - time % self.seconds / self.seconds) * self.frames))
        return -(-left // -(-left // most))


@dataclass(frozen=True, eq=False)
class Interval:
    """Frames from one keyframe to the next.

    Attributes:
        frames, looks: from the first keyframe on, the second included.
        pairs: the flows between each frame and the next, there and back.
        ends: whether the scene ends with it.
        opens: whether a chunk begins with its first frame.
        closes: whether one begins with its last, which is the first of the next interval.
        share: of the usual length, where the scene ends with it: a keyframe after few frames may change little.
    """

    frames: Sequence[ClipFrame]
    looks: Sequence[Look]
    pairs: Sequence[tuple[Flow, Flow]]
    ends: bool
    opens: bool = False
    closes: bool = False
    share: float = 1.0

    def to_first(self) -> list[Flow]:
        """Return the flow from each frame to the first."""
        flows = [still(self.looks[0].size)]
        for _, back in self.pairs:
            flows.append(composed(back, flows[-1]))
        return flows

    def to_last(self) -> list[Flow]:
        """Return the flow from each frame to the last."""
        flows = [still(self.looks[0].size)]
        for there, _ in reversed(self.pairs):
            flows.append(composed(there, flows[-1]))
        return flows[::-1]


def intervals(frames: Iterable[ClipFrame], longest: int, parting: Parting | None = None) -> Iterator[Interval]:
    """Part a clip at its cuts, keyframes and chunks.

    Args:
        frames: of the clip; the first is a keyframe, and begins a chunk.
        longest: frames from a keyframe to the next, at most; it is less where too much moves out of sight.
        parting: where chunks begin; None: there is one only.
    """
    held: list[Moment] = []
    reached: Flow | None = None
    most = longest
    for moment in moments(frames, parting):
        if held and moment.cut:
            yield _interval(held, ends=True, usual=longest)
            held = []
        reached = composed(moment.pair[1], reached) if held and moment.pair and reached else still(moment.look.size)
        if not held and parting is not None:
            most = parting.longest(moment.frame.time, longest)
        held.append(moment)
        apart = moment.opens or len(held) > most or float(reached.holds.mean()) < _COVERED
        if len(held) > 1 and apart:
            yield _interval(held, ends=False, usual=longest)
            held, reached = [moment], still(moment.look.size)
            most = longest if parting is None else parting.longest(moment.frame.time, longest)
    if held:
        yield _interval(held, ends=True, usual=longest)


@dataclass(frozen=True, eq=False)
class Moment:
    """A frame, and what has become of the one before.

    Attributes:
        frame, look: see `Interval`.
        pair: the flows from the frame before and back to it; None where there is none.
        cut: whether a scene begins with it.
        opens: whether a chunk begins with it.
    """

    frame: ClipFrame
    look: Look
    pair: tuple[Flow, Flow] | None
    cut: bool
    opens: bool


def moments(frames: Iterable[ClipFrame], parting: Parting | None) -> Iterator[Moment]:
    """Compare each frame of a clip with the one before; a chunk begins with the first."""
    before: Moment | None = None
    began = Fraction(0)
    for frame in frames:
        look = look_at(frame.image)
        if before is None:
            pair, cut, opens = None, False, True
        else:
            pair = both_ways(before.look, look)
            cut = is_cut(before.look, look, pair[1])
            last = before.frame.time
            opens = parting is not None and parting.begins(frame.time, before=last, began=began, cut=cut)
        began = frame.time if opens else began
        before = Moment(frame, look, pair, cut, opens)
        yield before


def _interval(held: Sequence[Moment], *, ends: bool, usual: int) -> Interval:
    pairs = [moment.pair for moment in held[1:] if moment.pair is not None]
    closes = not ends and held[-1].opens
    share = min(1.0, len(pairs) / usual) if ends else 1.0
    return Interval([m.frame for m in held], [m.look for m in held], pairs, ends, held[0].opens, closes, share)
