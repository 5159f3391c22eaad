"""Mistakes that other programs in the field have made, each tried here so that it is not made again.

Source: their code and trackers, as read for this project; the program is named at each.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie.engine import TiledExecutor
from reverie.networks import Network
from reverie.pictures import keep_colours, match_colours, read_image, size_of, write_image
from reverie.recipes import DreamSettings, StyleSettings, dream, style
from reverie.recipes.texture import TextureSettings, texture
from tests.conftest import MakePicture


def small(**more: object) -> StyleSettings:
    return StyleSettings.model_validate({"size": 64, "steps": 2, "precision": "float32", "start": "photo", **more})


def end(run) -> Tensor:  # type: ignore[no-untyped-def]
    *_, last = run
    return last.image


def test_no_tile_is_dropped_at_the_end(dreamnet: Network, make_picture: MakePicture) -> None:
    """TensorFlow's tutorial skips the last tile: on a side of 900 px two fifths of the pixels get no gradient."""
    picture = make_picture(0, 90, 70)
    gradient = rv.evaluate(-rv.energy("relu3_2"), dreamnet, picture, executor=TiledExecutor(64)).gradient
    assert (gradient.abs().sum(1)[0] > 0).float().mean() > 0.99
    assert gradient[..., -8:, :].abs().mean() > 0.2 * gradient.abs().mean()


def test_the_photo_is_not_blurred_by_its_octaves(astronaut: Tensor) -> None:
    """pytorch-deepdream, neural-dream and the MLX port resample the picture at each octave."""
    made = end(dream(astronaut, DreamSettings(size=128, octaves=4, steps=(1,), strength=(1e-6,), precision="float32")))
    photo = rv.pictures.scaled(astronaut, (128, 128))
    assert float((made - photo).abs().max()) < 1e-4


def test_a_result_stays_in_range(astronaut: Tensor) -> None:
    """neural-dream computes a clamped picture and throws it away."""
    made = end(dream(astronaut, DreamSettings(size=64, octaves=2, steps=(3,), strength=(20.0,), precision="float32")))
    assert float(made.min()) >= 0 and float(made.max()) <= 1


def test_a_guide_may_be_small(astronaut: Tensor, coffee: Tensor) -> None:
    """DeepDreamVideo crashes on guides of 224 px and less."""
    guide = rv.pictures.scaled(coffee, (40, 50))
    assert torch.isfinite(end(dream(astronaut, DreamSettings(size=64, octaves=1, steps=(1,)), like=[guide]))).all()


def test_no_hook_stays_on_a_network(dreamnet: Network, make_picture: MakePicture) -> None:
    """Lucent hooks every module at each render and never lets go."""
    x = make_picture(0, 96, 96)
    rv.evaluate(rv.style(dreamnet.style_layers, like=x.flip(3)), dreamnet, x, executor=TiledExecutor(48))
    for module in dreamnet.modules():
        assert not module._forward_hooks and not module._backward_hooks and not module._forward_pre_hooks


def test_colours_are_kept_with_several_paintings_too(astronaut: Tensor, coffee: Tensor) -> None:
    """pytorch-AdaIN ignores --preserve_color when it is given several styles."""
    paintings = [coffee, coffee.flip(3)]
    plain = end(style(astronaut, paintings, small(start="instant")))
    kept = end(style(astronaut, paintings, small(start="instant", colour="photo")))
    assert torch.equal(kept, keep_colours(plain, rv.pictures.scaled(astronaut, size_of(plain))))
    assert not torch.equal(kept, plain)


def test_a_grey_picture_gives_numbers(astronaut: Tensor, coffee: Tensor) -> None:
    """chainer-neural-style: not a number in the colour transfer of a grey picture."""
    grey = coffee.mean(1, keepdim=True).expand(-1, 3, -1, -1).contiguous()
    few, many = grey[..., ::4, ::4].contiguous(), astronaut[..., ::4, ::4].contiguous()
    for method in ("mean-covariance", "histogram", "palette"):
        for pair in ((few, many), (many, few), (few, torch.full_like(few, 0.3))):
            assert torch.isfinite(match_colours(*pair, method=method)).all()
    assert torch.isfinite(end(style(grey, grey.flip(3), small(colour="mean")))).all()


def test_masks_lie_on_their_own_picture_and_are_normalised(
    dreamnet: Network, astronaut: Tensor, coffee: Tensor
) -> None:
    """neural-style-tf lays the photo's mask on the painting and forgets to divide by its area."""
    where, of = torch.zeros(1, 1, 256, 256), torch.zeros(1, 1, 200, 300)
    where[..., :128], of[..., 150:] = 1, 1
    copy = coffee.clone()
    copy[..., :150] = 0.5
    hard = [
        float(rv.evaluate(rv.style("relu1_1", like=p, where=where, of=of), dreamnet, astronaut).total)
        for p in (coffee, copy)
    ]
    assert hard[0] == pytest.approx(hard[1], rel=0.1)  # what the painting's mask hides does not count
    half = rv.evaluate(rv.style("relu1_1", like=coffee, where=where), dreamnet, astronaut).total
    less = rv.evaluate(rv.style("relu1_1", like=coffee, where=where * 0.1), dreamnet, astronaut).total
    assert float(half) == pytest.approx(float(less), rel=1e-4)


def test_a_mask_that_does_not_fit_is_said(astronaut: Tensor, coffee: Tensor) -> None:
    """FastPhotoStyle throws resized masks away and goes on unguided where a mask cannot be read."""
    with pytest.raises(rv.errors.PictureError, match="shape"):
        style(astronaut, coffee, small(), mask=make_ramp(50, 90))


def make_ramp(h: int, w: int) -> Tensor:
    return torch.linspace(0, 1, w).expand(1, 3, h, w)


def test_the_size_asked_for_comes_out(astronaut: Tensor, coffee: Tensor) -> None:
    """URST's results keep the padding of their patches; SPST's sizes are rounded down."""
    photo = rv.pictures.scaled(astronaut, (101, 67))
    assert size_of(end(style(photo, coffee, small(size=83, tile=48)))) == (83, 55)


def test_nothing_passes_through_eight_bits_between_scales(astronaut: Tensor, coffee: Tensor) -> None:
    """SPST writes the picture as an 8-bit PNG between scales."""
    made = end(style(astronaut, coffee, small()))
    steps = made * 255
    assert float((steps - steps.round()).abs().mean()) > 0.2


def test_the_same_seed_gives_the_same_bits(coffee: Tensor) -> None:
    """Lucid's fixed seed 'does not work as intended'."""
    settings, part = TextureSettings(size=48, steps=2, seed=5, precision="float32"), coffee[..., :80, :80].contiguous()
    made = end(texture(part, settings))
    assert torch.equal(made, end(texture(part, settings)))
    assert not torch.equal(made, end(texture(part, settings.model_copy(update={"seed": 6}))))


def test_weights_do_not_depend_on_the_size(dreamnet: Network, astronaut: Tensor, coffee: Tensor) -> None:
    """neural-style's users are told to find new weights for every size."""
    values = []
    for side in (128, 256):
        x = rv.pictures.scaled(astronaut, (side, side))
        terms = rv.evaluate(
            rv.content("relu4_2", like=coffee) + rv.style(dreamnet.style_layers, like=coffee), dreamnet, x
        ).terms
        values.append([float(v) for v in terms.values()])
    for a, b in zip(*values, strict=True):
        assert a == pytest.approx(b, rel=0.5)


def test_sixteen_bits_go_in_and_come_out(tmp_path: Path, make_picture: MakePicture) -> None:
    """style-transfer-pytorch's 16-bit TIFF stopped working with its library."""
    picture = make_picture(0, 20, 30)
    for name in ("a.tif", "a.png"):
        write_image(tmp_path / name, picture, depth=16)
        assert float((read_image(tmp_path / name) - picture).abs().max()) <= 0.5 / 65535 + 1e-6


def test_a_transparent_part_has_no_say(astronaut: Tensor, coffee: Tensor) -> None:
    """neural-style and others paint what cannot be seen, and its black bleeds into the rest."""
    opaque = torch.ones(1, 1, 256, 256)
    opaque[..., 200:] = 0
    hidden = astronaut.clone()
    hidden[..., 230:] = 0.0
    objective = rv.style("relu1_1", like=coffee, where=opaque)
    network = rv.networks.load("dreamnet", padding="replicate")
    values = [float(rv.evaluate(objective, network, p).total) for p in (astronaut, hidden)]
    assert values[0] == pytest.approx(values[1], rel=1e-4)
