"""Where a run's pictures lie on an accelerator: in its own memory, or on the host where they are too large for that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from reverie.engine.devices import CPU, allowed_on, held_on
from reverie.engine.memory import readable, resident, sufficient
from reverie.engine.needs import OWN, PIXEL, WRITTEN, Cut
from reverie.errors import OutOfMemory

WORKSPACE = 256 * 2**20  # bytes that libraries take on an accelerator for their convolutions


@dataclass(frozen=True)
class Placed:
    """A cut with a place for its pictures.

    Attributes:
        cut: of the run.
        device: that computes.
        home: the device that keeps the pictures and the maps between the pieces.
        limit: bytes of the device's memory that are allowed.
        held: bytes that the caller comes to hold on the host.
    """

    cut: Cut
    device: torch.device
    home: torch.device
    limit: int
    held: int

    @property
    def there(self) -> int:
        """Bytes of the device's own memory at the worst moment."""
        cut, here = self.cut, self.home == self.device
        kept = cut.lasting + (cut.on_the_way if here else 0) if here else 0
        enlarged = 0.0
        if here and cut.what.enlarge is not None:
            height, width = cut.what.enlarge.size(cut.size)
            enlarged = cut.lasting + PIXEL * height * width + cut.what.enlarge.working
        return int(held_on(self.device) + WORKSPACE + max(kept + cut.maps, enlarged))

    @property
    def host(self) -> int:
        """Bytes of the host's memory at the worst moment."""
        cut = self.cut
        factor = 1 if cut.what.enlarge is None else cut.what.enlarge.factor**2
        written = (PIXEL + WRITTEN) * cut.pixels * factor
        kept = 0.0 if self.home == self.device else cut.lasting + cut.on_the_way
        return int(resident() + OWN + self.held + max(kept, written) + (written if kept else 0))


def place_on(device: torch.device, cuts: Sequence[Cut], limit: int, *, chosen: bool, held: int) -> Placed:
    """Choose the first cut, and the home of its pictures, that fit both memories: the device's own first.

    Args:
        device: that computes.
        cuts: in the order in which they are tried.
        limit: bytes that this process may use on the host.
        chosen: whether the cut was asked for.
        held: bytes that the caller comes to hold on the host.
    Raises:
        OutOfMemory: none fits.
    """
    allowed = allowed_on(device)
    tried = list(_places(device, cuts, allowed, held))
    fitting = (p for p in tried if p.there <= allowed and p.host <= limit and (p.cut.counts or chosen))
    found = next(fitting, None)
    if found is not None:
        return found
    least = min(tried, key=lambda p: p.there)
    height, width = least.cut.size
    short, have, where, flag = least.there, allowed, f"of {device}'s memory", "--device-memory"
    if least.there <= allowed:
        short, have, where, flag = least.host, limit, "of memory", "--memory"
    raise OutOfMemory(
        f"{width}x{height} px needs {readable(short)} {where}; {readable(have)} are allowed. Try a smaller --size,"
        f" {flag} {sufficient(short)} or --device cpu."
    )


def _places(device: torch.device, cuts: Sequence[Cut], limit: int, held: int) -> Iterator[Placed]:
    """Yield every cut with its pictures on the device, then on the host."""
    for home in (device, CPU):
        for cut in cuts:
            if home == device or not cut.whole:
                yield Placed(cut, device, home, limit, held)
