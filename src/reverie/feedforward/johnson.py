"""Johnson's network: paints any photo in the one style it was trained for, in a single pass."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from reverie.errors import PictureError, WeightsError
from reverie.files import Placing, replacing
from reverie.networks.tensorfiles import dump_safetensors, read_pth, read_safetensors
from reverie.untrusted import contents, json_object, refusing

LEAST = 16
"""Pixels of the shorter side of a picture, at least: padding mirrors what is there."""
EPSILON = 1e-5
"""Added to variances before their root is divided by."""
_MID = 0.5  # colours go in and come out about mid grey: near 0 low precision is finest
_MOST = {"down.": 8, "up.": 8, "blocks.": 64}  # layers of a file that is read, of each kind
_LONGEST = 2**40  # steps or seconds of a training


@dataclass(frozen=True)
class Layer:
    """One convolution and what follows it.

    Attributes:
        name: of its tensors.
        kernel: positions on a side, odd.
        stride: positions of its map between two of its output.
        factor: how many times larger its map is made first, by repetition.
        normalised: whether each channel is given mean ``shift`` and deviation ``gain``, picture by picture.
        rectified: whether negative numbers then become 0.
        adds: how many layers back the map lies that is added at last; 0: none. 1 is the layer's own map.
    """

    name: str
    kernel: int
    stride: int = 1
    factor: int = 1
    normalised: bool = True
    rectified: bool = True
    adds: int = 0

    @property
    def reach(self) -> int:
        """Positions that it reads on each side, of its map made larger."""
        return self.kernel // 2


@dataclass(frozen=True, eq=False)
class Johnson:
    """Convolutions that make the map smaller, residual blocks, and convolutions that make it a picture again.

    Padding mirrors the map, larger maps repeat the smaller one's positions, and each channel is normalised over the
    picture it belongs to. Widths, kernels and depth are those of the tensors.

    Attributes:
        tensors: ``down.0`` …, ``blocks.0_a``, ``blocks.0_b`` … and ``up.0`` …, each with ``.weight`` (out, in, k, k)
            and ``.gain`` and ``.shift`` (out,); the last ``up`` has a ``.bias`` instead. Floating point.
        facts: of the painting and the training; plain values by name.
        sha256: of the file it came from; empty where it came from none.

    Source: Johnson, Alahi & Li 2016, "Perceptual losses for real-time style transfer"; Ulyanov, Vedaldi & Lempitsky
        2016, "Instance normalization"; Odena et al. 2016, "Deconvolution and checkerboard artifacts".
    """

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Layers in their order, read from the tensors' names and shapes."""
        downs, ups, blocks = (_numbers(self.tensors, kind) for kind in ("down.", "up.", "blocks."))
        first = [Layer(f"down.{i}", self._kernel(f"down.{i}"), stride=2 if i else 1) for i in downs]
        middle = [
            layer
            for i in blocks
            for layer in (
                Layer(f"blocks.{i}_a", self._kernel(f"blocks.{i}_a")),
                Layer(f"blocks.{i}_b", self._kernel(f"blocks.{i}_b"), rectified=False, adds=2),
            )
        ]
        last = [Layer(f"up.{i}", self._kernel(f"up.{i}"), factor=2) for i in ups[:-1]]
        end = Layer(f"up.{ups[-1]}", self._kernel(f"up.{ups[-1]}"), normalised=False, rectified=False)
        return (*first, *middle, *last, end)

    @property
    def stride(self) -> int:
        """Pixels between two positions of the smallest map."""
        return math.prod(layer.stride for layer in self.layers)

    @property
    def least(self) -> int:
        """Pixels of the shorter side of a picture, at least: what lies beyond a map's border is mirrored in it."""
        least, unit = LEAST, 1
        for layer in self.layers:
            unit = max(1, unit // layer.factor)
            least = max(least, (layer.reach + 1) * unit)
            unit *= layer.stride
        return least

    @property
    def dtype(self) -> torch.dtype:
        """The precision of its weights."""
        return self.tensors["down.0.weight"].dtype

    @property
    def device(self) -> torch.device:
        """The device that its tensors lie on."""
        return next(iter(self.tensors.values())).device

    def to(self, device: torch.device | str) -> Johnson:
        """Return the network on a device."""
        return replace(self, tensors={key: value.to(device) for key, value in self.tensors.items()})

    def __call__(self, x: Tensor) -> Tensor:
        """Paint pictures; not clamped, differentiable in the tensors and in the pictures.

        Args:
            x: (B, 3, H, W) sRGB in [0, 1], each side 16 pixels or more.

        Returns:
            (B, 3, H, W), float32, sRGB mostly in [0, 1], on the network's device.

        Raises:
            PictureError: it is no such tensor, or too small.

        Example:
            >>> draw_johnson(seed=0)(torch.rand(2, 3, 37, 50)).shape
            torch.Size([2, 3, 37, 50])
        """
        check_size(x, self.least)
        maps = [self.to_input(x.to(self.device))]
        for layer in self.layers:
            maps.append(self.finish(layer, self.convolve(layer, maps[-1]), maps[-layer.adds]))
            del maps[:-2]  # no layer adds an older one
        return self.to_pictures(maps[-1])[..., : x.shape[2], : x.shape[3]]

    def to_input(self, x: Tensor) -> Tensor:
        """Return the first layer's input for pictures in [0, 1]."""
        return (x - _MID).to(self.dtype, memory_format=torch.channels_last)

    def to_pictures(self, x: Tensor) -> Tensor:
        """Turn the last layer's map into pictures, in float32."""
        return x.float() + _MID

    def convolve(self, layer: Layer, x: Tensor) -> Tensor:
        """Apply a layer's convolution to a whole map (B, C, h, w), mirrored at its borders."""
        x = F.interpolate(x, scale_factor=float(layer.factor), mode="nearest") if layer.factor > 1 else x
        return self.convolve_window(layer, F.pad(x, (layer.reach,) * 4, mode="reflect"))

    def convolve_window(self, layer: Layer, window: Tensor) -> Tensor:
        """Apply a layer's convolution, without padding, to a window of its enlarged map."""
        window = window.contiguous(memory_format=torch.channels_last)
        bias = self.tensors.get(f"{layer.name}.bias")
        return F.conv2d(window, self.tensors[f"{layer.name}.weight"], bias, layer.stride)

    def finish(self, layer: Layer, x: Tensor, before: Tensor) -> Tensor:
        """Apply what follows a convolution: instance normalisation, rectifier, the map that is added."""
        if layer.normalised:
            gain, shift = self.tensors[f"{layer.name}.gain"], self.tensors[f"{layer.name}.shift"]
            x = _Normalised.apply(x, gain, shift)  # type: ignore[no-untyped-call]
        x = x.relu() if layer.rectified else x
        return x + before if layer.adds else x

    def with_precision(self, dtype: torch.dtype) -> Johnson:
        """Return the network with its convolutions in ``dtype`` and channels last; differentiable in the old ones.

        What normalises stays in float32 or better, as its statistics do.
        """
        wide = torch.float32 if dtype in (torch.bfloat16, torch.float16) else dtype
        narrow = (".weight", ".bias")
        changed = {key: x.to(dtype if key.endswith(narrow) else wide) for key, x in self.tensors.items()}
        return replace(self, tensors={key: _laid_out(value) for key, value in changed.items()})

    def _kernel(self, name: str) -> int:
        return int(self.tensors[f"{name}.weight"].shape[-1])


class _Normalised(torch.autograd.Function):
    """Instance normalisation of maps (B, C, h, w), its gain and shift (C,) in float32 or better.

    As groups of one channel, which is 2.6 times faster than PyTorch's own in bfloat16; and with a way back written
    out, as PyTorch's own takes 5 to 20 times as long there: more than all convolutions together.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
        b, c, h, w = x.shape
        y, mean, root = torch.native_group_norm(x, gain, shift, b, c, h * w, c, EPSILON)
        ctx.save_for_backward(x, gain, mean.view(b, c, 1, 1), root.view(b, c, 1, 1))
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, gain, mean, root = ctx.saved_tensors
        g = gradients[0].to(gain.dtype)
        normal = (x.to(gain.dtype) - mean).mul_(root)
        along, first = (g * normal).mean((2, 3), keepdim=True), g.mean((2, 3), keepdim=True)
        positions = x.shape[2] * x.shape[3]
        back = (g - first).addcmul_(normal, along, value=-1).mul_(root * gain.view(1, -1, 1, 1))
        return back.to(x.dtype), positions * along.sum((0, 2, 3)), positions * first.sum((0, 2, 3))


def check_size(x: Tensor, least: int = LEAST) -> None:
    """Refuse what is no picture that the network can paint.

    Args:
        x: (B, 3, H, W).
        least: pixels of each side.

    Raises:
        PictureError: not (B, 3, H, W) of floating point, or a side too short.
    """
    if x.ndim != 4 or x.shape[1] != 3 or not x.is_floating_point() or min(x.shape[2:]) < least:
        raise PictureError(
            f"a picture to paint is (B, 3, H, W), {least} pixels or more each way; got {tuple(x.shape)} {x.dtype}."
        )


def draw_johnson(*, widths: tuple[int, ...] = (16, 32, 64), blocks: int = 5, seed: int = 0) -> Johnson:
    """Draw an untrained network, its weights after He et al. (2015), in float32.

    Args:
        widths: channels at full resolution, at half, at a quarter …
        blocks: residual blocks at the smallest.
        seed: of the weights.

    Example:
        >>> draw_johnson(widths=(8, 16), blocks=1, seed=3).stride
        2
    """
    generator, tensors = torch.Generator().manual_seed(seed), {}

    def layer(name: str, come: int, go: int, kernel: int) -> None:
        deviation = math.sqrt(2 / (come * kernel * kernel))
        tensors[f"{name}.weight"] = torch.randn(go, come, kernel, kernel, generator=generator) * deviation
        tensors[f"{name}.gain"], tensors[f"{name}.shift"] = torch.ones(go), torch.zeros(go)

    for i, (come, go) in enumerate(pairwise((3, *widths))):
        layer(f"down.{i}", come, go, 3 if i else 9)
    for i in range(blocks):
        layer(f"blocks.{i}_a", widths[-1], widths[-1], 3)
        layer(f"blocks.{i}_b", widths[-1], widths[-1], 3)
    for i, (come, go) in enumerate(pairwise((*widths[::-1], 3))):
        layer(f"up.{i}", come, go, 3 if i < len(widths) - 1 else 9)
    end = f"up.{len(widths) - 1}"
    tensors[f"{end}.weight"] *= 0.1  # colours spread little about grey
    tensors[f"{end}.bias"] = torch.zeros(3)
    del tensors[f"{end}.gain"], tensors[f"{end}.shift"]
    return Johnson({key: _laid_out(value) for key, value in tensors.items()})


def write_johnson(path: Path, network: Johnson, *, into: Placing = replacing) -> Path:
    """Write a network with its facts as a float16 .safetensors file, by one of the ways of `files`; return its path.

    Raises:
        PictureError: the file cannot be written.
    """
    tensors = {key: value.detach().cpu().half().contiguous() for key, value in network.tensors.items()}
    about = {"format": "reverie style 1", "facts": json.dumps(dict(network.facts), sort_keys=True)}
    with into(path) as draft:
        draft.file.write(dump_safetensors(tensors, about))
    return draft.placed or path


def read_johnson(path: Path) -> Johnson:
    """Read a network from a file of Reverie's, or of PyTorch's example ``fast_neural_style``; in float32.

    Nothing in a file is run: a .pth that holds more than plain tensors is refused.

    Args:
        path: a .safetensors of ``write_johnson``, or a .pth state_dict of the example's ``TransformerNet``.

    Raises:
        WeightsError: the file is missing, damaged or of another network.

    Example:
        >>> read_johnson(Path("mine.safetensors")).layers[0].kernel
        9
    """
    facts: Mapping[str, Any] = {}
    if path.suffix.lower() == ".safetensors":
        found = read_safetensors(path)
        tensors, facts, sha256 = found.tensors, _facts(found.about, path), found.sha256
    else:
        sha256 = hashlib.sha256(contents(path, WeightsError)).hexdigest()
        tensors = _from_example(read_pth(path), path)
    _check_tensors(tensors, path)
    laid = {key: _laid_out(value.float()) for key, value in tensors.items()}
    return Johnson(laid, facts, sha256)


_FACTS: Mapping[str, tuple[type, ...]] = {
    "painting": (str,),
    "settings": (dict,),
    "steps": (int,),
    "seconds": (int, float),
}
"""Kinds of the facts that are used; others are only shown."""


def _facts(about: Mapping[str, str], path: Path) -> Mapping[str, Any]:
    """Return the facts that a file states about itself."""
    with refusing(WeightsError, f"the facts in '{path.name}' are damaged; copy it again or train it anew."):
        facts = json_object(about.get("facts", "{}"))
        if odd := [name for name, kinds in _FACTS.items() if name in facts and type(facts[name]) not in kinds]:
            raise ValueError(f"{odd[0]} is of another kind")
        if not all(0 <= facts.get(name, 0) <= _LONGEST for name in ("steps", "seconds")):
            raise ValueError("nobody trains that long")
        return facts


_NAMES: Mapping[str, tuple[str, str]] = {
    **{f"down.{i}": (f"conv{i + 1}.conv2d", f"in{i + 1}") for i in range(3)},
    **{f"blocks.{i}_{a}": (f"res{i + 1}.conv{n}.conv2d", f"res{i + 1}.in{n}") for i in range(5) for n, a in
       ((1, "a"), (2, "b"))},
    **{f"up.{i}": (f"deconv{i + 1}.conv2d", f"in{i + 4}") for i in range(2)},
}  # fmt: skip
"""Ours, and the example's convolution and norm."""


def _from_example(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Convert the example's tensors to our names, for colours in [0, 1] about mid grey instead of 0 to 255.

    A bias before a norm says nothing: the norm takes the mean away. Mid grey is one, too.
    """
    try:
        tensors = {}
        for name, (conv, norm) in _NAMES.items():
            tensors[f"{name}.weight"] = state[f"{conv}.weight"].double()
            tensors[f"{name}.gain"], tensors[f"{name}.shift"] = state[f"{norm}.weight"], state[f"{norm}.bias"]
        tensors["down.0.weight"] = tensors["down.0.weight"] * 255
        tensors["up.2.weight"] = state["deconv3.conv2d.weight"].double() / 255
        tensors["up.2.bias"] = state["deconv3.conv2d.bias"].double() / 255 - _MID
    except KeyError as missing:
        raise WeightsError(
            f"'{path.name}' is not of PyTorch's fast_neural_style: it lacks {missing}; use a checkpoint of its"
            " TransformerNet, or a .safetensors that 'reverie train style' wrote."
        ) from None
    return tensors


def _numbers(tensors: Mapping[str, Tensor], kind: str) -> list[int]:
    """Count 0, 1, 2 … as far as there are layers of a kind."""
    ending = "_a.weight" if kind == "blocks." else ".weight"
    return [i for i in range(_MOST[kind]) if f"{kind}{i}{ending}" in tensors]


def _check_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuse tensors that are not those of one network."""
    network = Johnson(tensors)
    sound = _numbers(tensors, "down.") and _numbers(tensors, "up.") and all(map(_is_sound, tensors.values()))
    if not sound or not _fits(network):
        raise WeightsError(
            f"'{path.name}' is not a network that paints in one style; use one that 'reverie train style' wrote."
        )


def _is_sound(x: Tensor) -> bool:
    square = x.ndim == 1 or (x.ndim == 4 and x.shape[2] == x.shape[3] and x.shape[2] in (1, 3, 5, 7, 9))
    return square and x.numel() > 0 and x.is_floating_point() and bool(torch.isfinite(x).all())


def _fits(network: Johnson) -> bool:
    """True if each layer takes what the one before it gives, from a picture to one of its size."""
    try:
        layers, channels = network.layers, 3
        for layer in layers:
            go, come = network.tensors[f"{layer.name}.weight"].shape[:2]
            beside = ("gain", "shift") if layer.normalised else ("bias",)
            shapes = {tuple(network.tensors[f"{layer.name}.{part}"].shape) for part in beside}
            if come != channels or shapes != {(go,)} or (layer.adds and go != int(come)):
                return False
            channels = int(go)
    except (KeyError, ValueError):
        return False
    known = sum(2 if not layer.normalised else 3 for layer in layers)
    return channels == 3 and network.stride == math.prod(x.factor for x in layers) and known == len(network.tensors)


def _laid_out(tensor: Tensor) -> Tensor:
    """Lay out a tensor channels last, where it has channels: convolutions run faster so."""
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
