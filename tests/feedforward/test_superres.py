from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from reverie.errors import RecipeError, WeightsError
from reverie.feedforward.superres import FACTORS, Superres, bicubic, load_superres, read_superres
from reverie.pictures import resize

Make = Callable[..., Tensor]


@pytest.mark.parametrize("factor", FACTORS)
def test_bicubic_is_the_resizer_s(make_picture: Make, factor: int) -> None:
    x = make_picture(0, 23, 31, dtype=torch.float64)
    whole = resize(x, (23 * factor, 31 * factor))
    inner = slice(2 * factor, -2 * factor)
    assert torch.allclose(bicubic(x, factor), whole[..., inner, inner], atol=1e-12)


@pytest.mark.parametrize("factor", FACTORS)
def test_the_network_is_what_its_papers_say(tiny_superres: Superres, make_picture: Make, factor: int) -> None:
    halo = tiny_superres.halo
    x = make_picture(1, 5 + 2 * halo, 7 + 2 * halo)
    assert np.allclose(plainly(tiny_superres, x.double().numpy(), factor), tiny_superres.enlarge(x, factor), atol=1e-5)


def plainly(network: Superres, x: np.ndarray, factor: int) -> np.ndarray:
    """The same in NumPy, float64: (1, 3, H, W) to (1, 3, factor (H - 2 halo), ...)."""

    def convolve(name: str, x: np.ndarray) -> np.ndarray:
        weight, bias = (network.tensors[f"{name}.{part}"].double().numpy() for part in ("weight", "bias"))
        windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
        return np.einsum("bchwij,ocij->bohw", windows, weight) + bias[:, None, None]

    inner, halo = convolve("entry", x - 0.5), network.halo
    for i in range(network.blocks):
        change = convolve(f"blocks.{i}_b", np.maximum(convolve(f"blocks.{i}_a", inner), 0))
        inner = inner[..., 2:-2, 2:-2] + change
    added = convolve(f"heads.{factor}", inner)
    b, _, h, w = added.shape
    added = added.reshape(b, 3, factor, factor, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(b, 3, h * factor, w * factor)
    cut = slice(halo - 2, 2 - halo)
    return added + bicubic(torch.from_numpy(x[..., cut, cut]), factor).numpy()


def test_no_pixel_beyond_the_halo_is_read(tiny_superres: Superres, make_picture: Make) -> None:
    halo = tiny_superres.halo
    x = make_picture(2, 2 * halo + 1, 2 * halo + 1).requires_grad_(True)
    (gradient,) = torch.autograd.grad(tiny_superres.enlarge(x, 2).pow(2).sum(), x)
    assert gradient[..., 0, :].any() and gradient[..., :, -1].any()
    assert tiny_superres.enlarge(x, 2).shape == (1, 3, 2, 2)


def test_the_packaged_one(make_picture: Make) -> None:
    network = load_superres()
    assert len(network.sha256) == 64 and network is load_superres()
    large = resize(make_picture(3, 96, 96), (192, 192)).clamp(0, 1)
    small = resize(large, (96, 96))
    inner = slice(2 * network.halo, -2 * network.halo)
    ours = network.enlarge(small, 2)
    assert (ours - large[..., inner, inner]).abs().mean() < 0.02
    assert sum(t.numel() for t in network.tensors.values()) * 2 < 500_000


def test_no_other_factor(tiny_superres: Superres) -> None:
    with pytest.raises(RecipeError, match="2, 3, 4 times; got 5"):
        tiny_superres.enlarge(torch.rand(1, 3, 20, 20), 5)


def test_files_that_are_not_ours(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot read"):
        read_superres(tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"bad")
    with pytest.raises(WeightsError, match="not a readable"):
        read_superres(tmp_path / "bad.safetensors")
    save_file({"other": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="lacks entry"):
        read_superres(tmp_path / "other.safetensors")
