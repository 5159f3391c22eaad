"""The networks Reverie knows by name, and how to get one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor

from reverie.errors import RecipeError, WeightsError, suggestion
from reverie.networks import weights as store
from reverie.networks.classes import imagenet_classes
from reverie.networks.dreamnet import dreamnet
from reverie.networks.fetch import Progress
from reverie.networks.googlenet import googlenet
from reverie.networks.graph import Blueprint, weight_shapes
from reverie.networks.network import Network
from reverie.networks.ops import Padding, Pooling
from reverie.networks.resnet import resnet50
from reverie.networks.squeezenet import squeezenet1_1
from reverie.networks.tensorfiles import read_safetensors
from reverie.networks.vgg import vgg16, vgg19
from reverie.strangers import refusing

EMBEDDED = "dreamnet"
_PACKAGED = Path(__file__).with_name("dreamnet.safetensors")


@cache
def embedded() -> store.Weights:
    """Dreamnet's weights, from the package."""
    return read_dreamnet(_PACKAGED)


def read_dreamnet(path: Path) -> store.Weights:
    """The weights in a file of dreamnet's kind.

    Raises:
        WeightsError: it is missing, damaged, or of another network.
    """
    found = read_safetensors(path)
    renamed = {key.replace("classifier.", "classes."): value for key, value in found.tensors.items()}
    with refusing(WeightsError, f"'{path.name}' is not a dreamnet; bring the file that a training of it wrote."):
        weight_shapes(dreamnet(renamed))
    return store.Weights(renamed, found.sha256)


_TABLES: Mapping[str, Callable[[], Blueprint]] = {
    EMBEDDED: lambda: dreamnet(embedded().tensors),
    "vgg16": vgg16,
    "vgg19": vgg19,
    "googlenet": googlenet,
    "squeezenet1_1": squeezenet1_1,
    "resnet50": resnet50,
}


@dataclass(frozen=True)
class LayerSummary:
    """One layer in a list of them: what it is, its channels, stride and receptive field in px."""

    name: str
    kind: str
    channels: int
    stride: int
    field: int


@dataclass(frozen=True)
class Description:
    """What can be said about a network without its weights.

    Attributes:
        name: what ``load`` takes.
        paper: where it comes from.
        licence: of its weights.
        download: bytes to fetch first; 0 when it is here already.
        layers: every layer, in order of depth.
        style_layers, content_layer, dream_layers: what the crafts use unless told otherwise.
        classes: how many classes it tells apart.
    """

    name: str
    paper: str
    licence: str
    download: int
    layers: tuple[LayerSummary, ...]
    style_layers: tuple[str, ...]
    content_layer: str
    dream_layers: tuple[str, ...]
    classes: int


def names() -> tuple[str, ...]:
    """The networks ``load`` knows."""
    return tuple(_TABLES)


def describe(name: str) -> Description:
    """What a network is and has, without fetching it.

    Raises:
        RecipeError: if there is no network of that name.
    """
    table, published = table_of(name), store.checkpoints().get(name)
    here = published is None or store.is_cached(published)
    return Description(
        name=name,
        paper=table.paper,
        licence="MIT" if published is None else published.licence,
        download=0 if published is None or here else published.bytes,
        layers=tuple(_summary(table, layer) for layer in table.layers),
        style_layers=table.style_layers,
        content_layer=table.content_layer,
        dream_layers=table.dream_layers,
        classes=table.channels(table.class_layer) if table.class_layer else 0,
    )


def download(name: str) -> Iterator[Progress]:
    """Fetch a network's weights into the cache, reporting progress; nothing if they are here.

    Example::

        for progress in download("vgg19"):
            bar.update(progress.done, progress.total)

    Raises:
        RecipeError: if there is no network of that name.
        WeightsError: if the weights cannot be had.
    """
    table, published = table_of(name), store.checkpoints().get(name)
    if published is not None:
        yield from store.obtain(published, table)


def load(
    name: str = EMBEDDED,
    *,
    weights: str | Path | None = None,
    pooling: Pooling = "native",
    padding: Padding = "zeros",
    leak: float = 0.0,
    seed: int = 0,
) -> Network:
    """A frozen network by name, on the CPU, in float32.

    Args:
        name: one of ``names()``. ``"dreamnet"`` comes with Reverie; the others are fetched once.
        weights: a .pth or .safetensors file with torchvision's keys, or ``"random"``; by default
            the published ones, from ``$REVERIE_WEIGHTS``, the cache, or the internet.
        pooling: ``"average"`` exchanges max pools for average pools, scaled to keep the size of
            activations: smoother gradients, and safe in bfloat16.
        padding: ``"replicate"`` repeats the picture's border in the first convolution instead of
            surrounding it with the mean colour: fewer marks along the edges. ``"circular"`` reads
            every map round its edges, for seamless pictures: rolling a picture by a multiple of the
            deepest stride, of which its sides are multiples, rolls every map.
        leak: share of the gradient, in [0, 1], that passes rectifiers which are off; values do not change.
        seed: of random weights.

    Raises:
        RecipeError: if there is no network, pooling or padding of that name, or no such leak.
        WeightsError: if the weights cannot be had.

    Example:
        >>> load("dreamnet").layers[:3]
        ('conv1_1', 'relu1_1', 'conv1_2')
    """
    _one_of("pooling", pooling, get_args(Pooling))
    _one_of("padding", padding, get_args(Padding))
    if not 0 <= leak <= 1:
        raise RecipeError(f"leak is a share of the gradient, 0 to 1; got {leak}.")
    table = table_of(name)
    found = _weights(table, weights, seed)
    table = dreamnet(found.tensors) if name == EMBEDDED else table
    return Network(
        table.with_pooling(pooling).with_padding(padding).with_leak(leak),
        {key: value.float() for key, value in found.tensors.items()},
        classes=imagenet_classes() if table.class_layer else None,
        sha256=found.sha256,
    )


def random_weights(blueprint: Blueprint, *, seed: int) -> dict[str, Tensor]:
    """Weights of the right shapes drawn after He et al. (2015): activations keep their size."""
    generator = torch.Generator().manual_seed(seed)
    drawn = {}
    for name, shape in weight_shapes(blueprint).items():
        deviation = math.sqrt(2 / math.prod(shape[1:]))
        drawn[f"{name}.weight"] = torch.randn(shape, generator=generator) * deviation
        drawn[f"{name}.bias"] = torch.randn(shape[:1], generator=generator) * 0.1
    return drawn


def _weights(table: Blueprint, wanted: str | Path | None, seed: int) -> store.Weights:
    if wanted == "random":
        return store.Weights(random_weights(table, seed=seed), sha256="")
    published = store.checkpoints().get(table.name)
    if published is None:
        return embedded() if wanted is None else read_dreamnet(Path(wanted).expanduser())
    if wanted is None:
        return store.find(published, table)
    return store.from_file(Path(wanted).expanduser(), table, published)


def table_of(name: str) -> Blueprint:
    """A network's table, by name.

    Raises:
        RecipeError: if there is no network of that name.
    """
    if name not in _TABLES:
        raise RecipeError(
            f"there is no network '{name}';{suggestion(name, names()).lower()} known are {', '.join(names())}."
        )
    return _TABLES[name]()


def _one_of(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise RecipeError(f"{what} must be one of {', '.join(choices)}; got '{value}'.")


def _summary(table: Blueprint, layer: str) -> LayerSummary:
    geometry = table.geometry(layer)
    return LayerSummary(
        name=layer,
        kind=type(table.node(layer).op).__name__.lower(),
        channels=table.channels(layer),
        stride=geometry.stride,
        field=geometry.field,
    )
