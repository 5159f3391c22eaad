"""Instant: the small decoder that comes with Reverie and paints a photo's features in any painting's style at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from reverie.errors import WeightsError
from reverie.networks.tensorfiles import read_safetensors
from reverie.networks.zoo import embedded

LAYERS = ("relu5_1", "relu4_2", "relu3_2", "relu2_2")
"""The encoder's layers whose statistics the maps given to the stages have, deepest first."""
KEPT = LAYERS[:2]
"""Of those, the layers whose maps of the photo are painted; the maps at the others are the decoder's own."""
HALOS = (3, 9, 5, 6)
"""Positions that each stage reads around its own, on the map it is given."""
STRIDE = 16
"""Pixels between two positions of the deepest map."""
_WIDE = (1, 2, 1, 1)  # blocks of wide kernels in each stage
_PACKAGED = Path(__file__).with_name("instant.safetensors")


@dataclass(frozen=True, eq=False)
class Instant:
    """A mirrored decoder in four stages, each of which doubles the picture's sides.

    Each stage is given a map that has the mean and covariance of the painting's features at that depth: the first
    the photo's deepest map; the second the photo's next one, and added to it what the first stage makes; the third
    and fourth what the stage before makes. The decoder itself knows no painting. All of it is local: see ``HALOS``.

    Attributes:
        tensors: ``stages.0_out`` … ``stages.3_out``, each a weight (out, in, 3, 3) and a bias, the first (out, in,
            1, 1), and for each stage's blocks ``stages.1_wide0`` (C, 1, 7, 7) with ``_in`` and ``_out`` (C, C, 1, 1);
            ``noise.0`` … ``noise.3``, how much of the noise each channel takes.
        encoder: sha256 of the dreamnet it was trained with.
        sha256: of the file it came from; empty where it came from none.

    Source: Huang & Belongie 2017, AdaIN (one decoder for all paintings); Li et al. 2017, "Universal style
        transfer" (covariances at several depths). We differ: one pass through one decoder.
    """

    tensors: Mapping[str, Tensor]
    encoder: str = ""
    sha256: str = ""

    @property
    def device(self) -> torch.device:
        """The device that its tensors lie on."""
        return next(iter(self.tensors.values())).device

    def to(self, device: torch.device | str) -> Instant:
        """Return the network on a device."""
        return replace(self, tensors={key: value.to(device) for key, value in self.tensors.items()})

    def with_precision(self, dtype: torch.dtype) -> Instant:
        """Return the decoder with its weights in ``dtype`` and channels last."""
        return replace(self, tensors={key: _laid_out(value.to(dtype)) for key, value in self.tensors.items()})

    def stage(self, number: int, window: Tensor, noise: Tensor) -> Tensor:
        """Run one stage on a piece of its input map.

        Args:
            number: 0 to 3.
            window: (B, C, h + 2 halo, w + 2 halo), C the channels of that depth's layer, rectified.
            noise: (B or 1, 1, h + 2 halo, w + 2 halo), about 0 with deviation 1.

        Returns:
            (B, C', 2 h, 2 w): what the next stage is given once it has the painting's statistics, but the
            first one's, which is added to it after; the last one's are the picture's colours, in sRGB.

        Example:
            >>> load_instant().stage(3, torch.rand(1, 64, 20, 20), torch.zeros(1, 1, 20, 20)).shape
            torch.Size([1, 3, 16, 16])
        """
        x = torch.addcmul(window, self.tensors[f"noise.{number}"].to(window.dtype), noise.to(window.dtype))
        for block in range(_WIDE[number]):
            x = x[..., 3:-3, 3:-3] + self._residual(f"{number}_wide{block}", x)
        if number == 0:
            return _doubled(self._convolve("0_out", x))
        x = self._convolve(f"{number}_a", x).relu_()
        if number == 1:
            x = self._convolve("1_b", x).relu_()
        weight, bias = (self.tensors[f"stages.{number}_c.{part}"] for part in ("weight", "bias"))
        x = self._convolve(f"{number}_d", convolve_doubled(x, weight, bias).relu_())
        if number < 3:
            return x
        x = self._convolve("3_out", x.relu_())
        return x[..., 1:-1, 1:-1]  # half a position more was read than needed

    def _residual(self, name: str, x: Tensor) -> Tensor:
        """Return the residual of a map: each channel by itself over 7x7 positions, then all channels of a position."""
        x = self._convolve(name, x, groups=x.shape[1])
        return self._convolve(f"{name}_out", self._convolve(f"{name}_in", x).relu_())

    def _convolve(self, name: str, x: Tensor, groups: int = 1) -> Tensor:
        """Convolve without padding: a 3x3 convolution leaves one position less on each side."""
        weight, bias = self.tensors[f"stages.{name}.weight"], self.tensors[f"stages.{name}.bias"]
        return F.conv2d(x, weight.to(x.dtype), bias.to(x.dtype), groups=groups)


def check_encoder(instant: Instant, sha256: str) -> None:
    """Refuse a dreamnet other than the one whose features the decoder knows.

    Args:
        instant: the decoder.
        sha256: of the dreamnet that would be used.

    Raises:
        WeightsError: it is another.
    """
    if instant.encoder != sha256:
        raise WeightsError(
            f"instant was trained with the dreamnet of sha256 {instant.encoder[:8] or '(none)'}, and this is"
            f" {sha256[:8]}; use the two that came together, or train instant anew."
        )


@cache
def load_instant() -> Instant:
    """Load the decoder in the package, in float32.

    Raises:
        WeightsError: its file is missing, damaged, or made for another dreamnet than the package's.

    Example:
        >>> load_instant().encoder == load("dreamnet").sha256
        True
    """
    found = read_instant(_PACKAGED)
    check_encoder(found, embedded().sha256)
    return found


def read_instant(path: Path) -> Instant:
    """Read the decoder in a file, its weights in float32.

    Raises:
        WeightsError: the file is missing, damaged or of another network.
    """
    found = read_safetensors(path)
    tensors = {key: value.float() for key, value in found.tensors.items()}
    missing = [
        key
        for key in ("stages.0_out.weight", "stages.1_a.weight", "stages.3_out.weight", "noise.3")
        if key not in tensors
    ]
    if missing:
        raise WeightsError(f"'{path.name}' is not a decoder that paints: it lacks {missing[0]}; use another.")
    return Instant(tensors, found.about.get("encoder", ""), found.sha256)


def _laid_out(tensor: Tensor) -> Tensor:
    """Lay out a tensor channels last, where it has channels: convolutions run faster so."""
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def convolve_doubled(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolve a map whose sides are doubled by repetition, without padding and without making that map.

    A 3x3 window of the doubled map sees 2x2 positions: each of the four values that a position becomes is a 2x2
    convolution, with 4 products for each channel in the place of 9.

    Args:
        x: (B, C, h, w).
        weight, bias: (D, C, 3, 3) and (D,).

    Returns:
        (B, D, 2 h - 2, 2 w - 2), to rounding what the convolution of the doubled map gives.

    Source: Shi et al. (2016), "Is the deconvolution layer the same as a convolutional layer?"
    """
    kernels = [
        each
        for half in _folded(weight.to(torch.promote_types(weight.dtype, torch.float32)), 2)
        for each in _folded(half, 3)
    ]
    quarters = torch.stack(kernels, 1).flatten(0, 1).to(x.dtype).contiguous(memory_format=torch.channels_last)
    return F.pixel_shuffle(F.conv2d(x, quarters, bias.to(x.dtype).repeat_interleave(4)), 2)


def _folded(kernel: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Fold three taps on the two positions that they see, from the first and from the second of a repeated pair."""
    first, middle, last = kernel.unbind(dim)
    return torch.stack([first + middle, last], dim), torch.stack([first, middle + last], dim)


def _doubled(x: Tensor) -> Tensor:
    """Double the sides: each position becomes four."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
