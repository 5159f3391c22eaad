"""Peak memory of a run: one model of its worst moments, calibrated by `python -m benchmarks.memory`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from torch import Tensor

from reverie.engine.evaluate import LOOKED_AT
from reverie.engine.grids import Grid, grid_for
from reverie.engine.memory import resident
from reverie.engine.pieces import Piece, grids, pieces, work
from reverie.engine.stages import Size
from reverie.engine.synthesize import Synthesis
from reverie.engine.tiles import TWICE, TiledExecutor
from reverie.networks.ops import Conv
from reverie.objectives import PICTURE, Bound
from reverie.objectives.terms_dream import Guide
from reverie.objectives.terms_style import FromPaintings
from reverie.pictures import size_of

PIXEL = 3 * 4  # bytes of a picture's pixel
OWN = 32 * 2**20  # bytes that libraries come to hold during a run, beyond what its first step has shown
SCRAPS = 64 * 2**20  # bytes of freed maps of tiles that the C library keeps, too small to be given back
KERNEL = 160 * 2**10  # bytes of a kernel that oneDNN compiles for a layer and a shape
KERNELS, A_LAYER = 1024, 4  # most that it keeps; those of a convolution: each way, of references, of their moments
FINISHING = 48 * 2**20  # bytes that a change of colours takes, whatever the picture's size
WRITTEN = PIXEL + 8  # bytes per pixel of a result that is written: the picture, its alpha, an encoder's copy
SLACK = 1.3  # measured peaks over the sum of the maps, over networks and sizes


class Cut:
    """One way to cut a run's largest picture, and what that costs.

    Args:
        what, bound: the run, and its objective bound at some size.
        size: (H, W) of the largest picture.
        tile: side of the tiles; 0 for none.
        held: further bytes that the caller comes to hold.

    Attributes:
        whole: whether it is not cut at all.
        overhead: time of an evaluation over that of the whole picture at once.
        references: bytes of the features of references; of a cut picture they lie in a file, mapped into memory.
        counts: whether every map's numbers can be counted in 32 bits, beyond which backends fail or crawl.
        floor: bytes of the process as it is now, and what comes to it at any size.
        binding, stepping, drawing, enlarging: bytes at the worst moment of each: while references are looked at, in a
            step, while the result is drawn and written, and while it is enlarged; 0 where it is not.
    """

    def __init__(self, what: Synthesis, bound: Bound, size: Size, tile: int, *, held: int = 0) -> None:
        self.what, self.size, self.tile = what, size, tile
        wanted, self.pixels, self.batch = bound.statistics, size[0] * size[1], what.canvas.batch
        self.whole = not tile or len(grid_for(what.network, wanted, size, tile)) == 1
        side = 2 * max(size) if self.whole else tile
        parts = TiledExecutor(side, cut=not self.whole).pieces(what.network, wanted, size, once=bound.linear)
        self._parts = list(grids(parts, size, side))
        one = work(pieces(what.network, wanted, cut=False), size, 2 * max(size))
        passes = 1.0 if self.whole or (bound.linear and len(parts) == 1) else TWICE
        self.overhead = passes * work(parts, size, side) / max(one, 1.0)
        self.references = int(self.pixels * _reference_bytes(what, bound))
        most = max(grid.seen[0] * max(piece.density.values(), default=3.0) for piece, grid in self._parts)
        self.counts = self.batch * most < 2**31
        self.floor = resident() + OWN + held + (0 if self.whole else SCRAPS)

    @property
    def peak(self) -> int:
        """Bytes at the worst moment of all."""
        return max(self.binding, self.stepping, self.drawing, self.enlarging)

    @cached_property
    def binding(self) -> int:
        """Bytes while the largest painting is resized, and it or a larger guide is measured."""
        painting = _largest_painting(self.what, self.size)
        area = max(painting, _largest_guide(self.what))
        most = max(self.pixels, (LOOKED_AT + 2 * max(grid.halo for _, grid in self._parts)) ** 2)
        seen = min(area, most if self.whole else max(grid.seen[0] for _, grid in self._parts))
        maps = SLACK * seen * max(_forward_bytes(piece) for piece, _ in self._parts)
        kept = SCRAPS if self.whole and seen < area else 0  # it is looked at in tiles
        return int(self._lasts + 2 * PIXEL * painting + maps + kept)

    @cached_property
    def stepping(self) -> int:
        return int(self._lasts + self.on_the_way + self.maps)

    @cached_property
    def maps(self) -> float:
        """Bytes of the maps of the largest tile, its way back included."""
        return self.batch * max(SLACK * grid.seen[0] * _map_bytes(piece) for piece, grid in self._parts)

    @cached_property
    def on_the_way(self) -> float:
        """Bytes of whole pictures, and of whole maps between the pieces, that a step makes."""
        between = sum(_between(piece, grid) for piece, grid in self._parts) * self.what.network.dtype.itemsize
        return self.batch * (self.pixels * PIXEL * _ON_THE_WAY + between)

    @property
    def lasting(self) -> float:
        """Bytes of the pictures and references that stay from step to step."""
        return self.batch * self.pixels * PIXEL * self._lasting + self.references

    @cached_property
    def drawing(self) -> int:
        """Bytes while the result is drawn from the average, recoloured, and copied by an encoder."""
        changed = 2 * PIXEL * self.pixels + FINISHING if self.what.canvas.finished else 0
        return int(self._lasts + self.batch * self.pixels * (PIXEL + WRITTEN) + changed)

    @cached_property
    def enlarging(self) -> int:
        enlarge = self.what.enlarge
        if enlarge is None:
            return 0
        height, width = enlarge.size(self.size)
        return int(self._lasts + self.pixels * PIXEL + WRITTEN * height * width + enlarge.working)

    @property
    def _lasts(self) -> float:
        """Bytes of what stays from step to step."""
        return self.floor + self.compiled + self.lasting

    @cached_property
    def compiled(self) -> int:
        """Bytes of the kernels that are compiled for the shapes of all scales' tiles."""
        parts, count = [piece for piece, _ in self._parts], 0
        for stage in self.what.stages:
            side = 2 * max(stage.size) if self.whole else self.tile
            count += sum(_convolutions(piece) * grid.shapes for piece, grid in grids(parts, stage.size, side))
        return KERNEL * min(KERNELS, A_LAYER * count)

    @property
    def _lasting(self) -> float:
        """Pictures that stay from step to step: parameters and their gradient; the optimiser's, the average, and
        references of another size. What the canvas was made from and references of this size are there already."""
        what = self.what
        likes = {id(p): p for _, t in what.objective.parts if (p := getattr(t, "like", None)) is not None}
        references = sum(isinstance(p, Tensor) and size_of(p) != self.size for p in likes.values())
        return 2 + what.canvas.buffers + what.optimiser.buffers + references + (what.average is not None)


_ON_THE_WAY = 2  # pictures that a step makes: what the network sees, and one more


def _map_bytes(piece: Piece) -> float:
    """Bytes per position before a piece of its maps: those kept for the way back, and the two largest in work."""
    sizes, network = piece.density, piece.network
    read = [s.layer for s in piece.wanted if s.layer != PICTURE]
    copies = sum(network.channels(layer) / network.stride(layer) ** 2 for layer in read)
    maps = sum(sizes.values()) + copies + 2 * max(sizes.values(), default=0)
    saved = sum(4.0 * s.saved / (1 if s.layer == PICTURE else network.stride(s.layer)) ** 2 for s in piece.wanted)
    rough = 4 * 3 * 5 if any(s.layer == PICTURE for s in piece.wanted) else 0
    return network.dtype.itemsize * maps + saved + rough + 4 * 3 * 2


def _between(piece: Piece, grid: Grid) -> float:
    """Numbers in the map that a piece hands on, and in the largest such map's gradient."""
    if piece.out is None:
        return 0
    return 2 * grid.size[0] * grid.size[1] * piece.network.channels(piece.out) / piece.network.stride(piece.out) ** 2


def _reference_bytes(what: Synthesis, bound: Bound) -> float:
    """Bytes per pixel of the features of references."""
    network = what.network
    return sum(
        network.dtype.itemsize * network.channels(s.layer) / network.stride(s.layer) ** 2
        for s in bound.statistics
        if s.reference is not None and s.layer != PICTURE
    )


def _convolutions(piece: Piece) -> int:
    """Count the convolutions in a run of a piece."""
    layers = [layer for layer in piece.layers if layer != PICTURE]
    return sum(isinstance(node.op, Conv) for node in piece.network.blueprint.ancestors(layers))


def _forward_bytes(piece: Piece) -> float:
    """Bytes per position of the maps where there is no way back: those read, and the two largest in work."""
    network = piece.network
    kept = sum(network.channels(layer) / network.stride(layer) ** 2 for layer in piece.layers if layer != PICTURE)
    return network.dtype.itemsize * (kept + 2 * max(piece.density.values(), default=0)) + PIXEL


def _terms(what: Synthesis) -> Iterator[object]:
    """Return the terms of all scales."""
    return (term for stage in what.stages for _, term in (stage.objective or what.objective).parts)


def _largest_painting(what: Synthesis, size: Size) -> int:
    """Pixels of the largest painting that is measured, at its scale for a picture of this size; 0 without any."""
    return max((term.source.largest(size) for term in _terms(what) if isinstance(term, FromPaintings)), default=0)


def _largest_guide(what: Synthesis) -> int:
    """Pixels of the largest guide, which is looked at as it is; 0 without any."""
    return max((term.like.shape[2] * term.like.shape[3] for term in _terms(what) if isinstance(term, Guide)), default=0)
