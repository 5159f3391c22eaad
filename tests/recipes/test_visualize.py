"""Feature visualisation: what is asked for grows, in words and in objectives, and the figures beside it are true."""

from __future__ import annotations

import importlib
import itertools

import pytest
import torch
from torch import Tensor, nn

import reverie as rv
from reverie.engine import SeriesStep
from reverie.errors import LayerNotFound, RecipeError
from reverie.networks import Network, photo_activations
from reverie.recipes import VisualizeSettings, visualize
from reverie.recipes.parts.units import parse_units

recipe = importlib.import_module("reverie.recipes.visualize")

QUICK = {"size": 32, "steps": 3, "precision": "float32"}


def settings(*units: str, **choices: object) -> VisualizeSettings:
    return VisualizeSettings.model_validate({**QUICK, "units": units, **choices})


def last(network: Network, *units: str, photo: Tensor | None = None, **choices: object) -> SeriesStep:
    """The last step of a quick visualisation."""
    *_, step = visualize(settings(*units, **choices), photo=photo, network=network)
    assert isinstance(step, SeriesStep)
    return step


def test_what_is_asked_for_grows(dreamnet: Network) -> None:
    steps = [step.total for step in visualize(settings("relu3_2:11", steps=12, size=48), network=dreamnet)]
    assert steps[-1] < 2 * steps[0] < 0


@pytest.mark.parametrize("canvas", ["fourier", "phase", "cppn"])
def test_every_canvas_excites_the_unit(tiny: Network, canvas: str) -> None:
    few, many = (last(tiny, "relu3:2", canvas=canvas, steps=n).found.figures["units"][0] for n in (1, 25))
    assert many["activation"] > few["activation"]


@pytest.mark.parametrize("word", ["relu3:2", "relu3:2+5-7", "relu3:2@0.5/0.25", "class:teapot"])
def test_every_kind_of_unit(tiny: Network, word: str) -> None:
    step = last(tiny, word)
    assert step.image.shape == (1, 3, 32, 32)
    (figures,) = step.found.figures["units"]
    assert figures["unit"] == word and figures["activation"] == pytest.approx(_activation(tiny, word, step.image), 1e-3)


def test_a_class_is_judged_by_its_probability_under_other_views(tiny: Network) -> None:
    """Not by its score, of which a share means nothing."""
    (figures,) = last(tiny, "class:teapot").found.figures["units"]
    assert 0 <= figures["other_views"] * figures["probability"] <= 1


def _activation(network: Network, word: str, picture: Tensor) -> float:
    """The same by hand."""
    layer = "classes" if word.startswith("class:") else "relu3"
    x = network(picture, [layer])[layer][0]
    if word == "relu3:2+5-7":
        wanted = torch.zeros(16)
        wanted[[2, 5]], wanted[7] = 1, -1
        wanted /= wanted.norm()
        dots = torch.einsum("chw,c->hw", x, wanted)
        return float((dots * (dots / x.norm(dim=0).clamp_min(1e-6)).clamp_min(0.1) ** 2).mean())
    if "@" in word:
        return float(x[2, x.shape[1] // 2, x.shape[2] // 4])
    return float(x[4 if layer == "classes" else 2].mean())


def test_ranges_layers_and_signs(tiny: Network) -> None:
    assert [u.name for u in parse_units(["relu3:4..6", "relu1"], tiny)] == [
        *(f"relu3:{i}" for i in (4, 5, 6)),
        *(f"relu1:{i}" for i in range(8)),
    ]
    step = last(tiny, "relu3:2", sign="both", steps=20)
    more, less = step.found.figures["units"]
    assert more["activation"] > less["activation"]
    assert len(torch.cat(step.pictures)) == 2


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["relu3:99"], "channels 0 to 15"),
        (["relu3:14..16"], "channels 0 to 15"),
        (["relu9"], "relu9"),
        (["class:unicorn"], "no class"),
        (["relu3:2:5"], "no weight"),
        ([], "name what to show"),
    ],
)
def test_units_that_are_none_are_refused(tiny: Network, words: list[str], reason: str) -> None:
    with pytest.raises((LayerNotFound, RecipeError), match=reason):
        visualize(settings(*words), network=tiny)


def test_wishes_that_do_not_go_together(tiny: Network, make_photo: Tensor) -> None:
    for choices, words in (({"transparent": True}, ("relu3",)), ({"variants": 2}, ("relu3",))):
        with pytest.raises(RecipeError):
            visualize(settings(*words, **choices), network=tiny, photo=make_photo)
    with pytest.raises(RecipeError, match="whole layers"):
        visualize(settings("relu3:2"), network=tiny, photo=make_photo)


@pytest.fixture
def make_photo() -> Tensor:
    return torch.rand(1, 3, 30, 40, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("how", ["caricature", "inversion"])
def test_a_photo_by_layers(tiny: Network, make_photo: Tensor, how: str) -> None:
    totals = [s.total for s in visualize(settings("relu2", photo_as=how, steps=15), photo=make_photo, network=tiny)]
    assert totals[-1] < totals[0]
    step = last(tiny, "relu2", "relu3", photo=make_photo, photo_as=how)
    assert [x.shape for x in step.pictures] == [(2, 3, 24, 32)]


def test_variants_differ(tiny: Network) -> None:
    step = last(tiny, "relu3:2", variants=3, steps=20)
    grams = rv.evaluate(rv.diversity("relu3"), tiny, torch.cat(step.pictures)).total
    assert len(torch.cat(step.pictures)) == 3 and float(grams) > 0


def test_transparent_where_nothing_excites(tiny: Network) -> None:
    step = last(tiny, "relu3:2@0.25/0.25", transparent=True)
    assert step.alpha is not None and step.alpha.shape == (1, 1, 32, 32)
    assert 0 <= float(step.alpha.min()) < 0.1 < 0.9 < float(step.alpha.max()) <= 1
    assert float(step.alpha[..., 20:, 20:].max()) < 0.2 < float(step.alpha[..., 4:12, 4:12].mean())


def test_each_picture_is_as_if_made_alone(tiny: Network) -> None:
    """Pictures made together do not influence each other: the first of a batch is that of its unit alone."""
    together = last(tiny, "relu3:2", "relu2:5", "relu3:7", steps=5)
    alone = torch.cat(last(tiny, "relu3:2", steps=5).pictures)
    apart = (torch.cat(together.pictures)[:1] - alone).abs()  # Adam turns rounding of small gradients into steps
    assert float(apart.mean()) < 1 / 255 and float(apart.max()) < 10 / 255
    assert not torch.allclose(torch.cat(together.pictures)[1:2], alone, atol=8 / 255)


def test_photos_reach_no_more_than_the_table_says(dreamnet: Network, astronaut: Tensor) -> None:
    known = photo_activations(dreamnet)
    assert known is not None and known.photos > 5000
    found = dreamnet(astronaut[..., :160, :160], ["relu3_2"])["relu3_2"].mean((2, 3))[0]
    assert (found <= 1.3 * known.most["relu3_2"] + 0.05).float().mean() > 0.95
    assert all((known.least[layer] <= known.most[layer]).all() for layer in dreamnet.layers)


def test_a_series_goes_on_bit_for_bit(tiny: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "TOGETHER", 4000)

    def series() -> rv.engine.Series:
        made = visualize.function(settings("relu3:0..6", steps=2), network=tiny)
        assert isinstance(made, rv.engine.Series) and len(made.batches) > 1
        return made

    plan = series().planned()
    *_, whole = series().steps(plan)
    for stop in (2, 3):
        state = next(s.state() for i, s in enumerate(series().steps(plan), start=1) if i == stop)
        *_, resumed = series().steps(plan, state=state)
        assert torch.equal(resumed.image, whole.image)
        assert resumed.found == whole.found


class Tokens(nn.Module):
    """A vision transformer so small that a test can look into it."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 8, 8)
        self.places = nn.Parameter(0.1 * torch.randn(16, 16))  # pictures of 32 px, and no others
        self.block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).mT
        return self.block(tokens + self.places)


class Skips(nn.Module):
    """A U-Net of two scales."""

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.coarse = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.up = nn.Conv2d(16, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.fine(x).relu()
        coarse = nn.functional.interpolate(self.coarse(fine).relu(), scale_factor=2.0)
        return self.up(torch.cat([fine, coarse], dim=1))


def _tokens_to_map(x: Tensor) -> Tensor:
    return x if x.dim() == 4 else x.mT.unflatten(2, (4, 4))


@pytest.mark.parametrize("kind", ["transformer", "U-Net"])
def test_any_module(kind: str) -> None:
    torch.manual_seed(0)
    module, unit = (Tokens(), "block:3") if kind == "transformer" else (Skips(), "up:3")
    to_map = _tokens_to_map if kind == "transformer" else None
    network = rv.networks.wrap(module, mean=0.5, std=0.25, to_map=to_map)
    figures = []
    for steps, canvas in itertools.product((1, 20), ("fourier", "phase")):
        step = last(network, unit, steps=steps, canvas=canvas)
        figures.append(step.found.figures["units"][0]["activation"])
    assert figures[2] > figures[0] and figures[3] > figures[1]


def test_an_objective_of_ones_own(tiny: Network) -> None:
    *_, step = visualize(settings(steps=4), network=tiny, objective=-rv.energy("relu2"))
    assert step.image.shape == (1, 3, 32, 32) and not step.found.figures
    with pytest.raises(RecipeError, match="leak"):
        visualize(settings(steps=4), network=tiny.with_leak(2), objective=-rv.energy("relu2"))


def test_silent_units_wake_by_a_leak(tiny: Network) -> None:
    silent = next(i for i in range(16) if float(_slope(tiny, i, leak=0.0)) == 0)
    assert float(_slope(tiny, silent, leak=0.1)) > 0


def _slope(network: Network, channel: int, *, leak: float) -> Tensor:
    grey = torch.full((1, 3, 24, 24), 0.5)
    return rv.evaluate(rv.neuron("relu3", channel), network.with_leak(leak), grey).gradient.norm()
