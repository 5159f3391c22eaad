"""The tiles of one picture over the machines of a Ray cluster, with the bits of one machine.

An actor works off a stretch of tiles: it holds the network, the features of references in its tiles, and sees only
the part of the picture that those tiles read. Shares of statistics and gradients come back tile by tile and are added
here in the order of the tiles, so the result does not depend on who was faster, nor on how many there are.
"""

from __future__ import annotations

import itertools
import os
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reverie.engine.executors import Slopes, Statistics, read
from reverie.engine.grids import Grid, Place, grid_for, owned
from reverie.engine.joining import check_room, join, leave, the_ray
from reverie.engine.pieces import Piece, pieces, pulled, shares
from reverie.engine.tiles import Cutter, Swept, added
from reverie.errors import RecipeError
from reverie.networks import Network
from reverie.objectives import Statistic, Window
from reverie.pictures import size_of

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Array = NDArray[Any]
_Visit = tuple[list[Array], Array | None]
Features = dict[tuple[Statistic, Window], Tensor]
KEPT = 4  # measurements whose references an actor keeps: more than a run alternates between
TRIES = 3  # of a tile whose actors die, before its size is taken to be the reason


class RayExecutor(Cutter):
    """Statistics of a picture whose tiles are spread over Ray actors.

    The bits are those of `TiledExecutor(tile, cut=False)`.
    An actor that dies is replaced and its tiles are done again. Use it as a context, or close it.

    Args:
        actors: how many share the tiles.
        tile: side of the pixels a tile owns, rounded down to the network's deepest stride.
        address: "local" starts a cluster on this machine, on the loopback address; otherwise HOST:PORT of a running
            one, on whose machines this package is installed.
        threads: of PyTorch in each actor, and the cores Ray sets aside for it; by default this machine's cores
            divided by the actors where it is local, else 1.
        gpus: of each actor, a fraction where several share one; 0 computes on the CPU.
    Raises:
        RecipeError: Ray is not installed, there is no such cluster, or a number makes no sense.
    Example:
        with rv.RayExecutor(2, tile=512) as executor:
            rv.evaluate(objective, network, photo, executor=executor)
    """

    def __init__(
        self, actors: int = 2, *, tile: int = 512, address: str = "local", threads: int | None = None, gpus: float = 0
    ) -> None:
        super().__init__(tile)
        each = threads or (max(1, (os.cpu_count() or 1) // max(1, actors)) if address == "local" else 1)
        if actors < 1 or each < 1 or gpus < 0:
            raise RecipeError(f"a cluster has 1 actor of 1 thread or more; got {actors}, {threads} and {gpus} GPUs.")
        self._wishes = {"num_cpus": each, "num_gpus": gpus, "max_restarts": 0}
        self._own = join(address, cpus=actors * each)
        check_room(actors, cpus=each, gpus=gpus)
        self._hands = [self._hand() for _ in range(actors)]
        self._orders: OrderedDict[Hashable, _Order] = OrderedDict()
        self._networks: weakref.WeakKeyDictionary[Network, _Parcel] = weakref.WeakKeyDictionary()
        self._numbers = itertools.count()
        self._strips: list[_Strip | None] = [None] * actors

    def __enter__(self) -> Self:
        """The executor itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """End the actors, and the cluster where this executor started it."""
        hands, self._hands = self._hands, []
        self.forget()
        if the_ray().is_initialized():
            for hand in hands:
                the_ray().kill(hand)
            if self._own:
                leave()

    def forget(self) -> None:
        """Drop what was sent to actors but the networks."""
        self._orders.clear()
        self._strips = [None] * len(self._strips)

    def sweep(self, picture: Tensor, network: Network, wanted: Statistics, slopes: Slopes | None) -> Swept:
        """The actors' tiles, added in the order of the tiles."""
        return self._swept(picture, network, wanted, slopes, again=False)

    def pull(
        self,
        picture: Tensor,
        network: Network,
        wanted: Statistics,
        gradients: Sequence[Tensor | None],
        kept: list[Tensor],
    ) -> Tensor:
        """The same tiles again, for the gradient alone."""
        return self._swept(picture, network, wanted, lambda _: gradients, again=True).pulled

    def _swept(
        self, picture: Tensor, network: Network, wanted: Statistics, slopes: Slopes | None, *, again: bool
    ) -> Swept:
        if network.periodic:
            raise RecipeError("a seamless picture is not spread over a cluster; leave the cluster or seamless out.")
        grid = grid_for(network, wanted, size_of(picture), self.tile)
        order = self._order(network, wanted, grid, picture)
        strips = self._laid_out(order, picture)
        sent = None if slopes is None else the_ray().put(_plain(slopes(self._like(order, strips))))
        gradient = None if slopes is None else torch.zeros_like(picture)
        sums: list[Tensor] = []
        tensors: list[Tensor] = []
        for place, (found, part) in zip(grid, self._visits(order, strips, sent, again), strict=True):
            tensors = [torch.tensor(x) for x in found]
            sums = added(sums, tensors)
            if gradient is not None:
                grid.add(gradient, place, torch.tensor(part))
        order.like = order.like or [torch.zeros_like(x) for x in tensors]
        return Swept(tuple(x.to(share.dtype) for x, share in zip(sums, tensors, strict=True)), gradient)

    def _visits(self, order: _Order, strips: list[Any], gradients: Any, again: bool) -> Iterator[_Visit]:
        """Yield each tile's results, in the order of the tiles; a dead actor's tiles are given to its successor."""
        died: type[Exception] = the_ray().exceptions.RayActorError
        owners, ask = order.owners, self._asking(order, strips, gradients, again)
        owed = {number: ask(number) for number in range(len(owners))}
        for number, owner in enumerate(owners):
            for left in reversed(range(TRIES)):
                try:
                    yield _got(owed.pop(number))
                    break
                except died:
                    if not left:
                        raise RuntimeError("actors keep dying at a tile: not enough memory") from None
                self._hands[owner] = self._hand()
                owed |= {n: ask(n) for n in range(number, len(owners)) if owners[n] == owner}

    def _asking(self, order: _Order, strips: list[Any], gradients: Any, again: bool) -> Callable[[int], Any]:
        def ask(number: int) -> Any:
            owner = order.owners[number]
            return self._hands[owner].visit.remote(
                order.network, order.parcels[owner], strips[owner], number, gradients, again
            )

        return ask

    def _hand(self) -> Any:
        ray = the_ray()
        device = "cuda" if self._wishes["num_gpus"] else "cpu"
        return ray.remote(Hand).options(**self._wishes).remote(self._wishes["num_cpus"], device)

    def _order(self, network: Network, wanted: Statistics, grid: Grid, picture: Tensor) -> _Order:
        """The measurement as the actors know it; sent once."""
        key = (network, wanted, grid, picture.shape[0], picture.dtype)
        if key not in self._orders:
            if network not in self._networks:
                self._networks[network] = self._parcel(network)
            boxes, owners = _stretches(grid, len(self._hands))
            parcels = [self._parcel((_cut(wanted, box), box.grid)) for box in boxes]
            self._orders[key] = _Order(self._networks[network], parcels, boxes, owners)
        self._orders.move_to_end(key)
        while len(self._orders) > KEPT:
            self._orders.popitem(last=False)
        return self._orders[key]

    def _parcel(self, content: object) -> _Parcel:
        return _Parcel(next(self._numbers), [the_ray().put(content)])

    def _laid_out(self, order: _Order, picture: Tensor) -> list[Any]:
        """Return each actor's part of the picture, sent if it has changed."""
        for owner, box in enumerate(order.boxes):
            pixels = np.ascontiguousarray(box.of(picture.detach()).cpu().numpy())
            before = self._strips[owner]
            if before is None or before.box != box or not np.array_equal(the_ray().get(before.sent), pixels):
                self._strips[owner] = _Strip(box, the_ray().put(pixels))
        return [strip.sent for strip in self._strips[: len(order.boxes)] if strip is not None]

    def _like(self, order: _Order, strips: list[Any]) -> list[Tensor]:
        """Tensors of the shares' shapes; they are asked of the first tile, once."""
        if not order.like:
            shares, _ = next(self._visits(replace(order, owners=order.owners[:1]), strips, None, False))
            order.like = [torch.zeros_like(torch.tensor(x)) for x in shares]
        return order.like


class Hand:
    """The code that runs in an actor: the passes over its tiles."""

    def __init__(self, threads: int, device: str) -> None:
        torch.set_num_threads(threads)
        self.device = device
        self._networks: _Few[int, Network] = _Few(2)
        self._orders: _Few[int, tuple[tuple[Piece, ...], Grid, Features]] = _Few(KEPT)

    def visit(
        self,
        network: _Parcel,
        order: _Parcel,
        strip: Any,
        number: int,
        gradients: list[Array | None] | None,
        again: bool,
    ) -> _Visit:
        """A tile's shares, unless it is done again; its pixels' gradient, where the statistics' gradients are given."""
        mine = self._networks.get(network.number, lambda: network.open().to(self.device))
        (piece,), grid, features = self._orders.get(order.number, lambda: _opened(mine, order))
        place = next(itertools.islice(grid, number, None))
        crop = self._tensor(grid.crop(strip, place))
        beside = partial(self._reference, features, piece, grid, place)
        if gradients is None:
            found, gradient = shares(piece, crop, grid, place, beside)[0], None
        else:
            known = dict(zip(piece.wanted, (None if g is None else self._tensor(g) for g in gradients), strict=True))
            found, gradient = pulled(piece, crop, grid, place, beside, lambda _: known, None)
        told = [] if again else [x.cpu().numpy() for x in found.values()]
        return told, None if gradient is None else gradient.cpu().numpy()

    def _reference(
        self, features: Features, piece: Piece, grid: Grid, place: Place, s: Statistic, window: Window
    ) -> Tensor | None:
        """The reference's features that a tile owns, computed once and kept."""
        if s.reference is None:
            return None
        if (s, window) not in features:
            pixels = grid.crop(s.reference, place).clone().to(self.device)
            with torch.no_grad():
                whole = read(piece.network, pixels, (s.layer,))[s.layer]
            region = owned(piece.network, s.layer, grid.size, place)[1]
            features[s, window] = whole[(..., *region)].clone(memory_format=torch.preserve_format)
        return features[s, window]

    def _tensor(self, array: Any) -> Tensor:
        """A tensor of its own, as PyTorch lays it: what lies in the cluster's memory may not be written."""
        return torch.tensor(array, device=self.device)


@dataclass(frozen=True)
class _Box:
    """The part of a picture that a stretch of tiles reads, and the grid as seen from there."""

    grid: Grid
    height: int
    width: int

    def of(self, pixels: Tensor) -> Tensor:
        top, left = self.grid.origin
        return pixels[..., top : top + self.height, left : left + self.width]


@dataclass(frozen=True)
class _Parcel:
    """Something that actors fetch once; in a list, or Ray would open it at every call."""

    number: int
    content: list[Any]

    def open(self) -> Any:
        return the_ray().get(self.content[0])


@dataclass(frozen=True)
class _Strip:
    """The pixels that an actor was sent last."""

    box: _Box
    sent: Any


@dataclass
class _Order:
    """A measurement as the actors know it: parcels and boxes by actor, owners by tile, the shares' shapes."""

    network: _Parcel
    parcels: list[_Parcel]
    boxes: list[_Box]
    owners: list[int]
    like: list[Tensor] = field(default_factory=list)


class _Few(Generic[K, V]):
    """The last few things that were made."""

    def __init__(self, most: int) -> None:
        self._most, self._things = most, OrderedDict[K, V]()

    def get(self, key: K, make: Callable[[], V]) -> V:
        if key not in self._things:
            while len(self._things) >= self._most:
                self._things.popitem(last=False)
            self._things[key] = make()
        self._things.move_to_end(key)
        return self._things[key]


def _opened(network: Network, order: _Parcel) -> tuple[tuple[Piece, ...], Grid, Features]:
    wanted, grid = order.open()
    return pieces(network, wanted, cut=False), grid, {}


def _stretches(grid: Grid, actors: int) -> tuple[list[_Box], list[int]]:
    """Tiles in order, as many to each actor: what each reads of the picture, and the owner of each tile."""
    places = list(grid)
    count = min(actors, len(places))
    owners = [number * count // len(places) for number in range(len(places))]
    mine = [[p for p, o in zip(places, owners, strict=True) if o == owner] for owner in range(count)]
    return [_box(grid, stretch) for stretch in mine], owners


def _box(grid: Grid, places: Sequence[Place]) -> _Box:
    (top, bottom), (left, right) = (
        (min(p[axis].seen[0] for p in places), max(p[axis].seen[1] for p in places)) for axis in (0, 1)
    )
    return _Box(replace(grid, origin=(top, left)), bottom - top, right - left)


def _cut(wanted: Statistics, box: _Box) -> Statistics:
    """The statistics with that much of their references."""
    return tuple(_with_part(s, box) for s in wanted)


def _with_part(statistic: Any, box: _Box) -> Statistic:
    if statistic.reference is None:
        return cast(Statistic, statistic)
    return cast(Statistic, replace(statistic, reference=box.of(statistic.reference).clone()))


def _plain(gradients: Sequence[Tensor | None]) -> list[Array | None]:
    return [None if g is None else g.detach().cpu().contiguous().numpy() for g in gradients]


def _got(sent: Any) -> Any:
    """Return a task's result; an exception that it raised is raised here unchanged."""
    ray = the_ray()
    try:
        return ray.get(sent)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
