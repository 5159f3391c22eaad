"""Superres: the small network that comes with Reverie and enlarges pictures twice, three and four times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from reverie.choices import Variant
from reverie.errors import RecipeError, WeightsError
from reverie.networks.tensorfiles import read_safetensors

_FILES: Mapping[Variant, str] = {"faithful": "superres.safetensors", "sharp": "superres-sharp.safetensors"}
FACTORS = (2, 3, 4)
_REACH = 2  # pixels that the bicubic filter reads on each side
_PACKAGED = Path(__file__).parent


@dataclass(frozen=True, eq=False)
class Superres:
    """Residual blocks on the small picture, and for each factor a head whose channels are laid out as pixels.

    What the head gives is added to the bicubic enlargement. All of it is local: no pixel further away
    than ``halo`` is read, and nothing is averaged over the picture.

    Attributes:
        tensors: ``entry``, ``blocks.0_a``, ``blocks.0_b`` … and ``heads.2`` …, each a weight
            (out, in, 3, 3) and a bias, in floating point.
        sha256: of the file they came from; empty where they came from none.

    Source: Lim et al. 2017, EDSR (residual blocks without norms); Shi et al. 2016, ESPCN (sub-pixel heads).
    """

    tensors: Mapping[str, Tensor]
    sha256: str = ""

    @property
    def device(self) -> torch.device:
        """The device that its tensors lie on."""
        return next(iter(self.tensors.values())).device

    @property
    def dtype(self) -> torch.dtype:
        """The type of its tensors."""
        return next(iter(self.tensors.values())).dtype

    def with_precision(self, dtype: torch.dtype) -> Superres:
        """Return the network run in another precision; what it reads and gives stays float32."""
        return replace(self, tensors={key: value.to(dtype) for key, value in self.tensors.items()})

    def to(self, device: torch.device | str) -> Superres:
        """Return the network on a device."""
        return replace(self, tensors={key: value.to(device) for key, value in self.tensors.items()})

    @property
    def blocks(self) -> int:
        """Number of residual blocks, of two convolutions each."""
        return sum(key.endswith("_a.weight") for key in self.tensors)

    @property
    def halo(self) -> int:
        """Pixels read around each one, of the small picture."""
        return max(_REACH, 2 * self.blocks + 2)

    @property
    def width(self) -> int:
        """Channels of a feature map."""
        return int(self.tensors["entry.weight"].shape[0])

    def enlarge(self, window: Tensor, factor: int) -> Tensor:
        """Enlarge what lies inside the halo of a piece of a picture; not clamped.

        Args:
            window: (B, 3, H + 2 halo, W + 2 halo) sRGB in [0, 1].
            factor: 2, 3 or 4.

        Returns:
            (B, 3, factor H, factor W).

        Raises:
            RecipeError: there is no head for that factor.

        Example:
            >>> load_superres().enlarge(torch.rand(1, 3, 88, 88), 2).shape  # a halo of 12
            torch.Size([1, 3, 128, 128])
        """
        if f"heads.{factor}.weight" not in self.tensors:
            raise RecipeError(f"superres enlarges {', '.join(map(str, FACTORS))} times; got {factor}.")
        window = window.to(self.device)
        x = (window - 0.5).to(self.dtype).contiguous(memory_format=torch.channels_last)
        x = self._convolve("entry", x)
        for i in range(self.blocks):
            inner = F.relu_(self._convolve(f"blocks.{i}_a", x))
            x = _cut(x, 2) + self._convolve(f"blocks.{i}_b", inner)
        added = F.pixel_shuffle(self._convolve(f"heads.{factor}", x), factor).to(window.dtype)
        return added + bicubic(_cut(window, self.halo - _REACH), factor)

    def _convolve(self, name: str, x: Tensor) -> Tensor:
        """Convolve 3x3 without padding: one pixel less on each side."""
        return F.conv2d(x, self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"])


def bicubic(window: Tensor, factor: int) -> Tensor:
    """Enlarge what lies two pixels inside a picture by Keys' bicubic (a = -1/2); not clamped.

    The same numbers as ``pictures.resize``, but from the very same weights at every place: a
    picture in pieces gives what the whole gives.

    Args:
        window: (B, C, H + 4, W + 4).
        factor: a whole number.

    Returns:
        (B, C, factor H, factor W).

    Source: Keys 1981.
    """
    channels = window.shape[1]
    taps = _taps(factor).to(window.dtype).to(window.device)
    kernel = torch.einsum("iy,jx->ijyx", taps, taps).reshape(factor * factor, 1, 5, 5)
    phases = F.conv2d(window, kernel.repeat(channels, 1, 1, 1), groups=channels)
    return F.pixel_shuffle(phases, factor)


@cache
def load_superres(variant: Variant = "faithful") -> Superres:
    """Load the network in the package, in float32.

    Args:
        variant: "faithful", made for the smallest error; "sharp", which also cleans what JPEG left.

    Raises:
        WeightsError: its file is missing or damaged.

    Example:
        >>> load_superres().halo
        12
    """
    path = _PACKAGED / _FILES[variant]
    if not path.exists():
        raise WeightsError(f"this Reverie has no {variant} superres; take another variant.")
    return read_superres(path)


def read_superres(path: Path) -> Superres:
    """Read the network in a file, its weights in float32.

    Raises:
        WeightsError: the file is missing, damaged or of another network.
    """
    found = read_safetensors(path)
    tensors = {key: _laid_out(value.float()) for key, value in found.tensors.items()}
    missing = [key for key in ("entry.weight", "heads.2.weight") if key not in tensors]
    if missing:
        raise WeightsError(f"'{path.name}' is not a network that enlarges: it lacks {missing[0]}; use another.")
    return Superres(tensors, found.sha256)


def _laid_out(tensor: Tensor) -> Tensor:
    """Lay out a tensor channels last, where it has channels: convolutions run faster so."""
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def _cut(x: Tensor, margin: int) -> Tensor:
    """Cut off this many pixels on each side."""
    return x[..., margin : x.shape[-2] - margin, margin : x.shape[-1] - margin]


@cache
def _taps(factor: int) -> Tensor:
    """Return the weights (factor, 5) of the five nearest pixels for each place within one, in float64."""
    places = (torch.arange(factor, dtype=torch.float64) + 0.5) / factor - 0.5
    distance = (places[:, None] - torch.arange(-2, 3, dtype=torch.float64)).abs()
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    return torch.where(distance <= 1, near, torch.where(distance < 2, far, torch.zeros_like(far)))
