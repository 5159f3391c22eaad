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
from reverie.motion.flow import Array, Flow, Look, composed, still, trust
from reverie.motion.mixing import detail_energy, mixed
from reverie.motion.parting import Interval
from reverie.motion.warp import spread, warped

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
        state: what is needed to go on with it; None where no chunk begins with it.
    """

    frame: ClipFrame
    image: Tensor
    key: bool
    state: State | None = None


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


def rendered(parts: Iterable[Interval], painter: FramePainter, *, state: State | None = None) -> Iterator[Rendered]:
    """Paint a clip.

    Where the painter's keyframes are mixed with earlier ones, the first of a chunk is not: so each chunk can be painted
    apart.

    Args:
        parts: of the clip; with a state, the first begins with the frame that the state is of.
        painter: of its frames.
        state: of an earlier call.
    """
    return _Renderer(painter, state).run(parts)


class _Renderer:
    def __init__(self, painter: FramePainter, state: State | None) -> None:
        self.painter = painter
        self.memory = Memory.of(state) if state is not None and state["keys"] else None
        self.fresh = self.memory is not None  # and its first keyframe is still to be shown

    def run(self, parts: Iterable[Interval]) -> Iterator[Rendered]:
        for part in parts:
            if self.memory is None:
                self.memory = Memory()
                self._remember(self.painter.key(part.frames[0].image, ()), part.frames[0], part.looks[0])
                yield self._shown(part, 0, Memory().state() if part.opens else None)
            elif self.fresh:
                yield self._shown(part, 0, self.memory.state())
            self.fresh = False
            if part.pairs:
                yield from self._frames(part)
            if part.ends:
                self.memory = None

    def _frames(self, part: Interval) -> Iterator[Rendered]:
        """Paint the next keyframe, and the frames before it."""
        memory = self._memory()
        first = memory.keys[0][0]
        back, ahead = part.to_first(), part.to_last()
        memory.moved(back[-1])
        alone = part.closes and self.painter.carried > 0
        image = self._next_key(part, alone=alone)
        if alone:
            memory.keys.clear()
        self._remember(image, part.frames[-1], part.looks[-1])
        last = memory.keys[0][0]
        for number in range(1, len(part.pairs)):
            yield Rendered(part.frames[number], self._between(part, number, first, last, back, ahead), key=False)
        state = (Memory() if alone else memory).state() if part.closes else None
        yield self._shown(part, -1, state)

    def _shown(self, part: Interval, number: int, state: State | None) -> Rendered:
        """Return a keyframe as it is remembered, so that it is the same when it is gone on with."""
        frame = part.frames[number]
        return Rendered(frame, self._on(frame.image, self._memory().keys[0][0].pixels), key=True, state=state)

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
        kept = guide.mask[0, 0].numpy() * (1 - part.share * (1 - self.painter.carried))
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
