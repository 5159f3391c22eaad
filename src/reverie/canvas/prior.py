"""A picture as the weights of a convolutional network that is fed with noise: the deep image prior."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from reverie.canvas.base import Canvas, Projection, Size, leaf
from reverie.errors import PictureError, RecipeError

_DEPTH = 16  # channels of the noise
_COARSE = 32  # pixels of the longer side at which the noise is drawn, so that it is the same at every size


class PriorCanvas(Canvas):
    """The weights of a convolutional network whose input is fixed noise.

    Its shape alone prefers natural pictures: it makes clean areas and lines long before it can make grain. Begin at
    the size you want: the same weights at another size make a similar picture, not the same.

    Args:
        size: (H, W) pixels.
        module: from noise (1, 16, H, W) to colours (1, 3, H, W) before a sigmoid; an hourglass by default. It is
            copied. No batch normalisation in training mode: what a picture is depends on its weights alone.
        seed: of the noise, and of the hourglass's first weights.
    Raises:
        RecipeError: a module without weights.
    Source: Ulyanov, Vedaldi & Lempitsky (2018), "Deep image prior". We differ: the noise is smooth, and normalisation
        is over groups, so that one picture needs no batch.
    Example:
        rv.PriorCanvas((256, 256), seed=1)
    """

    def __init__(self, size: Size, *, module: nn.Module | None = None, seed: int = 0) -> None:
        own = _hourglass(seed) if module is None else copy.deepcopy(module).eval()
        self._begin(own, size, seed, [p.detach() for p in own.parameters()])

    def _begin(self, module: nn.Module, size: Size, seed: int, weights: Sequence[Tensor]) -> None:
        if not weights:
            raise RecipeError("the network of a PriorCanvas needs weights to optimise; this one has none.")
        self.size, self._module, self._seed = size, module, seed
        self._names = [name for name, _ in module.named_parameters()]
        self.parameters = tuple(leaf(each) for each in weights)
        self._noise = _noise(size, seed).to(self.parameters[0].device)

    def paint(self, parameters: Sequence[Tensor]) -> Tensor:
        made: Tensor = functional_call(self._module, dict(zip(self._names, parameters, strict=True)), (self._noise,))
        if made.shape != (1, 3, *self.size):
            raise PictureError(f"the network of a PriorCanvas gives (1, 3, H, W); got {tuple(made.shape)}.")
        return torch.sigmoid(made)

    def project(self, projection: Projection | None = None) -> None:
        """Do nothing: the sigmoid keeps the picture in [0, 1]. A projection needs pixels to act on."""
        if projection is not None:
            raise RecipeError("a projection needs a PixelCanvas; a PriorCanvas has no pixels of its own.")

    def to(self, device: torch.device | str) -> PriorCanvas:
        """Return the canvas on a device, with a network of its own there."""
        twin = super().to(device)
        if twin is not self:
            twin._module = copy.deepcopy(self._module).to(device)
        return twin

    def resized(self, size: Size) -> PriorCanvas:
        other = PriorCanvas.__new__(PriorCanvas)
        other._begin(self._module, size, self._seed, [p.detach() for p in self.parameters])
        return other


class Hourglass(nn.Module):
    """Down by convolutions with strides and up again, with skips: (1, 16, H, W) to (1, 3, H, W)."""

    def __init__(self, widths: Sequence[int] = (16, 32, 48, 64)) -> None:
        super().__init__()
        before = (_DEPTH, *widths[:-1])
        self.down = nn.ModuleList(_block(i, o, stride=2) for i, o in zip(before, widths, strict=True))
        self.skip = nn.ModuleList(nn.Conv2d(i, 4, 1) for i in before)
        self.up = nn.ModuleList(_block(o + 4, max(i, 16)) for i, o in zip(before, widths, strict=True))
        self.last = nn.Conv2d(16, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Compute colours before the sigmoid."""
        maps = [x]
        for down in self.down:
            maps.append(down(maps[-1]))
        x = maps[-1]
        for up, skip, fine in zip(reversed(self.up), reversed(self.skip), reversed(maps[:-1]), strict=True):
            wide = F.interpolate(x, (int(fine.shape[2]), int(fine.shape[3])), mode="bilinear")
            x = up(torch.cat([wide, skip(fine)], dim=1))
        colours: Tensor = self.last(x)
        return colours


def _block(channels: int, out: int, *, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(channels, out, 3, stride, padding=1, padding_mode="replicate")
    return nn.Sequential(convolution, nn.GroupNorm(4, out), nn.LeakyReLU(0.2))


def _hourglass(seed: int) -> Hourglass:
    """Build the network with weights drawn by a generator of its own."""
    with torch.device("meta"):  # which draws nothing
        made = Hourglass()
    module, generator = made.to_empty(device="cpu").eval(), torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, a=0.2, generator=generator)
            nn.init.zeros_(part.bias)  # type: ignore[arg-type]
        elif isinstance(part, nn.GroupNorm):
            part.reset_parameters()
    return module


def _noise(size: Size, seed: int) -> Tensor:
    """Draw noise (1, 16, H, W), coarse enough to be the same at every size."""
    h, w = (max(2, round(_COARSE * n / max(size))) for n in size)
    drawn = torch.randn(1, _DEPTH, h, w, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)
    return F.interpolate(drawn, size, mode="bicubic")
