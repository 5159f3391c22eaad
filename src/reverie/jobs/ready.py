"""Memory needed to prepare a job, estimated from its files' headers before any of them is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reverie.crafts.craft import Craft, Input
from reverie.crafts.kinds import FOLDER, FOOTAGE, MAP, MASK, PHOTO, PLACE, STYLE_NETWORK, WORD
from reverie.crafts.settings import Settings, longer_side
from reverie.engine.memory import LOADED, avoid_fragmentation, parse_memory, readable, resident, sufficient
from reverie.errors import OutOfMemory
from reverie.pictures import Head, fit, read_head

_PIXELS, _ALPHA = 12, 4  # bytes of a pixel, as it is kept
_FILLING = 46  # bytes per pixel that filling transparent places takes beside the picture
_MASKING = 32  # bytes per pixel of a mask, while it is made of a picture
_PARTING = 48  # bytes per pixel of a map, while its regions are told apart
_DRAWING, _JOINING = 60, 96  # bytes per pixel of what a run begins with, while it is drawn; where its edges are joined
_LIBRARIES = 30 * 2**20  # bytes that come with the first network
_SHARES = (0.75, 0.6, 0.45, 0.3, 0.2, 0.1)  # of the size, one of which is offered
_SURE, _LEAST = 0.97, 16  # of the limit that it takes; pixels
_UNREAD = (FOLDER, FOOTAGE, PLACE, WORD, STYLE_NETWORK)


@dataclass(frozen=True)
class MemoryPeak:
    """A peak of memory while a job is prepared.

    Attributes:
        amount: bytes, beside what the process has held before.
        doing: what is done, in words.
    """

    amount: float
    doing: str


@dataclass(frozen=True, eq=False)
class Preparation:
    """Preparation of a job before its run can be planned.

    Attributes:
        craft: of the job.
        heads: of its pictures, in the order in which they are read, each with its input.
        longer: the longer side in which photos are worked on, pixels; None where that is as they are.
        seamless: whether edges are joined.
    """

    craft: Craft[..., Any]
    heads: Sequence[tuple[Input, Head]]
    longer: int | None
    seamless: bool

    @property
    def worst(self) -> MemoryPeak:
        """The highest peak."""
        return max(self._peaks(), key=lambda peak: peak.amount)

    def plainer(self) -> Preparation:
        """Return the preparation with files that are read a few rows at a time."""
        plain = [(each, replace(head, peak=head.peak - head.undecoded, undecoded=0)) for each, head in self.heads]
        return replace(self, heads=plain)

    def _peaks(self) -> Iterator[MemoryPeak]:
        """Yield the peaks: reading and filling each picture, separating maps, drawing the initial picture."""
        kept = 0
        for each, head in self.heads:
            (height, width), pixels = head.size, head.size[0] * head.size[1]
            yield MemoryPeak(kept + head.peak, f"reading {width}x{height} pixels of '{head.name}'")
            if each.kind is MASK:
                yield MemoryPeak(kept + _MASKING * pixels, f"taking '{head.name}' as a mask")
                kept += _ALPHA * pixels
                continue
            kept += (_PIXELS + _ALPHA * head.alpha) * pixels
            if head.alpha:
                yield MemoryPeak(kept + _FILLING * pixels, f"filling the transparent parts of '{head.name}'")
                kept += _PIXELS * pixels
        for each, head in self.heads:
            if each.kind is MAP:
                apart = _PARTING * head.size[0] * head.size[1]
                yield MemoryPeak(kept + apart, f"telling the regions of '{head.name}' apart")
        yield MemoryPeak(kept + self._drawing(), "making ready what it begins with")

    def _drawing(self) -> float:
        """Estimate the bytes for the initial picture of a run: its photo resized, or noise."""
        if self.longer is None or not self.craft.long:
            return 0
        own = [head.size for each, head in self.heads if each is self.craft.main and each.kind is PHOTO]
        height, width = fit(own[0], longer=self.longer) if own else (self.longer, self.longer)
        resized = _PIXELS * own[0][0] * width if own else 0  # across first
        return LOADED + _LIBRARIES + (_JOINING if self.seamless else _DRAWING) * height * width + resized


def check_ready(craft: Craft[..., Any], files: Mapping[str, tuple[Path, ...]], settings: Settings) -> None:
    """Refuse files that cannot be read or prepared within the memory that the settings allow.

    Args:
        craft: of the job.
        files: by input.
        settings: of the job; where they name no amount, nothing is refused.
    Raises:
        OutOfMemory: more is needed; the message says what would do.
        PictureError: a file is no picture.
    """
    memory: str | None = getattr(settings, "memory", None)
    if memory is None:
        return
    avoid_fragmentation()
    allowed, held = parse_memory(memory), resident()
    ahead = preparation(craft, files, settings, longer_side(settings, enlarged=False))
    worst, left = ahead.worst, allowed - held
    if worst.amount > left:
        ways = [*_smaller(craft, files, settings, left), *_plainer(ahead, left)]
        ways.append(f"--memory {sufficient(held + worst.amount)} or more")
        raise OutOfMemory(
            f"{worst.doing} takes {readable(held + worst.amount)} of memory, and {readable(allowed)} are allowed."
            f" Try {' or '.join(ways)}."
        )


def preparation(
    craft: Craft[..., Any], files: Mapping[str, tuple[Path, ...]], settings: Settings, longer: int | None
) -> Preparation:
    """Describe the preparation of a job by its files' headers.

    Args:
        craft, files, settings: as of `check_ready`.
        longer: the longer side in which photos are worked on, pixels.
    """
    pictures = [each for each in craft.inputs if each.kind not in _UNREAD]
    heads = [
        (each, read_head(path, longer=longer if each.kind is PHOTO else None))
        for each in pictures
        for path in files.get(each.name, ())
    ]
    return Preparation(craft, heads, longer, bool(getattr(settings, "seamless", False)))


def _smaller(
    craft: Craft[..., Any], files: Mapping[str, tuple[Path, ...]], settings: Settings, left: int
) -> Iterator[str]:
    """Suggest a size that would fit, if there is one."""
    longer = longer_side(settings, enlarged=False)
    for size in () if longer is None else (int(share * longer) for share in _SHARES):
        if size >= _LEAST and preparation(craft, files, settings, size).worst.amount <= _SURE * left:
            yield f"--size {size}"
            return


def _plainer(ahead: Preparation, left: int) -> Iterator[str]:
    """Suggest a format that is decoded a few rows at a time, if that would do."""
    names = ", ".join(f"'{head.name}'" for _, head in ahead.heads if head.undecoded)
    if names and ahead.plainer().worst.amount <= _SURE * left:
        yield f"{names} saved as a plain PNG"
