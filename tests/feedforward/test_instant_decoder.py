from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from reverie import feedforward
from reverie.errors import WeightsError
from reverie.feedforward import Instant, load_instant
from reverie.feedforward.instant import HALOS, LAYERS, check_encoder, read_instant
from reverie.networks import load


@pytest.mark.parametrize(("number", "given", "made"), [(0, 256, 256), (1, 256, 128), (2, 128, 64), (3, 64, 3)])
def test_a_stage_doubles_the_sides(tiny_instant: Instant, number: int, given: int, made: int) -> None:
    halo = HALOS[number]
    window = torch.rand(1, given, 5 + 2 * halo, 7 + 2 * halo, generator=torch.Generator().manual_seed(0))
    noise = torch.zeros(1, 1, *window.shape[2:])
    assert tiny_instant.stage(number, window, noise).shape == (1, made, 10, 14)


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_a_stage_reads_no_further_than_its_halo(tiny_instant: Instant, number: int) -> None:
    channels, halo = (256, 256, 128, 64)[number], HALOS[number]
    x = torch.rand(1, channels, 9 + 2 * halo, 9 + 2 * halo, generator=torch.Generator().manual_seed(0))
    noise = torch.zeros(1, 1, *x.shape[2:])
    whole = tiny_instant.stage(number, x, noise)
    part = tiny_instant.stage(number, x[..., 4:, 4:], noise[..., 4:, 4:])
    assert torch.allclose(whole[..., 8:, 8:], part, atol=1e-5)


def test_noise_counts_as_much_as_its_gain(tiny_instant: Instant) -> None:
    x, noise = torch.zeros(1, 64, 15, 15), torch.ones(1, 1, 15, 15)
    lifted = x + tiny_instant.tensors["noise.3"]
    assert torch.equal(tiny_instant.stage(3, x, noise), tiny_instant.stage(3, lifted, 0 * noise))


def test_the_packaged_one() -> None:
    decoder = load_instant()
    assert Path(feedforward.__file__).with_name("instant.safetensors").stat().st_size <= 4 * 2**20
    assert decoder.encoder == load("dreamnet").sha256
    assert all(torch.isfinite(value).all() for value in decoder.tensors.values())
    assert [int(decoder.tensors[f"noise.{k}"].shape[1]) for k in range(4)] == [
        load("dreamnet").channels(layer) for layer in LAYERS
    ]


def test_another_dreamnet_is_refused(tiny_instant: Instant) -> None:
    with pytest.raises(WeightsError, match="trained with the dreamnet of sha256") as refused:
        check_encoder(tiny_instant, "0" * 64)
    assert "\n" not in str(refused.value)
    check_encoder(tiny_instant, tiny_instant.encoder)


def test_files(tiny_instant: Instant, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    save_file(dict(tiny_instant.tensors), path, metadata={"encoder": "ab" * 32})
    again = read_instant(path)
    assert again.encoder == "ab" * 32 and len(again.sha256) == 64
    assert torch.equal(again.tensors["stages.1_a.weight"], tiny_instant.tensors["stages.1_a.weight"])
    save_file({"other": torch.zeros(1)}, path)
    for bad, said in ((path, "it lacks stages.0_out.weight"), (tmp_path / "none", "cannot read")):
        with pytest.raises(WeightsError, match=said):
            read_instant(bad)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(WeightsError, match="not a readable"):
        read_instant(path)


def test_its_arithmetic_step_by_step(tiny_instant: Instant) -> None:
    x = torch.rand(1, 128, 14, 14, generator=torch.Generator().manual_seed(1))
    t = tiny_instant.tensors

    def conv(name: str, y: Tensor, groups: int = 1) -> Tensor:
        return F.conv2d(y, t[f"stages.{name}.weight"], t[f"stages.{name}.bias"], groups=groups)

    y = x[..., 3:-3, 3:-3] + conv("2_wide0_out", conv("2_wide0_in", conv("2_wide0", x, 128)).relu())
    y = conv("2_a", y).relu()
    y = conv("2_c", y.repeat_interleave(2, 2).repeat_interleave(2, 3)).relu()
    assert torch.allclose(tiny_instant.stage(2, x, torch.zeros(1, 1, 14, 14)), conv("2_d", y), atol=1e-6)


def test_the_deepest_stage_is_a_guide(tiny_instant: Instant) -> None:
    """What it makes is a position of its own, four times: no more than one convolution of 1x1 after its block."""
    x = torch.rand(1, 256, 8, 8, generator=torch.Generator().manual_seed(2))
    made = tiny_instant.stage(0, x, torch.zeros(1, 1, 8, 8))
    assert made.shape == (1, 256, 4, 4)
    assert torch.equal(made[..., ::2, ::2], made[..., 1::2, 1::2])
