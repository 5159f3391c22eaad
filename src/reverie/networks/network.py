"""A frozen network that runs no further than it is asked to."""

from __future__ import annotations

import copy
import functools
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from reverie.errors import PictureError, RecipeError, WeightsError
from reverie.networks.arithmetic import Filters, convolve, pool
from reverie.networks.gradients import Leaky
from reverie.networks.graph import PICTURE, Blueprint, Geometry, Step, schedule, weight_shapes
from reverie.networks.ops import Add, Call, Concat, Conv, Pool, Relu

LUMA = (0.299, 0.587, 0.114)
"""How a colour picture becomes the one channel some networks want: BT.601, as Pillow's 'L'."""


class Network(nn.Module):
    """Named feature maps of a picture: frozen, self-normalising, stopping when all are there.

    Attributes:
        name: what ``load`` calls it.
        layers: every layer, in order of depth.
        style_layers, content_layer, dream_layers: what the crafts use unless told otherwise.
        classes: names by index, or None.
        class_layer: the layer holding (B, classes, h, w) scores per position, or None; the mean
            over its positions is the network's logits.
        sha256: identifies the weights.
        channels_last: the memory format maps are kept in.
        tf32: whether an NVIDIA GPU may round what float32 convolutions multiply to 11 bits.

    Example:
        >>> network = load("dreamnet")
        >>> network(torch.rand(1, 3, 64, 96), ["relu3_2"])["relu3_2"].shape
        torch.Size([1, 128, 16, 24])
    """

    def __init__(
        self,
        blueprint: Blueprint,
        weights: Mapping[str, Tensor],
        *,
        classes: Sequence[str] | None = None,
        sha256: str = "",
    ) -> None:
        """Set up the table with its weights.

        Args:
            blueprint: the table.
            weights: ``NAME.weight`` (out, in, kh, kw) and ``NAME.bias`` (out,) of each convolution.
            classes: the names of the class layer's channels.
            sha256: of the file the weights came from; computed from them when empty.

        Raises:
            WeightsError: if a weight is missing or has another shape.
        """
        super().__init__()
        self.blueprint = blueprint
        self.classes = None if classes is None else tuple(classes)
        self.channels_last = self.tf32 = False
        self.filters = nn.ModuleDict(
            {name: _filters(name, shape, weights) for name, shape in weight_shapes(blueprint).items()}
        )
        self.calls = nn.ModuleList(_modules(blueprint))
        self.sha256 = sha256 or fingerprint(self)
        self._plans: dict[tuple[str, ...], tuple[Step, ...]] = {}
        self._fitting: set[tuple[tuple[str, ...], tuple[int, int]]] = set()
        self._scales: dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor]] = {}
        self._lumas: dict[tuple[torch.device, torch.dtype], Tensor] = {}
        self._pieces: dict[str, Network] = {}
        self._extents: dict[tuple[str, tuple[int, int]], tuple[int, int]] = {}
        self.eval().requires_grad_(False)

    @property
    def name(self) -> str:
        """Name under which ``load`` knows this network."""
        return self.blueprint.name

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer's name, in order of depth."""
        return self.blueprint.layers

    @property
    def style_layers(self) -> tuple[str, ...]:
        """The layers a style is read from unless told otherwise."""
        return self.blueprint.style_layers

    @property
    def content_layer(self) -> str:
        """The layer that keeps a picture's content unless told otherwise."""
        return self.blueprint.content_layer

    @property
    def dream_layers(self) -> tuple[str, ...]:
        """The layers that dream well."""
        return self.blueprint.dream_layers

    @property
    def class_layer(self) -> str | None:
        """The layer of per-position class scores, whose spatial mean is the logits; or None."""
        return self.blueprint.class_layer

    @property
    def dtype(self) -> torch.dtype:
        """The precision the network computes in."""
        return next((p.dtype for p in self.parameters()), torch.float32)

    @property
    def precision(self) -> str:
        """The same as a word: "float32", "bfloat16", "float16" or "tf32"."""
        return "tf32" if self.tf32 else str(self.dtype).removeprefix("torch.")

    @property
    def device(self) -> torch.device:
        """The device that it computes on; pictures may lie elsewhere, its maps lie here."""
        held = next(self.parameters(), next(self.buffers(), None))
        return torch.device("cpu") if held is None else held.device

    @property
    def periodic(self) -> bool:
        """True if pictures wrap round their edges, as those of a seamless tile do."""
        return any(isinstance(node.op, Conv | Pool) and node.op.window.wraps for node in self.blueprint.nodes)

    def channels(self, layer: str) -> int:
        """Return the number of channels of a layer."""
        return self.blueprint.channels(layer)

    def stride(self, layer: str) -> int:
        """Return the distance between a layer's features in pixels."""
        return self.geometry(layer).stride

    def geometry(self, layer: str) -> Geometry:
        """Return the receptive field of a layer's features.

        Raises:
            LayerNotFound: if there is no such layer.
            RecipeError: if the layer may see the whole picture.
        """
        return self.blueprint.geometry(layer)

    def extent(self, layer: str, size: tuple[int, int]) -> tuple[int, int]:
        """Return the (h, w) of a layer's map on a picture of ``size`` (H, W); if need be, run it once."""
        if self.blueprint.is_local(layer):
            return self.blueprint.extent(layer, size)
        if (layer, size) not in self._extents:
            blank = torch.zeros(1, 3, *size, device=self.device)
            with torch.no_grad():
                found = self(blank, (layer,))[layer]
            self._extents[layer, size] = (found.shape[2], found.shape[3])
        return self._extents[layer, size]

    def smallest(self, layer: str) -> int:
        """Return the shorter side, in px, that a picture needs for a layer to have a feature at all."""
        return self.blueprint.smallest(layer)

    def density(self, layers: Iterable[str]) -> dict[str, float]:
        """Return the floats per pixel of the picture in each map that a run to these layers makes."""
        steps = self._plan(tuple(dict.fromkeys(layers)))
        made = [step.node.name for step in steps if not step.overwrite]
        return {name: self.channels(name) / self.stride(name) ** 2 for name in made}

    def cuts(self) -> tuple[str, ...]:
        """Return the layers through which everything after them goes: where the network may be run in pieces."""
        return self.blueprint.cuts()

    def after(self, layer: str) -> Network:
        """Return the rest of the network after a cut; its input is that layer's map, its weights are shared."""
        if layer not in self._pieces:
            piece = copy.copy(self)
            piece.blueprint = self.blueprint.after(layer)
            piece._plans, piece._fitting, piece._scales, piece._pieces, piece._extents = {}, set(), {}, {}, {}
            self._pieces[layer] = piece
        return self._pieces[layer]

    def with_leak(self, leak: float) -> Network:
        """Return the network with rectifiers that let this share of the gradient through while they are off.

        Raises:
            RecipeError: a leak outside [0, 1].
        """
        if not 0 <= leak <= 1:
            raise RecipeError(f"leak is a share of the gradient, 0 to 1; got {leak}.")
        twin = copy.copy(self)
        twin.blueprint = self.blueprint.with_leak(leak)
        twin._plans, twin._fitting, twin._scales, twin._pieces = {}, set(), {}, {}
        return twin

    def with_precision(
        self, dtype: torch.dtype, channels_last: bool = False, device: torch.device | str | None = None
    ) -> Network:
        """Return the network computing in ``dtype``, its maps kept channels-last or not.

        Channels-last is what makes bfloat16 fast. The original is left as it was.

        Args:
            dtype, channels_last: how it computes.
            device: where; by default where it is.
        """
        twin = copy.deepcopy(self)
        twin._pieces = {}
        twin.channels_last = channels_last
        twin.to(dtype=dtype)
        if device is not None:
            twin.to(device=device)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        for weight in twin.parameters():
            if weight.ndim == 4:
                weight.data = weight.data.contiguous(memory_format=layout)
        return twin

    def forward(self, x: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Compute the maps of some layers, and only what they need.

        Args:
            x: pictures, (B, 3, H, W), sRGB in [0, 1], any floating dtype, on any device.
            layers: names; the answer is in the same order.

        Returns:
            (B, C, h, w) per layer, in the network's dtype and memory format and on its device, before any
            rectifier that follows.

        Raises:
            LayerNotFound: if a layer does not exist.
            PictureError: if x is not a batch of colour pictures, or is too small.
        """
        asked = tuple(dict.fromkeys((layers,) if isinstance(layers, str) else layers))
        self._check(x)
        self._check_size(asked, (x.shape[2], x.shape[3]))
        if self.device.type == "cuda":
            torch.backends.cudnn.allow_tf32 = self.tf32  # PyTorch's own default rounds without being asked
        return self._maps(self._normalise(x.to(self.device)), asked)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {len(self.layers)} layers, {self.dtype})"

    if TYPE_CHECKING:

        def __call__(self, x: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
            """Compute maps as ``forward`` does."""

    def _maps(self, x: Tensor, layers: tuple[str, ...]) -> dict[str, Tensor]:
        """Compute the maps of some layers of a normalised picture."""
        maps = {PICTURE: x}
        for step in self._plan(layers):
            maps[step.node.name] = self._run(step, [maps[name] for name in step.node.inputs])
            for name in step.free:
                del maps[name]
        return {name: maps[name] for name in layers}

    def _plan(self, layers: tuple[str, ...]) -> tuple[Step, ...]:
        if layers not in self._plans:
            self._plans[layers] = schedule(self.blueprint, layers)
        return self._plans[layers]

    def _check(self, x: Tensor) -> None:
        wanted = len(self.blueprint.mean) if self.blueprint.of_maps else 3  # one channel is made of three
        if x.ndim != 4 or x.shape[1] != wanted or not x.is_floating_point():
            raise PictureError(
                f"a network wants float pictures (B, 3, H, W) in [0, 1]; got {tuple(x.shape)}"
                f" {x.dtype}. read_image() makes one."
            )

    def _check_size(self, layers: tuple[str, ...], size: tuple[int, int]) -> None:
        if (layers, size) in self._fitting:
            return
        for layer in layers:
            if self.blueprint.is_local(layer) and min(self.extent(layer, size)) < 1:
                raise PictureError(
                    f"a picture of {size[1]}x{size[0]} px is too small for '{layer}' of"
                    f" {self.name}; make its shorter side at least"
                    f" {self.blueprint.smallest(layer)} px."
                )
        self._fitting.add((layers, size))

    def _normalise(self, x: Tensor) -> Tensor:
        """Compute (x - mean) / std in float32 or better, cast once at the end."""
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        if self.blueprint.of_maps:
            return x.to(dtype=self.dtype, memory_format=layout)
        wide = torch.promote_types(self.dtype, torch.float32)
        x = x.to(wide)
        if len(self.blueprint.mean) == 1:
            x = (x * self._luma(x)).sum(1, keepdim=True)
        if not any(self.blueprint.mean) and set(self.blueprint.std) == {1.0}:
            return x.to(dtype=self.dtype, memory_format=layout)
        scale, shift = self._scale(x)
        return torch.addcmul(shift, x, scale).to(dtype=self.dtype, memory_format=layout)

    def _scale(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return 1 / std and -mean / std as (1, C, 1, 1), made once per device and dtype."""
        key = (x.device, x.dtype)
        if key not in self._scales:
            mean, std = (
                torch.tensor(v, dtype=torch.float64).view(1, -1, 1, 1)
                for v in (self.blueprint.mean, self.blueprint.std)
            )
            self._scales[key] = (1 / std).to(x.dtype).to(x.device), (-mean / std).to(x.dtype).to(x.device)
        return self._scales[key]

    def _luma(self, x: Tensor) -> Tensor:
        """Return the weights of the colours as (1, 3, 1, 1), made once per device and dtype."""
        key = (x.device, x.dtype)
        if key not in self._lumas:
            self._lumas[key] = x.new_tensor(LUMA).view(1, 3, 1, 1)
        return self._lumas[key]

    def _run(self, step: Step, inputs: list[Tensor]) -> Tensor:
        match step.node.op:
            case Conv() as op:
                return convolve(inputs[0], cast(Filters, self.filters[step.node.name]), op)
            case Relu(leak=leak):
                x = inputs[0]
                if leak and x.requires_grad:
                    return Leaky.apply(x, leak, step.overwrite)  # type: ignore[no-any-return, no-untyped-call]
                return x.relu_() if step.overwrite else x.relu()
            case Pool() as op:
                return pool(inputs[0], op)
            case Concat():
                return torch.cat(inputs, dim=1)
            case Add():
                return functools.reduce(torch.add, inputs)
            case Call(function=function):
                return function(*inputs)


def fingerprint(module: nn.Module) -> str:
    """Return the sha256 of a module's weights and buffers, names included."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(name.encode())
        if isinstance(value, Tensor):
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _filters(name: str, shape: tuple[int, ...], weights: Mapping[str, Tensor]) -> Filters:
    try:
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    except KeyError as missing:
        raise WeightsError(f"weights lack {missing}; they belong to another network.") from None
    if tuple(weight.shape) != shape or tuple(bias.shape) != shape[:1]:
        raise WeightsError(
            f"'{name}.weight' must be {shape}; got {tuple(weight.shape)}: these weights belong to another network."
        )
    return Filters(weight, bias)


def _modules(blueprint: Blueprint) -> list[nn.Module]:
    calls = [node.op.function for node in blueprint.nodes if isinstance(node.op, Call)]
    return [call for call in calls if isinstance(call, nn.Module)]
