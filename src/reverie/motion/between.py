"""Paint keyframes, and make the frames between them of the two they lie between, carried along the flow.

Every frame between samples both keyframes once, by flow composed of that from frame to frame: so it moves as the clip
does, and is as sharp as its keyframes. Only what neither shows is painted for itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from reverie.clips import ClipFrame
from reverie.motion.flow import Array, Flow, Look, both_ways, composed, is_cut, look_at, still, trust
from reverie.motion.mixing import detail_energy, mixed
from reverie.motion.warp import spread, warped

_COVERED = 0.6  # share of a frame that the last keyframe must show; with less a new one is painted
_SEEN, _HIDDEN = 0.5, 0.1  # trust from which a keyframe shows a place, and up to which it does not
_BARE = 0.02  # share of a frame that neither keyframe shows, from which it is painted for itself
_LITTLE = 1e-3  # weight of what should not be followed, where there is nothing better
_REMEMBERED = 2  # keyframes that a painter is told of

State = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Guide:
    """A painted keyframe, carried to a later one.

    Attributes:
        image: (1, 3, H, W).
        mask: (1, 1, H, W) in [0, 1], how far it is to be followed; nearer keyframes first, so that the masks of all
            sum to 1 at most.
    """

    image: Tensor
    mask: Tensor


class FramePainter(Protocol):
    """Paints frames of a clip.

    Attributes:
        detail: whether what it adds to a frame is carried along, rather than all of the painting.
        carried: share of the last keyframe's painting that is mixed into the next, in [0, 1); 0 where it follows its
            guides by itself.
    """

    @property
    def detail(self) -> bool:
        """See above."""

    @property
    def carried(self) -> float:
        """See above."""

    def key(self, photo: Tensor, guides: Sequence[Guide]) -> Tensor:
        """Paint a keyframe (1, 3, H, W) in [0, 1]."""

    def between(self, photo: Tensor) -> Tensor | None:
        """Paint a frame for itself; None where it cannot be done quickly."""


@dataclass(frozen=True, eq=False)
class Interval:
    """Frames from one keyframe to the next.

    Attributes:
        frames, looks: from the first keyframe on, the second included.
        pairs: the flows between each frame and the next, there and back.
        ends: whether the scene ends with it.
    """

    frames: Sequence[ClipFrame]
    looks: Sequence[Look]
    pairs: Sequence[tuple[Flow, Flow]]
    ends: bool

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


@dataclass(frozen=True, eq=False)
class Key:
    """What a keyframe's painting carries along.

    Attributes:
        pixels: (H, W, 3) of the painting, or of what it adds to its frame.
        energy: (H, W) of its finest details.
    """

    pixels: Array
    energy: Array


@dataclass(frozen=True, eq=False)
class Rendered:
    """A frame that is done.

    Attributes:
        frame: of the clip.
        image: (1, 3, H, W) in [0, 1].
        key: whether it is a keyframe.
        state: what is needed to go on after it; None where that cannot be.
    """

    frame: ClipFrame
    image: Tensor
    key: bool
    state: State | None = None


def intervals(frames: Iterable[ClipFrame], longest: int) -> Iterator[Interval]:
    """Part a clip at its cuts and keyframes.

    Args:
        frames: of the clip; the first is a keyframe.
        longest: frames from a keyframe to the next, at most; it is less where too much moves out of sight.
    """
    held: list[ClipFrame] = []
    looks: list[Look] = []
    pairs: list[tuple[Flow, Flow]] = []
    reached: Flow | None = None
    for frame in frames:
        look = look_at(frame.image)
        if held:
            pair = both_ways(looks[-1], look)
            if is_cut(looks[-1], look, pair[1]):
                yield Interval(held, looks, pairs, ends=True)
                held, looks, pairs, reached = [], [], [], None
            else:
                pairs.append(pair)
        held.append(frame)
        looks.append(look)
        reached = still(look.size) if reached is None else composed(pairs[-1][1], reached)
        if len(held) > longest or (len(held) > 1 and float(reached.holds.mean()) < _COVERED):
            yield Interval(held, looks, pairs, ends=False)
            held, looks, pairs, reached = [frame], [look], [], still(look.size)
    if len(held) > 1 or (held and reached is not None and not pairs):
        yield Interval(held, looks, pairs, ends=True)


@dataclass(eq=False)
class Memory:
    """Painted keyframes of a scene, the last first, each with the flow from the last one to it."""

    keys: list[tuple[Key, Flow]] = field(default_factory=list)

    def moved(self, flow: Flow) -> None:
        """Follow the clip to its next keyframe, from which this flow leads to the last."""
        self.keys = [(key, composed(flow, back)) for key, back in self.keys]

    def add(self, key: Key, size: tuple[int, int]) -> None:
        """Remember one more keyframe."""
        self.keys = [(key, still(size)), *self.keys][:_REMEMBERED]

    def state(self) -> State:
        """Return it as plain values and tensors."""
        return {
            "keys": [
                {"pixels": torch.from_numpy(key.pixels), "shift": torch.from_numpy(flow.shift),
                 "holds": torch.from_numpy(flow.holds)}
                for key, flow in self.keys
            ]
        }  # fmt: skip

    @classmethod
    def of(cls, state: State) -> Memory:
        """Return the memory of a state."""
        found = cls()
        for each in state["keys"]:
            pixels = each["pixels"].numpy()
            found.keys.append((Key(pixels, detail_energy(pixels)), Flow(each["shift"].numpy(), each["holds"].numpy())))
        return found


def rendered(
    parts: Iterable[Interval], painter: FramePainter, *, chunk: int | None = None, state: State | None = None
) -> Iterator[Rendered]:
    """Paint a clip.

    Args:
        parts: of the clip; with a state, the first begins with the frame after which it was taken.
        painter: of its frames.
        chunk: frames after which a state is given. If the painter's keyframes are mixed with earlier ones, the one
            there is not, so that what follows can be painted apart. None: there are no chunks.
        state: of an earlier call.
    """
    return _Renderer(painter, chunk, state).run(parts)


class _Renderer:
    def __init__(self, painter: FramePainter, chunk: int | None, state: State | None) -> None:
        self.painter, self.chunk = painter, chunk
        self.memory: Memory | None = None if state is None else Memory.of(state)
        self.since = 0

    def run(self, parts: Iterable[Interval]) -> Iterator[Rendered]:
        for part in parts:
            if self.memory is None:
                self.memory = Memory()
                yield self._scene(part)
            if part.pairs:
                yield from self._frames(part)
            if part.ends:
                self.memory = None

    def _scene(self, part: Interval) -> Rendered:
        """Paint the first frame of a scene."""
        image = self.painter.key(part.frames[0].image, ())
        self._remember(image, part.frames[0], part.looks[0])
        self.since += 1
        return Rendered(part.frames[0], image, key=True)

    def _frames(self, part: Interval) -> Iterator[Rendered]:
        """Paint the next keyframe, and the frames before it."""
        memory = self._memory()
        first = memory.keys[0][0]
        back, ahead = part.to_first(), part.to_last()
        memory.moved(back[-1])
        apart = self.chunk is not None and self.since + len(part.pairs) >= self.chunk
        alone = apart and self.painter.carried > 0
        image = self._next_key(part, alone=alone)
        if alone:
            memory.keys.clear()
        self._remember(image, part.frames[-1], part.looks[-1])
        last = memory.keys[0][0]
        for number in range(1, len(part.pairs)):
            yield Rendered(part.frames[number], self._between(part, number, first, last, back, ahead), key=False)
        self.since = 0 if apart else self.since + len(part.pairs)
        yield Rendered(part.frames[-1], image, key=True, state=memory.state() if apart else None)

    def _memory(self) -> Memory:
        if self.memory is None:
            raise RuntimeError("a scene has begun without its first frame")
        return self.memory

    def _remember(self, image: Tensor, frame: ClipFrame, look: Look) -> None:
        pixels = array_of(image - frame.image if self.painter.detail else image)
        self._memory().add(Key(pixels, detail_energy(pixels)), look.size)

    def _next_key(self, part: Interval, *, alone: bool) -> Tensor:
        """Paint the last frame of a part, guided by the keyframes before it."""
        photo = part.frames[-1].image
        guides = [] if alone else list(self._guides(part))
        image = self.painter.key(photo, guides)
        if alone or not self.painter.carried:
            return image
        pixels = array_of(image - photo if self.painter.detail else image)
        guide = guides[0]
        kept = guide.mask[0, 0].numpy() * self.painter.carried
        before = array_of(guide.image - photo if self.painter.detail else guide.image)
        energy = detail_energy(pixels)  # that of both: what is carried on and on would grow soft
        made = mixed([(before, kept, energy), (pixels, 1 - kept, energy)])
        return self._on(photo, made)

    def _guides(self, part: Interval) -> Iterator[Guide]:
        """Yield the keyframes remembered, carried to the last frame of a part."""
        photo, look, left = part.frames[-1].image, part.looks[-1], None
        for number, (key, flow) in enumerate(self._memory().keys):
            there = part.looks[0] if number == 0 else None
            kept = trust(flow, look, there) if there is not None else flow.holds
            kept = kept if left is None else np.clip(kept - left, 0, 1)
            left = kept if left is None else left + kept
            pixels = warped(key.pixels, flow.shift)
            mask = torch.from_numpy(spread(np.ascontiguousarray(kept, np.float32), pixels.shape[:2]))[None, None]
            yield Guide(self._on(photo, pixels), mask)

    def _between(
        self, part: Interval, number: int, first: Key, last: Key, back: Sequence[Flow], ahead: Sequence[Flow]
    ) -> Tensor:
        """Make a frame of the two keyframes around it."""
        photo, look = part.frames[number].image, part.looks[number]
        size = first.pixels.shape[:2]
        here = number / len(part.pairs)
        old, new = trust(back[number], look, part.looks[0]), trust(ahead[number], look, part.looks[-1])
        shares = [old * (1 - here) + _LITTLE, new * here + _LITTLE]
        hidden = np.clip((_SEEN - np.maximum(old, new)) / (_SEEN - _HIDDEN), 0, 1)
        own = self._own(photo, bare=float(hidden.mean()))
        kept = (1 - hidden if own is not None else np.float32(1)) / (shares[0] + shares[1])
        parts = [
            (warped(key.pixels, flow.shift), spread(share * kept, size), warped(key.energy, flow.shift).clip(0))
            for key, flow, share in zip((first, last), (back[number], ahead[number]), shares, strict=True)
        ]
        if own is not None:
            parts.append((own, 1 - parts[0][1] - parts[1][1], detail_energy(own)))
        return self._on(photo, mixed(parts))

    def _own(self, photo: Tensor, *, bare: float) -> Array | None:
        """Paint a frame for itself if that is needed; of details there are none then."""
        if self.painter.detail:
            return np.zeros((*photo.shape[2:], 3), np.float32)
        image = self.painter.between(photo) if bare > _BARE else None
        return None if image is None else array_of(image)

    def _on(self, photo: Tensor, pixels: Array) -> Tensor:
        """Turn what is carried into a picture."""
        image = picture_of(pixels)
        return (image + photo if self.painter.detail else image).clamp_(0, 1)


def array_of(image: Tensor) -> Array:
    """View a picture (1, 3, H, W) as an array (H, W, 3)."""
    return np.ascontiguousarray(image[0].permute(1, 2, 0).cpu().numpy(), dtype=np.float32)


def picture_of(pixels: Array) -> Tensor:
    """View an array (H, W, 3) as a picture (1, 3, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None]
