"""Executors turn a picture into statistics, differentiably. The engine does not know which one runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor

from reverie.errors import RecipeError
from reverie.networks import Network
from reverie.objectives import PICTURE, Statistic, Window

Statistics = tuple[Statistic, ...]
Gradients = Callable[[Sequence[Tensor]], Sequence[Tensor | None]]


class Executor(ABC):
    """Measures statistics of a picture; gradients flow from them back to the picture."""

    @abstractmethod
    def measure(
        self, network: Network, picture: Tensor, wanted: Statistics, gradients_of: Gradients | None = None
    ) -> tuple[Tensor, ...]:
        """Return the wanted statistics.

        Args:
            picture: (B, 3, H, W) sRGB in [0, 1].
            wanted: what to measure; the network runs to the deepest layer among them and no further.
            gradients_of: gives the statistics' gradients in advance, where they depend on the statistics' shapes only;
                saves a pass over tiles.
        Returns:
            One tensor (B, ...) each, float32 or better.
        """

    def home(self, network: Network) -> torch.device:
        """Return the device that pictures are kept on: the network's, unless they are too large for it."""
        return network.device

    def shrink(self, size: tuple[int, int]) -> bool:
        """Cut pictures of this (H, W) smaller from now on, as memory ran out; False if that cannot be done."""
        return False


class References(WeakKeyDictionary[Statistic, Any]):
    """The features of references, as long as their statistics live; computed again where an executor is sent to."""

    def __reduce__(self) -> tuple[type[References], tuple[()]]:
        return References, ()


class WholeExecutor(Executor):
    """Measures the whole picture at once: fastest where it fits.

    Args:
        named: pictures by the names that an objective knows them by, as batches like the pictures to be measured.
    """

    def __init__(self, named: Mapping[str, Tensor] | None = None) -> None:
        self._named = dict(named or {})
        self._references = References()
        self._maps: dict[tuple[str, str], Tensor] = {}

    def measure(
        self, network: Network, picture: Tensor, wanted: Statistics, gradients_of: Gradients | None = None
    ) -> tuple[Tensor, ...]:
        maps = read(network, picture, layers_of(wanted))
        return tuple(
            s.measure(_beyond(maps[s.layer], s, network), Window.whole(maps[s.layer]), self._reference(network, s))
            for s in wanted
        )

    def __repr__(self) -> str:
        return "WholeExecutor()"

    def _reference(self, network: Network, statistic: Statistic) -> Tensor | None:
        if statistic.named in self._named:
            return self._map(network, statistic.named, statistic.layer)
        if statistic.reference is None:
            return None
        if statistic not in self._references:
            with torch.no_grad():
                maps = read(network, statistic.reference, (statistic.layer,))
            self._references[statistic] = maps[statistic.layer]
        found: Tensor = self._references[statistic]
        return found

    def _map(self, network: Network, name: str, layer: str) -> Tensor:
        """Return a layer of a named picture, computed once."""
        if (name, layer) not in self._maps:
            with torch.no_grad():
                self._maps[name, layer] = read(network, self._named[name], (layer,))[layer]
        return self._maps[name, layer]


def _beyond(features: Tensor, statistic: Statistic, network: Network) -> Tensor:
    """Pad the map of a seamless picture by the statistic's reach, from its other side."""
    around = (0, statistic.reach, 0, statistic.reach)
    return F.pad(features, around, mode="circular") if network.periodic and statistic.reach else features


def layers_of(wanted: Statistics) -> tuple[str, ...]:
    """Return the layers that these statistics read, each once."""
    return tuple(dict.fromkeys(s.layer for s in wanted))


def _as_map(layer: str, features: Tensor) -> Tensor:
    """Return a layer's output as a map (B, C, h, w); vectors (B, C) become a map of a single position."""
    if features.dim() == 2:
        return features[:, :, None, None]
    if features.dim() != 4:
        raise RecipeError(
            f"statistics are of maps (B, C, h, w); '{layer}' gives {tuple(features.shape)}: name a layer of maps."
        )
    return features


def read(network: Network, picture: Tensor, layers: tuple[str, ...]) -> dict[str, Tensor]:
    """Return the asked maps of a picture, the picture itself among them if asked, on the network's device."""
    picture = picture.to(network.device)
    deep = tuple(layer for layer in layers if layer != PICTURE)
    maps = {name: _as_map(name, x) for name, x in network(picture, deep).items()} if deep else {}
    return {**maps, PICTURE: picture} if PICTURE in layers else maps
