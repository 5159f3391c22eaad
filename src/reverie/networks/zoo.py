"""The networks Reverie knows by name, and how to get one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor
from torch.nn import Module

from reverie.errors import RecipeError, ReverieError, WeightsError, suggestion
from reverie.networks import plugins
from reverie.networks import weights as store
from reverie.networks.classes import imagenet_classes
from reverie.networks.dreamnet import dreamnet
from reverie.networks.fetch import Progress
from reverie.networks.googlenet import googlenet
from reverie.networks.graph import Blueprint, weight_shapes
from reverie.networks.network import Network
from reverie.networks.ops import Call, Op, Padding, Pooling
from reverie.networks.resnet import resnet50
from reverie.networks.squeezenet import squeezenet1_1
from reverie.networks.tensorfiles import read_safetensors
from reverie.networks.vgg import vgg16, vgg19
from reverie.untrusted import refusing

EMBEDDED = "dreamnet"
_PACKAGED = Path(__file__).with_name("dreamnet.safetensors")


@cache
def embedded() -> store.Weights:
    """Return dreamnet's weights, from the package."""
    return read_dreamnet(_PACKAGED)


def read_dreamnet(path: Path) -> store.Weights:
    """Read the weights in a file of dreamnet's kind.

    Raises:
        WeightsError: it is missing, damaged, or of another network.
    """
    found = read_safetensors(path)
    renamed = {key.replace("classifier.", "classes."): value for key, value in found.tensors.items()}
    with refusing(WeightsError, f"'{path.name}' is not a dreamnet; use the file that a training of it wrote."):
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
    """One layer in a list of them.

    Attributes:
        name: of the layer.
        kind: what it is, in one word.
        channels: of its maps; None where it gives none.
        stride, field: its stride and receptive field, px; None where it may see the whole picture.
    """

    name: str
    kind: str
    channels: int | None
    stride: int | None
    field: int | None


@dataclass(frozen=True)
class Description:
    """Description of a network without its weights.

    Attributes:
        name: what ``load`` takes.
        paper: where it comes from.
        licence: of its weights.
        download: bytes to fetch first; 0 when it is here already.
        layers: every layer, in order of depth.
        style_layers, content_layer, dream_layers: what the crafts use unless told otherwise.
        classes: how many classes it tells apart.
        package: that brings it; empty for Reverie's own.
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
    package: str = ""


def names() -> tuple[str, ...]:
    """Return the networks ``load`` knows: Reverie's own, and those of installed packages."""
    return (*_TABLES, *_added())


def descriptions() -> Mapping[str, Description]:
    """Describe every network, by name; a broken plugin costs a warning."""
    found = {name: describe(name) for name in _TABLES}
    for name in _added():
        try:
            found[name] = describe(name)
        except ReverieError as error:
            plugins.warn(name, error)
    return found


def describe(name: str) -> Description:
    """Describe a network without fetching it; one from an installed package is loaded.

    Raises:
        RecipeError: if there is no network of that name, or its plugin cannot be loaded.
    """
    if name in _added():
        return _brought(_added()[name])
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
    if name in _added():
        return
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
    """Load a frozen network by name, on the CPU, in float32.

    Args:
        name: one of ``names()``. ``"dreamnet"`` comes with Reverie; the others are fetched once, or come with an
            installed package, whose function takes the pooling, padding and leak that it has parameters for.
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
        RecipeError: if there is no network, pooling or padding of that name, or no such leak; or if the network's
            plugin cannot be loaded.
        WeightsError: if the weights cannot be had.

    Example:
        >>> load("dreamnet").layers[:3]
        ('conv1_1', 'relu1_1', 'conv1_2')
    """
    _check_options(pooling, padding, leak)
    if name in _added():
        if weights is not None:
            raise RecipeError(f"the network '{name}' brings its own weights; leave out the others.")
        return plugins.load_plugin(_added()[name], pooling=pooling, padding=padding, leak=leak)
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
    """Draw weights of the right shapes after He et al. (2015): activations keep their size."""
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
    """Return the table of one of Reverie's own networks, by name.

    Raises:
        RecipeError: if there is no network of that name.
    """
    if name not in _TABLES:
        raise RecipeError(
            f"there is no network '{name}';{suggestion(name, names()).lower()} known are {', '.join(names())}."
        )
    return _TABLES[name]()


def _added() -> Mapping[str, EntryPoint]:
    """Return the networks that installed packages bring."""
    return plugins.entries(tuple(_TABLES))


def _check_options(pooling: str, padding: str, leak: float) -> None:
    _one_of("pooling", pooling, get_args(Pooling))
    _one_of("padding", padding, get_args(Padding))
    if not 0 <= leak <= 1:
        raise RecipeError(f"leak is a share of the gradient, 0 to 1; got {leak}.")


def _one_of(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise RecipeError(f"{what} must be one of {', '.join(choices)}; got '{value}'.")


def _brought(entry: EntryPoint) -> Description:
    """Describe the network of an installed package."""
    network = plugins.load_plugin(entry)
    package, licence = plugins.package_of(entry)
    return Description(
        name=entry.name,
        paper=network.blueprint.paper,
        licence=licence,
        download=0,
        layers=tuple(_summary(network, layer) for layer in network.layers),
        style_layers=network.style_layers,
        content_layer=network.content_layer,
        dream_layers=network.dream_layers,
        classes=len(network.classes or ()),
        package=package,
    )


def _summary(network: Blueprint | Network, layer: str) -> LayerSummary:
    table = network.blueprint if isinstance(network, Network) else network
    geometry = table.geometry(layer) if table.is_local(layer) else None
    return LayerSummary(
        name=layer,
        kind=_kind(table.node(layer).op),
        channels=_channels(network, layer),
        stride=None if geometry is None else geometry.stride,
        field=None if geometry is None else geometry.field,
    )


def _channels(network: Blueprint | Network, layer: str) -> int | None:
    """Return the channels of a layer's maps; None if a third-party layer gives none."""
    try:
        return network.channels(layer)
    except ReverieError:
        return None


def _kind(op: Op) -> str:
    """Return the kind of an op in one word: a foreign op's is its module's name."""
    return type(op.function if isinstance(op, Call) and isinstance(op.function, Module) else op).__name__.lower()
