"""Custom networks, wrapped so that they have the interface of `Network`."""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from reverie.errors import RecipeError, reason_of
from reverie.networks.graph import PICTURE, Blueprint, Node
from reverie.networks.network import Network, fingerprint
from reverie.networks.ops import Call, Conv, Window
from reverie.networks.trace import Table, Traced, follow, same
from reverie.networks.windows import module_channels

CLASSES = "classes"
_TRIED = 64  # pixels of the picture on which channels are counted


def wrap(
    module: nn.Module,
    *,
    mean: float | Sequence[float],
    std: float | Sequence[float],
    layers: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    to_map: Callable[[Tensor], Tensor] | None = None,
) -> Network:
    """Wrap any network of pictures, with its submodules' paths as layer names.

    The module is copied, and the copy frozen and set to evaluation; yours is left as it is. Where
    ``torch.fx`` can follow its forward pass, only what the asked layers need is run, and geometry
    (so, exact tiles) is known for convolutions, pools and pointwise steps, through branches.
    Elsewhere the forward pass is run up to the deepest asked layer, and there is no geometry.
    A layer that gives (B, K) is a map of a single position, (B, K, 1, 1).

    Args:
        module: takes (B, 3, H, W), or (B, 1, H, W): then it is given the picture's luma.
        mean: subtracted from a picture in [0, 1]; one number, or one per input channel.
        std: divided by afterwards; likewise.
        layers: the layers to offer; all when None. They also become the ones crafts use.
        classes: names of the outputs, in order. They make the layer ``classes``: scores
            per position where the network ends in a global average and a linear layer, else
            (B, K, 1, 1).
        to_map: what makes a (B, C, h, w) map of a layer that gives something else, such as the tokens (B, N, C) of a
            transformer. To send the network to other processes, give a function of a module, no lambda.

    Raises:
        LayerNotFound: if one of ``layers`` is not there.
        RecipeError: if mean, std or classes do not fit the network.

    Example:
        >>> mine = wrap(model, mean=0.5, std=0.25, classes=("cat", "dog"))
        >>> mine(picture, ["features.3"])["features.3"].shape
        torch.Size([1, 3, 48, 64])

    Tokens of a vision transformer become maps::

        wrap(vit, mean=0.5, std=0.5, to_map=lambda x: x[:, 1:].mT.unflatten(2, (14, 14)))
    """
    twin = copy.deepcopy(module).eval().requires_grad_(False)
    traced = follow(twin)
    means, stds = _normalisation(twin, traced, mean, std)
    blueprint = Blueprint(type(module).__name__, (), means, stds, own=True)
    if traced is None:
        return Hooked(twin, blueprint, layers=layers, classes=classes, to_map=to_map)
    table = Table(traced)
    blueprint = replace(blueprint, nodes=table.nodes)
    weights: Mapping[str, Tensor] = {}
    if classes is not None:
        blueprint, weights = _with_classes(blueprint, traced, table, classes)
    return Wrapped(_offering(blueprint, layers), weights, classes=classes, to_map=to_map)


class Wrapped(Network):
    """A custom network; whatever its layers give becomes maps."""

    def __init__(
        self,
        blueprint: Blueprint,
        weights: Mapping[str, Tensor],
        *,
        classes: Sequence[str] | None = None,
        to_map: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        """Set up as ``Network`` does; ``to_map`` as for ``wrap``."""
        super().__init__(blueprint, weights, classes=classes)
        self.to_map = to_map

    def channels(self, layer: str) -> int:
        """Return the number of channels of a layer; if its module does not tell, it is run once.

        Raises:
            RecipeError: it cannot be run on a small picture.
        """
        try:
            return super().channels(layer)
        except RecipeError:
            with torch.no_grad():
                return int(self(torch.zeros(1, 3, *self._size_known(), device=self.device), (layer,))[layer].shape[1])

    def stride(self, layer: str) -> int:
        """Return the distance between a layer's features in pixels; if need be, measured at the last picture's size."""
        if self.blueprint.is_local(layer):
            return super().stride(layer)
        size = self._size_known()
        height, width = self.extent(layer, size)
        return max(1, round(math.sqrt(size[0] * size[1] / (height * width))))

    def density(self, layers: Iterable[str]) -> dict[str, float]:
        """Return the floats per pixel in each map that a run to these layers makes; counted in a run, if need be."""
        asked = tuple(layers)
        if all(map(self.blueprint.is_local, asked)) and not any(n.hidden for n in self.blueprint.ancestors(asked)):
            return super().density(asked)
        made: list[int] = []
        mine = threading.get_ident()

        def count(_part: nn.Module, _inputs: object, output: object) -> None:
            if threading.get_ident() == mine and isinstance(output, Tensor):
                made.append(output.numel())

        parts = (part for part in self.modules() if not list(part.children()))
        hooks = [part.register_forward_hook(count) for part in parts]
        size = self._size_known()
        try:
            with torch.no_grad():
                self(torch.zeros(1, 3, *size, device=self.device), asked)
        finally:
            for hook in hooks:
                hook.remove()
        return {str(number): amount / (size[0] * size[1]) for number, amount in enumerate(made)}

    def _size_known(self) -> tuple[int, int]:
        """Return the (H, W) of a picture on which the network has been run, if any."""
        return next((size for _, size in reversed(self._extents)), (_TRIED, _TRIED))

    def forward(self, x: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Compute maps as ``Network.forward`` does.

        Raises:
            RecipeError: a layer gives no map, and nothing says how to make one.
        """
        asked = (layers,) if isinstance(layers, str) else tuple(layers)
        with self._wanting_its_size(asked, x):
            maps = super().forward(x, asked)
        return {layer: self._as_map(layer, found) for layer, found in maps.items()}

    @contextmanager
    def _wanting_its_size(self, layers: Sequence[str], x: Tensor) -> Iterator[None]:
        """Explain a module's failure: a layer that sees the whole picture may accept only the size it was made for."""
        try:
            yield
        except RuntimeError as error:
            if all(map(self.blueprint.is_local, layers)):
                raise
            raise RecipeError(
                f"{self.name} cannot be run on a picture of {x.shape[2]}x{x.shape[3]} px: {reason_of(error)}."
            ) from error

    def _as_map(self, layer: str, found: object) -> Tensor:
        given = found
        if isinstance(found, Tensor) and found.ndim == 2:
            return found[:, :, None, None]
        if isinstance(found, Tensor) and found.ndim != 4 and self.to_map is not None:
            found = self.to_map(found)
        if isinstance(found, Tensor) and found.ndim == 4:
            return found
        what = tuple(given.shape) if isinstance(given, Tensor) else type(given).__name__
        raise RecipeError(
            f"a layer's map is (B, C, h, w), and '{layer}' of {self.name} gives {what}; say in wrap(..., to_map=...)"
            " how it becomes one, or choose another layer."
        )


class Hooked(Wrapped):
    """A network whose forward pass cannot be traced: hooks read its layers, and stop it early."""

    def __init__(
        self,
        module: nn.Module,
        blueprint: Blueprint,
        *,
        layers: Sequence[str] | None,
        classes: Sequence[str] | None,
        to_map: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        """Offer every submodule as a layer.

        Args:
            module: ours to run and to hook.
            blueprint: its name and normalisation; the rows are made here.
            layers, classes, to_map: as for ``wrap``.
        """
        parts = [(path, part) for path, part in module.named_modules() if path]
        rows = [Node(path, Call(part, None, module_channels(part)), (PICTURE,)) for path, part in parts]
        if classes is not None:
            count = len(classes)
            rows = [row for row in rows if row.name != CLASSES]
            rows.append(Node(CLASSES, Call(as_scores, None, count), (PICTURE,)))
        blueprint = replace(blueprint, nodes=tuple(rows), class_layer=None if classes is None else CLASSES)
        super().__init__(_offering(blueprint, layers), {}, classes=classes, to_map=to_map)
        self.module = module
        self.sha256 = fingerprint(module)

    def _maps(self, x: Tensor, layers: tuple[str, ...]) -> dict[str, Tensor]:
        """Run the module until it has given all the layers; the hooks are there only meanwhile."""
        for layer in layers:
            self.blueprint.node(layer)
        found: dict[str, Tensor] = {}
        mine = threading.get_ident()  # a module's hooks are called in every thread that runs it
        hooks = [self._part(layer).register_forward_hook(_keep_first(layer, found, len(layers), mine))
                for layer in layers]  # fmt: skip
        try:
            self.module(x.clone())  # which it may overwrite
        except _AllFound:
            pass
        finally:
            for hook in hooks:
                hook.remove()
        if missing := [layer for layer in layers if layer not in found]:
            raise RecipeError(f"layer '{missing[0]}' of {self.name} is not used in its forward pass; choose another.")
        return {layer: found[layer] for layer in layers}

    def _part(self, layer: str) -> nn.Module:
        return self.module if layer == self.class_layer else self.module.get_submodule(layer)


class _AllFound(Exception):
    """All the asked layers have been found."""


def _keep_first(layer: str, found: dict[str, Tensor], wanted: int, thread: int) -> Callable[..., None]:
    """Return a hook that keeps a submodule's first map, and ends the run when none is missing."""

    def hook(_part: nn.Module, _inputs: object, output: object) -> None:
        if threading.get_ident() != thread:
            return
        if not isinstance(output, Tensor):
            raise RecipeError(f"layer '{layer}' gives no single map; ask one of its submodules.")
        if layer not in found:
            found[layer] = output.clone()
        if len(found) == wanted:
            raise _AllFound

    return hook


def as_scores(output: Tensor) -> Tensor:
    """Return a network's (B, K) output as the scores (B, K, 1, 1) of a single position."""
    return output[:, :, None, None] if output.ndim == 2 else output


def _normalisation(
    module: nn.Module, traced: Traced | None, mean: float | Sequence[float], std: float | Sequence[float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Check mean and std: one per input channel."""
    given = max((len(v) for v in (mean, std) if isinstance(v, Sequence)), default=3)
    channels = _channels_in(module, traced) or given
    means, stds = (tuple(map(float, v)) if isinstance(v, Sequence) else (float(v),) * channels for v in (mean, std))
    if channels not in (1, 3) or len(means) != channels or len(stds) != channels or 0 in stds:
        raise RecipeError(
            "mean and std must be one number each, or one per input channel (1 or 3), std not 0;"
            f" got {len(means)} and {len(stds)} for {channels} channels."
        )
    return means, stds


def _channels_in(module: nn.Module, traced: Traced | None) -> int | None:
    """Return the channels of the pictures that a network takes: those of its first convolution, if that is known.

    Of a network that could not be followed, the first one registered that takes 3 or 1.
    """
    if traced is not None:
        done = (node for node in traced.graph.nodes if node.op == "call_module")
        modules = [module.get_submodule(str(node.target)) for node in done]
    else:
        modules = sorted(module.modules(), key=lambda part: getattr(part, "in_channels", 0) not in (1, 3))
    first = next((part for part in modules if isinstance(part, nn.Conv2d)), None)
    first = first or next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    return first.in_channels if first else None


def _with_classes(
    blueprint: Blueprint, traced: Traced, table: Table, classes: Sequence[str]
) -> tuple[Blueprint, Mapping[str, Tensor]]:
    """Add a layer of class scores to the table, per position if the network allows it."""
    if not isinstance(traced.result, fx.Node):
        raise RecipeError(f"{blueprint.name} returns no single tensor: leave 'classes' out.")
    free = f"{CLASSES}_" if any(row.name == CLASSES for row in blueprint.nodes) else ""
    rows = tuple(_renamed(row, free) if free else row for row in blueprint.nodes)
    names = {node: free if free and row == CLASSES else row for node, row in table.names.items()}
    scored, linear = _before_average(traced)
    weights: Mapping[str, Tensor] = {}
    if scored is None:
        last = Node(CLASSES, Call(as_scores, None, len(classes)), (names[traced.result],))
    elif linear is None:
        last = Node(CLASSES, Call(same, Window(), len(classes)), (names[scored],))
    else:
        last = Node(CLASSES, Conv(linear.out_features, Window()), (names[scored],))
        weights = _as_convolution(linear)
        if linear.out_features != len(classes):
            raise RecipeError(f"{blueprint.name} has {linear.out_features} outputs; got {len(classes)} classes.")
    return replace(blueprint, nodes=(*rows, last), class_layer=CLASSES), weights


def _renamed(row: Node, free: str) -> Node:
    """Rename a row in a table where the name 'classes' must be given up."""
    inputs = tuple(free if name == CLASSES else name for name in row.inputs)
    return replace(row, name=free if row.name == CLASSES else row.name, inputs=inputs)


def _as_convolution(linear: nn.Linear) -> dict[str, Tensor]:
    """Return a linear layer's weights as those of a 1x1 convolution."""
    bias = linear.bias if linear.bias is not None else linear.weight.new_zeros(linear.out_features)
    return {
        f"{CLASSES}.weight": linear.weight.detach()[:, :, None, None].clone(),
        f"{CLASSES}.bias": bias.detach().clone(),
    }


def _before_average(traced: Traced) -> tuple[fx.Node | None, nn.Linear | None]:
    """Find the map that a network averages for its last linear layer, and that layer; None if it does not.

    Averaging commutes with a linear layer, so the layer can be asked of every position first.
    """
    node, linear = traced.result, None
    while isinstance(node, fx.Node) and node.op != "placeholder":
        part = traced.module.get_submodule(str(node.target)) if node.op == "call_module" else None
        source = node.args[0] if node.args else None
        if _averages(node, part):
            return (source if isinstance(source, fx.Node) else None), linear
        if isinstance(part, nn.Linear) and linear is None:
            linear = part
        elif not _only_reshapes(node, part):
            break
        node = source
    return None, None


def _averages(node: fx.Node, part: nn.Module | None) -> bool:
    if isinstance(part, nn.AdaptiveAvgPool2d):
        return part.output_size in (1, (1, 1))
    arguments = [*node.args[1:], *node.kwargs.values()]
    if node.target is torch.nn.functional.adaptive_avg_pool2d:
        return bool(arguments) and arguments[0] in (1, (1, 1), [1, 1])
    if node.target in ("mean", torch.mean):
        return bool(arguments) and _axes(arguments[0]) in ({2, 3}, {-1, -2})
    return False


def _axes(value: Any) -> set[Any]:
    return set(value) if isinstance(value, list | tuple) else {value}


def _only_reshapes(node: fx.Node, part: nn.Module | None) -> bool:
    if part is not None:
        return isinstance(part, nn.Dropout | nn.Flatten | nn.Identity)
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    return name in ("flatten", "view", "reshape", "squeeze", "dropout")


def _offering(blueprint: Blueprint, layers: Sequence[str] | None) -> Blueprint:
    """Restrict the table to some layers, which are then what crafts use."""
    if layers is None:
        chosen = _last_of_each_stride(blueprint)
    else:
        chosen = tuple(blueprint.node(layer).name for layer in layers)
        offered = {*chosen, blueprint.class_layer}
        rows = (replace(row, hidden=row.name not in offered) for row in blueprint.nodes)
        blueprint = replace(blueprint, nodes=tuple(rows))
    return replace(
        blueprint,
        style_layers=chosen,
        content_layer=chosen[-2:][0] if chosen else "",
        dream_layers=chosen[-2:],
    )


def _last_of_each_stride(blueprint: Blueprint) -> tuple[str, ...]:
    """Return the deepest layer of every resolution, from fine to coarse."""
    deepest: dict[int, str] = {}
    for layer in blueprint.layers:
        if layer != blueprint.class_layer and blueprint.is_local(layer):
            deepest[blueprint.geometry(layer).stride] = layer
    return tuple(deepest.values())
