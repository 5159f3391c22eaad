"""The base class of canvases: parameters that draw a picture."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor

from reverie.pictures import resize, resize_seamless

Size = tuple[int, int]
Projection = Callable[[Tensor], Tensor]


class Canvas(ABC):
    """Parameters and the picture they draw.

    A canvas is made at one size; `resized` gives a new canvas at another, with the same picture. The engine asks for
    `picture()` at each step and lets gradients flow back into `parameters`.

    Attributes:
        parameters: leaf tensors that require gradients.
        size: (H, W) of the picture, pixels.
        batch: number of pictures.
        periodic: whether the picture wraps round its edges, as a seamless tile does.
        buffers: pictures of its size that it needs in a step, beside the parameters and the picture they draw.
        finished: whether a picture is changed once more when it is `drawn`.
    """

    parameters: tuple[Tensor, ...]
    size: Size
    batch: int = 1
    periodic: bool = False
    buffers: int = 0
    finished: bool = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.size[0]}x{self.size[1]})"

    @abstractmethod
    def paint(self, parameters: Sequence[Tensor]) -> Tensor:
        """Draw the picture (B, 3, H, W), sRGB, of these values of the parameters; differentiable in them."""

    def picture(self) -> Tensor:
        """Draw the picture (B, 3, H, W), sRGB; differentiable in the parameters."""
        return self.paint(self.parameters)

    def to(self, device: torch.device | str) -> Self:
        """Return the canvas on a device: itself if it is there, else a copy; its tensors are moved."""
        if all(p.device == torch.device(device) for p in self.parameters):
            return self
        twin, moved = copy.copy(self), dict[int, Tensor]()  # what is held under two names is moved once
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(twin, name, moved.setdefault(id(value), value.to(device)))
        twin.parameters = tuple(leaf(p.detach().to(device), copy=False) for p in self.parameters)
        return twin

    @abstractmethod
    def resized(self, size: Size) -> Canvas:
        """Return a canvas of another size that holds the same picture."""

    @abstractmethod
    def project(self, projection: Projection | None = None) -> None:
        """Bring the picture back into [0, 1], and into the projection's set; called after each step."""

    @torch.no_grad()
    def drawn(self, parameters: Sequence[Tensor] | None = None) -> Tensor:
        """Draw the picture, or that of other values of the parameters: a copy, without gradients, in [0, 1]."""
        values = self.parameters if parameters is None else parameters
        picture = self.paint(values)
        borrowed = any(picture.data_ptr() == p.data_ptr() for p in (*values, *self.parameters))
        return picture.clamp(0, 1) if borrowed else picture.clamp_(0, 1)

    @torch.no_grad()
    def load(self, parameters: Sequence[Tensor]) -> None:
        """Overwrite the parameters with these values."""
        for mine, its in zip(self.parameters, parameters, strict=True):
            mine.copy_(its)


def at_size(x: Tensor, size: Size, *, periodic: bool) -> Tensor:
    """Resize a picture, or what is added to one, without clamping; itself if it has that size."""
    return resize_seamless(x, size) if periodic else resize(x, size)


def leaf(x: Tensor, *, copy: bool = True) -> Tensor:
    """Return a leaf of the graph: a copy, or the tensor itself if nothing else uses it."""
    with torch.inference_mode(False):
        x = x.detach()
        return (x.clone() if copy or x.is_inference() else x).contiguous().requires_grad_(True)
