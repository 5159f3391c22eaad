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

from reverie.engine.executors import Gradients, Statistics, read
from reverie.engine.grids import Grid, Place, grid_for, owned
from reverie.engine.joining import check_room, join, leave, ray_module
from reverie.engine.pieces import Piece, backward, pieces, shares
from reverie.engine.tiles import TilePass, TilingExecutor, added
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


class RayExecutor(TilingExecutor):
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
        self._options = {"num_cpus": each, "num_gpus": gpus, "max_restarts": 0}
        self._own = join(address, cpus=actors * each)
        check_room(actors, cpus=each, gpus=gpus)
        self._actors = [self._actor() for _ in range(actors)]
        self._measurements: OrderedDict[Hashable, _Measurement] = OrderedDict()
        self._networks: weakref.WeakKeyDictionary[Network, _Shared] = weakref.WeakKeyDictionary()
        self._numbers = itertools.count()
        self._sent: list[_Sent | None] = [None] * actors

    def __enter__(self) -> Self:
        """Return the executor."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """End the actors, and the cluster where this executor started it."""
        actors, self._actors = self._actors, []
        self.forget()
        if ray_module().is_initialized():
            for actor in actors:
                ray_module().kill(actor)
            if self._own:
                leave()

    def forget(self) -> None:
        """Drop all that was sent to actors, except the networks."""
        self._measurements.clear()
        self._sent = [None] * len(self._sent)

    def sweep(self, picture: Tensor, network: Network, wanted: Statistics, gradients_of: Gradients | None) -> TilePass:
        """Add the actors' shares in the order of the tiles."""
        return self._pass(picture, network, wanted, gradients_of, again=False)

    def backpropagate(
        self,
        picture: Tensor,
        network: Network,
        wanted: Statistics,
        gradients: Sequence[Tensor | None],
        kept: list[Tensor],
    ) -> Tensor:
        """Run the same tiles again, for the gradient alone."""
        return self._pass(picture, network, wanted, lambda _: gradients, again=True).picture_gradient

    def _pass(
        self, picture: Tensor, network: Network, wanted: Statistics, gradients_of: Gradients | None, *, again: bool
    ) -> TilePass:
        if network.periodic:
            raise RecipeError("a seamless picture is not spread over a cluster; leave the cluster or seamless out.")
        grid = grid_for(network, wanted, size_of(picture), self.tile)
        measurement = self._measurement(network, wanted, grid, picture)
        crops = self._send_crops(measurement, picture)
        sent = None if gradients_of is None else ray_module().put(_plain(gradients_of(self._like(measurement, crops))))
        gradient = None if gradients_of is None else torch.zeros_like(picture)
        sums: list[Tensor] = []
        tensors: list[Tensor] = []
        for place, (found, part) in zip(grid, self._visits(measurement, crops, sent, again), strict=True):
            tensors = [torch.tensor(x) for x in found]
            sums = added(sums, tensors)
            if gradient is not None:
                grid.add(gradient, place, torch.tensor(part))
        measurement.like = measurement.like or [torch.zeros_like(x) for x in tensors]
        return TilePass(tuple(x.to(share.dtype) for x, share in zip(sums, tensors, strict=True)), gradient)

    def _visits(self, measurement: _Measurement, crops: list[Any], gradients: Any, again: bool) -> Iterator[_Visit]:
        """Yield each tile's results, in the order of the tiles; a dead actor's tiles are given to its successor."""
        died: type[Exception] = ray_module().exceptions.RayActorError
        owners, ask = measurement.owners, self._asker(measurement, crops, gradients, again)
        owed = {number: ask(number) for number in range(len(owners))}
        for number, owner in enumerate(owners):
            for left in reversed(range(TRIES)):
                try:
                    yield _result(owed.pop(number))
                    break
                except died:
                    if not left:
                        raise RuntimeError("actors keep dying at a tile: not enough memory") from None
                self._actors[owner] = self._actor()
                owed |= {n: ask(n) for n in range(number, len(owners)) if owners[n] == owner}

    def _asker(self, measurement: _Measurement, crops: list[Any], gradients: Any, again: bool) -> Callable[[int], Any]:
        def ask(number: int) -> Any:
            owner = measurement.owners[number]
            return self._actors[owner].visit.remote(
                measurement.network, measurement.inputs[owner], crops[owner], number, gradients, again
            )

        return ask

    def _actor(self) -> Any:
        ray = ray_module()
        device = "cuda" if self._options["num_gpus"] else "cpu"
        return ray.remote(TileActor).options(**self._options).remote(self._options["num_cpus"], device)

    def _measurement(self, network: Network, wanted: Statistics, grid: Grid, picture: Tensor) -> _Measurement:
        """Return the measurement as the actors know it; sent once."""
        key = (network, wanted, grid, picture.shape[0], picture.dtype)
        if key not in self._measurements:
            if network not in self._networks:
                self._networks[network] = self._share(network)
            boxes, owners = _stretches(grid, len(self._actors))
            inputs = [self._share((_cut(wanted, box), box.grid)) for box in boxes]
            self._measurements[key] = _Measurement(self._networks[network], inputs, boxes, owners)
        self._measurements.move_to_end(key)
        while len(self._measurements) > KEPT:
            self._measurements.popitem(last=False)
        return self._measurements[key]

    def _share(self, content: object) -> _Shared:
        return _Shared(next(self._numbers), [ray_module().put(content)])

    def _send_crops(self, measurement: _Measurement, picture: Tensor) -> list[Any]:
        """Send each actor its part of the picture, where it has changed; return references to them."""
        for owner, box in enumerate(measurement.boxes):
            pixels = np.ascontiguousarray(box.of(picture.detach()).cpu().numpy())
            before = self._sent[owner]
            if before is None or before.box != box or not np.array_equal(ray_module().get(before.sent), pixels):
                self._sent[owner] = _Sent(box, ray_module().put(pixels))
        return [crop.sent for crop in self._sent[: len(measurement.boxes)] if crop is not None]

    def _like(self, measurement: _Measurement, crops: list[Any]) -> list[Tensor]:
        """Return tensors of the shares' shapes; they are asked of the first tile, once."""
        if not measurement.like:
            shares, _ = next(self._visits(replace(measurement, owners=measurement.owners[:1]), crops, None, False))
            measurement.like = [torch.zeros_like(torch.tensor(x)) for x in shares]
        return measurement.like


class TileActor:
    """The code that runs in an actor: the passes over its tiles."""

    def __init__(self, threads: int, device: str) -> None:
        torch.set_num_threads(threads)
        self.device = device
        self._networks: _Recent[int, Network] = _Recent(2)
        self._measurements: _Recent[int, tuple[tuple[Piece, ...], Grid, Features]] = _Recent(KEPT)

    def visit(
        self,
        network: _Shared,
        measurement: _Shared,
        pixels: Any,
        number: int,
        gradients: list[Array | None] | None,
        again: bool,
    ) -> _Visit:
        """Return a tile's shares, unless it is run again, and its pixels' gradient if the statistics' are given."""
        mine = self._networks.get(network.number, lambda: network.fetch().to(self.device))
        (piece,), grid, features = self._measurements.get(measurement.number, lambda: _opened(mine, measurement))
        place = next(itertools.islice(grid, number, None))
        crop = self._tensor(grid.crop(pixels, place))
        reference_of = partial(self._reference, features, piece, grid, place)
        if gradients is None:
            found, gradient = shares(piece, crop, grid, place, reference_of)[0], None
        else:
            known = dict(zip(piece.wanted, (None if g is None else self._tensor(g) for g in gradients), strict=True))
            found, gradient = backward(piece, crop, grid, place, reference_of, lambda _: known, None)
        told = [] if again else [x.cpu().numpy() for x in found.values()]
        return told, None if gradient is None else gradient.cpu().numpy()

    def _reference(
        self, features: Features, piece: Piece, grid: Grid, place: Place, s: Statistic, window: Window
    ) -> Tensor | None:
        """Return the reference's features that a tile owns, computed once and kept."""
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
        """Copy an array into a tensor of PyTorch's own: the cluster's memory may not be written."""
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
class _Shared:
    """An object that actors fetch once; in a list, or Ray would fetch it at every call."""

    number: int
    content: list[Any]

    def fetch(self) -> Any:
        return ray_module().get(self.content[0])


@dataclass(frozen=True)
class _Sent:
    """The pixels that were last sent to an actor."""

    box: _Box
    sent: Any


@dataclass
class _Measurement:
    """A measurement as the actors know it: inputs and boxes by actor, owners by tile, the shares' shapes."""

    network: _Shared
    inputs: list[_Shared]
    boxes: list[_Box]
    owners: list[int]
    like: list[Tensor] = field(default_factory=list)


class _Recent(Generic[K, V]):
    """A cache of the most recently used values."""

    def __init__(self, most: int) -> None:
        self._most, self._values = most, OrderedDict[K, V]()

    def get(self, key: K, make: Callable[[], V]) -> V:
        if key not in self._values:
            while len(self._values) >= self._most:
                self._values.popitem(last=False)
            self._values[key] = make()
        self._values.move_to_end(key)
        return self._values[key]


def _opened(network: Network, measurement: _Shared) -> tuple[tuple[Piece, ...], Grid, Features]:
    wanted, grid = measurement.fetch()
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
    """Cut the references of the statistics to a box."""
    return tuple(_with_part(s, box) for s in wanted)


def _with_part(statistic: Any, box: _Box) -> Statistic:
    if statistic.reference is None:
        return cast(Statistic, statistic)
    return cast(Statistic, replace(statistic, reference=box.of(statistic.reference).clone()))


def _plain(gradients: Sequence[Tensor | None]) -> list[Array | None]:
    return [None if g is None else g.detach().cpu().contiguous().numpy() for g in gradients]


def _result(sent: Any) -> Any:
    """Return a task's result; an exception that it raised is raised here unchanged."""
    ray = ray_module()
    try:
        return ray.get(sent)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
