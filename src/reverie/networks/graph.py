"""Networks as short tables of named nodes, and the arithmetic of their receptive fields."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from torch import nn

from reverie.errors import LayerNotFound, RecipeError, suggestion
from reverie.networks.ops import (
    Add,
    Call,
    Conv,
    Op,
    Padding,
    Pair,
    Pool,
    Pooling,
    Relu,
    Window,
    channels_of,
    window_of,
)

_SHOWN = 24  # layers that a refusal lists
PICTURE = "picture"
"""The name under which a table speaks of its input."""

AVERAGE_SCALE = 2.0
"""What an average pool that stands in for a max pool is multiplied by, to keep activations' size.

Source: crowsonkb/style-transfer-pytorch, for 2x2 pools. On SqueezeNet's maps of photographs the
ratio of root mean squares, max over average, is 1.3 to 1.9 for 2x2 and 1.5 to 2.8 for 3x3 windows.
"""


@dataclass(frozen=True)
class Node:
    """One row of a network's table: the map ``name`` is ``op`` of the maps ``inputs``."""

    name: str
    op: Op
    inputs: tuple[str, ...]
    hidden: bool = False
    """Needed to compute others, not a layer to ask for."""


@dataclass(frozen=True)
class Geometry:
    """The receptive field of feature ``i`` of a layer: pixels ``i*stride - left`` to ``i*stride + right``.

    Exact through branches and along both axes (the wider one counts). ``left`` may be negative,
    when a network without padding looks only ahead.
    """

    stride: int
    left: int
    right: int

    @property
    def field(self) -> int:
        """Side of the receptive field, in px."""
        return self.left + self.right + 1

    @property
    def offset(self) -> float:
        """Position of the centre of feature 0's field, in px from the centre of pixel 0."""
        return (self.right - self.left) / 2

    @property
    def halo(self) -> int:
        """Return the pixels to keep on each side of owned ones: a multiple of the stride, exact on both sides.

        Owning pixels [a, b), both multiples of the stride, means owning features [a, b)/stride;
        they are computed from the pixels [a - halo, b + halo) to rounding.
        """
        reach = max(self.left, self.right - self.stride + 1, 0)
        return -(-reach // self.stride) * self.stride

    def pixels(self, start: int, stop: int) -> Pair:
        """Return the half-open pixel range that features [start, stop) read, borders not clipped."""
        return start * self.stride - self.left, (stop - 1) * self.stride + self.right + 1


def _rectifies(op: Op, leak: float) -> bool:
    """True if an op is a rectifier; a foreign one is replaced by ours only if it is to leak."""
    return isinstance(op, Relu) or (leak > 0 and isinstance(op, Call) and isinstance(op.function, nn.ReLU))


@dataclass(frozen=True)
class Blueprint:
    """A network without its weights: the table, what goes in, and the layers crafts use first."""

    name: str
    nodes: tuple[Node, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    style_layers: tuple[str, ...] = ()
    content_layer: str = ""
    dream_layers: tuple[str, ...] = ()
    class_layer: str | None = None
    paper: str = ""
    norm_epsilon: float = 1e-5
    own: bool = False
    """Somebody's own network, of which the command line knows nothing."""
    of_maps: bool = False
    """What goes in is another network's map, as it is."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer's name, in order of depth."""
        return tuple(node.name for node in self.nodes if not node.hidden)

    def node(self, layer: str) -> Node:
        """Return the row of a layer.

        Raises:
            LayerNotFound: if there is none of that name.
        """
        for node in self.nodes:
            if node.name == layer and not node.hidden:
                return node
        hint = suggestion(layer, self.layers).removeprefix(" Did")
        way = f"it has {_some(self.layers)}." if self.own else f"'reverie networks {self.name}' lists them."
        raise LayerNotFound(f"layer '{layer}' is not in {self.name};{' did' + hint if hint else ''} {way}")

    def ancestors(self, layers: Iterable[str]) -> tuple[Node, ...]:
        """Return the rows needed for some layers, those included, in the table's order."""
        needed = {self.node(layer).name for layer in layers}
        for node in reversed(self.nodes):
            if node.name in needed:
                needed.update(node.inputs)
        return tuple(node for node in self.nodes if node.name in needed)

    def channels(self, layer: str) -> int:
        """Return the number of channels of a layer.

        Raises:
            RecipeError: if that cannot be told without running it.
        """
        known = {PICTURE: len(self.mean)}
        for node in self.ancestors([layer]):
            known[node.name] = channels_of(node.op, [known[name] for name in node.inputs])
        if not known[layer]:
            raise RecipeError(f"how many channels '{layer}' has is only known once it is run.")
        return known[layer]

    def geometry(self, layer: str) -> Geometry:
        """Return the receptive field of a layer's features.

        Raises:
            RecipeError: if something before the layer sees the whole picture, or branches disagree.
        """
        if layer not in self._geometries:
            self._geometries[layer] = self._geometry(layer)
        return self._geometries[layer]

    @cached_property
    def _geometries(self) -> dict[str, Geometry]:
        """Geometries that were asked for, by layer."""
        return {}

    def _geometry(self, layer: str) -> Geometry:
        known = {PICTURE: Geometry(stride=1, left=0, right=0)}
        for node in self.ancestors([layer]):
            before = [known[name] for name in node.inputs if name in known]
            if before or not node.hidden:
                known[node.name] = _look(node, _join(node.name, before), layer)
        return known[layer]

    def extent(self, layer: str, size: Pair) -> Pair:
        """Return the (h, w) of a layer's map on a picture of ``size`` (H, W)."""
        known = {PICTURE: size}
        for node in self.ancestors([layer]):
            window = window_of(node.op)
            if window is None:
                raise RecipeError(_no_geometry(node.name, layer))
            before = [known[name] for name in node.inputs if name in known]
            if before:
                known[node.name] = window.extent(before[0])
        return known[layer]

    def is_local(self, layer: str) -> bool:
        """True if each of a layer's features has a bounded receptive field."""
        return all(window_of(node.op) is not None for node in self.ancestors([layer]))

    def smallest(self, layer: str) -> int:
        """Return the shorter side, in px, that a picture needs for a layer to have a feature at all."""
        side = 1
        while min(self.extent(layer, (side, side))) < 1:
            side += 1
        return side

    def cuts(self) -> tuple[str, ...]:
        """Return the layers through which everything after them goes: where the table may be run in pieces."""
        last_use = {name: index for index, node in enumerate(self.nodes) for name in node.inputs}
        return tuple(
            node.name
            for index, node in enumerate(self.nodes[:-1])
            if not node.hidden
            and all(last_use.get(n.name, 0) <= index for n in self.nodes[:index])
            and last_use.get(PICTURE, 0) <= index
        )

    def after(self, layer: str) -> Blueprint:
        """Return the table from one of its cuts on: its input is that layer's map, unchanged."""
        index = self.nodes.index(self.node(layer))
        nodes = (
            replace(node, inputs=tuple(PICTURE if name == layer else name for name in node.inputs))
            for node in self.nodes[index + 1 :]
        )
        channels = self.channels(layer)
        return replace(self, nodes=tuple(nodes), mean=(0.0,) * channels, std=(1.0,) * channels, of_maps=True)

    def with_pooling(self, pooling: Pooling) -> Blueprint:
        """Return the table with every max pool replaced by a scaled average, if asked."""
        if pooling == "native":
            return self
        return replace(self, nodes=tuple(_averaged(node) for node in self.nodes))

    def with_padding(self, padding: Padding) -> Blueprint:
        """Return the table whose convolutions of the picture repeat its border, or whose windows all wrap, if asked."""
        if padding == "circular":
            return replace(self, nodes=tuple(_wrapping(node) for node in self.nodes))
        nodes = (
            replace(node, op=replace(node.op, border=padding))
            if isinstance(node.op, Conv) and node.inputs == (PICTURE,)
            else node
            for node in self.nodes
        )
        return replace(self, nodes=tuple(nodes))

    def with_leak(self, leak: float) -> Blueprint:
        """Return the table with rectifiers that let some of the gradient through where they are off."""
        nodes = (replace(node, op=Relu(leak)) if _rectifies(node.op, leak) else node for node in self.nodes)
        return replace(self, nodes=tuple(nodes))


@dataclass(frozen=True)
class Step:
    """One step of a run: a row, whether it may overwrite its input, and maps to free."""

    node: Node
    overwrite: bool
    free: tuple[str, ...]


def schedule(blueprint: Blueprint, layers: Sequence[str]) -> tuple[Step, ...]:
    """Return the steps that compute some layers: only their ancestors, in order, freeing maps early."""
    nodes = blueprint.ancestors(layers)
    kept = {*layers, PICTURE}
    last_use = {name: index for index, node in enumerate(nodes) for name in node.inputs}
    readers = [name for node in nodes for name in node.inputs]
    owners = {node.name for node in nodes if _makes_its_own_map(node.op)}
    return tuple(
        Step(
            node,
            overwrite=isinstance(node.op, Relu)
            and node.inputs[0] in owners - kept
            and readers.count(node.inputs[0]) == 1,
            free=tuple(n for n in dict.fromkeys(node.inputs) if last_use[n] == i and n not in kept),
        )
        for i, node in enumerate(nodes)
    )


def _makes_its_own_map(op: Op) -> bool:
    """True if no backward pass and no other op reads the map that this op returns."""
    return isinstance(op, Conv | Add)


def _averaged(node: Node) -> Node:
    if isinstance(node.op, Pool) and node.op.kind == "max":
        return replace(node, op=replace(node.op, kind="average", scale=AVERAGE_SCALE))
    return node


def _wrapping(node: Node) -> Node:
    if isinstance(node.op, Conv | Pool):
        return replace(node, op=replace(node.op, window=replace(node.op.window, wraps=True)))
    return node


def _some(layers: Sequence[str]) -> str:
    """List layers, of many the first and the last."""
    shown = layers if len(layers) <= _SHOWN else (*layers[: _SHOWN - 4], f"… ({len(layers)} in all)", *layers[-4:])
    return ", ".join(shown) or "none"


def _join(name: str, branches: Sequence[Geometry]) -> Geometry:
    """Return the hull of several branches' receptive fields."""
    strides = {branch.stride for branch in branches}
    if len(strides) != 1:
        raise RecipeError(f"'{name}' joins maps of strides {sorted(strides)}: no single geometry.")
    return Geometry(
        stride=strides.pop(),
        left=max(branch.left for branch in branches),
        right=max(branch.right for branch in branches),
    )


def _look(node: Node, seen: Geometry, layer: str) -> Geometry:
    """Return the receptive field of a node whose input has the field ``seen``."""
    window = window_of(node.op)
    if window is None or window.stride[0] != window.stride[1]:
        raise RecipeError(_no_geometry(node.name, layer))
    return Geometry(
        stride=seen.stride * window.stride[0],
        left=seen.left + seen.stride * window.before(),
        right=seen.right + seen.stride * window.after(),
    )


def _no_geometry(name: str, layer: str) -> str:
    return (
        f"layer '{layer}' has no geometry: '{name}' may see the whole picture;"
        " run it untiled, or ask a layer before it."
    )


def conv(
    name: str,
    source: str,
    channels: int,
    kernel: int,
    inputs: str,
    *,
    stride: int = 1,
    padding: int | None = None,
    norm: str = "",
) -> Node:
    """Return a row for a square convolution; ``padding`` keeps the size unless given."""
    pad = kernel // 2 if padding is None else padding
    window = Window((kernel, kernel), (stride, stride), (pad, pad))
    return Node(name, Conv(channels, window, source=source, norm=norm), (inputs,))


def rectified(
    name: str,
    source: str,
    channels: int,
    kernel: int,
    inputs: str,
    *,
    stride: int = 1,
    norm: str = "",
) -> list[Node]:
    """Return rows for a convolution ``name_pre_relu`` and, named after the branch, its rectifier."""
    before = f"{name}_pre_relu"
    return [
        conv(before, source, channels, kernel, inputs, stride=stride, norm=norm),
        relu(name, before),
    ]


def relu(name: str, inputs: str) -> Node:
    """Return a row for a rectifier."""
    return Node(name, Relu(), (inputs,))


def pool(
    name: str,
    kind: Literal["max", "average"],
    inputs: str,
    *,
    kernel: int = 2,
    stride: int = 2,
    padding: int = 0,
    ceil: bool = False,
) -> Node:
    """Return a row for a square pool."""
    window = Window((kernel, kernel), (stride, stride), (padding, padding), ceil=ceil)
    return Node(name, Pool(kind, window), (inputs,))


def weight_shapes(blueprint: Blueprint) -> dict[str, tuple[int, int, int, int]]:
    """Return the shape of every convolution's weight: (out, in / groups, kernel h, kernel w)."""
    channels = {PICTURE: len(blueprint.mean)}
    shapes = {}
    for node in blueprint.nodes:
        channels[node.name] = channels_of(node.op, [channels[name] for name in node.inputs])
        if isinstance(node.op, Conv):
            source = channels[node.inputs[0]] // node.op.groups
            shapes[node.name] = (node.op.channels, source, *node.op.window.kernel)
    return shapes
