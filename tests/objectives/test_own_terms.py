"""Terms that users write: no flag to forget, exact in tiles, and errors in words."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie.errors import PictureError, RecipeError
from reverie.networks import Network
from reverie.objectives import PICTURE, ZERO, Binding, Means, Measure, Statistic, Term, Window, share
from tests.conftest import MakePicture


@dataclass(frozen=True)
class Palette(Term):
    """A nonlinear term that says nothing of being linear or not, and has no __str__."""

    name: str = field(default="my palette", init=False)

    def prepare(self, network: Network, size: tuple[int, int], measure: Measure) -> Binding:
        statistic = Means(PICTURE)
        return (statistic,), lambda m: (m[statistic] - 0.25).pow(2).sum(1).mean()


@dataclass(frozen=True)
class Claiming(Palette):
    """The same, that says that it is linear."""

    linear = True


@dataclass(frozen=True)
class Steps(Statistic):
    """Mean squared differences to the position `reach` to the right and below: (B, C)."""

    layer: str
    reach: int = 1

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        h, w = (min(a, b - self.reach) for a, b in zip((window.height, window.width), features.shape[-2:], strict=True))
        if min(h, w) < 1:
            return features[..., :0, :0].sum((2, 3))
        here, there = features[..., :h, :w], features[..., self.reach :, self.reach :][..., :h, :w]
        return share((there - here).pow(2), window, None)


@dataclass(frozen=True)
class Rough(Term):
    layer: str
    reach: int
    name: str = field(default="rough", init=False)

    def prepare(self, network: Network, size: tuple[int, int], measure: Measure) -> Binding:
        statistic = Steps(self.layer, self.reach)
        return (statistic,), lambda m: m[statistic].mean()


def error(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm().clamp_min(1e-300))


def test_a_nonlinear_term_without_a_flag_is_exact_in_tiles(tiny64: Network, make_picture: MakePicture) -> None:
    x = make_picture(0, 48, 52, dtype=torch.float64)
    whole, tiled = (rv.evaluate(Palette(), tiny64, x, executor=e) for e in (None, rv.TiledExecutor(16)))
    assert error(tiled.gradient, whole.gradient) < 1e-12


def test_a_false_claim_of_being_linear_is_found(tiny: Network, make_picture: MakePicture) -> None:
    with pytest.raises(RecipeError, match="not linear"):
        rv.evaluate(Claiming(), tiny, make_picture(0, 48, 52), executor=rv.TiledExecutor(16))


@pytest.mark.parametrize("layer", [PICTURE, "relu1", "relu2", "relu3"])
@pytest.mark.parametrize("reach", [1, 2, 3])
@pytest.mark.parametrize("tile", [8, 16, 32])
def test_reach_counts_positions_of_its_layer(
    tiny64: Network, make_picture: MakePicture, layer: str, reach: int, tile: int
) -> None:
    """Under the halo, whole = tiled, to rounding: Steps reads `reach * stride` pixels beyond it."""
    x = make_picture(1, 64, 72, dtype=torch.float64)
    whole = rv.evaluate(Rough(layer, reach), tiny64, x)
    tiled = rv.evaluate(Rough(layer, reach), tiny64, x, executor=rv.TiledExecutor(tile))
    assert error(tiled.total, whole.total) < 1e-12
    assert error(tiled.gradient, whole.gradient) < 1e-10


@pytest.mark.parametrize("cut", [True, False])
def test_reach_in_a_network_in_pieces(cut: bool, make_picture: MakePicture) -> None:
    network = rv.networks.load("dreamnet", pooling="average").with_precision(torch.float64)
    x = make_picture(2, 96, 128, dtype=torch.float64)
    objective = Rough("relu4_1", 2) + Rough("relu3_1", 3)
    whole = rv.evaluate(objective, network, x)
    tiled = rv.evaluate(objective, network, x, executor=rv.TiledExecutor(32, cut=cut))
    assert error(tiled.gradient, whole.gradient) < 1e-9


def test_a_term_has_a_name_to_be_shown_by() -> None:
    assert str(Palette()) == repr(Palette()) == "my_palette()"
    assert str(2 * Palette() - rv.channel("relu3", 1)) == "2 * my_palette() - channel(relu3, 1)"


@pytest.mark.parametrize("value", [lambda m: m, lambda m: 0.5, lambda m: m.mean(1)[:, None]], ids=["BC", "float", "B1"])
def test_a_value_of_another_shape_is_refused(
    tiny: Network, make_picture: MakePicture, value: Callable[[Tensor], Tensor]
) -> None:
    @dataclass(frozen=True)
    class Odd(Term):
        name: str = field(default="odd", init=False)

        def prepare(self, network: Network, size: tuple[int, int], measure: Measure) -> Binding:
            statistic = Means(PICTURE)
            return (statistic,), lambda m: value(m[statistic])

    with pytest.raises(RecipeError, match=r"one number.*'odd' gave"):
        rv.evaluate(Odd(), tiny, make_picture(0, 20, 20, batch=2))


def test_a_sum_may_begin_with_nothing(tiny: Network, make_picture: MakePicture) -> None:
    terms = [rv.energy("relu2"), rv.total_variation()]
    assert str(sum(terms, start=ZERO)) == str(sum(terms)) == "energy(relu2) + total_variation()"


# --- rv.term -------------------------------------------------------------------------------------


def test_a_term_in_one_line(tiny: Network, make_picture: MakePicture) -> None:
    x, colour = make_picture(0, 20, 24), torch.tensor([0.8, 0.2, 0.1])
    term = rv.term("redness", PICTURE, lambda x: x, lambda mean: (mean - colour).pow(2).sum(1))
    expected = (x.mean((2, 3)) - colour).pow(2).sum()
    assert float(rv.evaluate(term, tiny, x).total) == pytest.approx(float(expected), rel=1e-5)
    assert list(rv.evaluate(term, tiny, x).terms) == ["redness"]
    assert str(term) == "redness(picture)"


def test_its_reach_repeats_the_edge(tiny: Network) -> None:
    x = torch.linspace(0, 1, 12).expand(1, 3, 8, 12).contiguous()
    term = rv.term("slope", PICTURE, lambda x: x[..., 1:] - x[..., :-1], lambda m: m.mean(), linear=True, reach=1)
    assert float(rv.evaluate(term, tiny, x).total) == pytest.approx(1 / 12, rel=1e-5)


@pytest.mark.parametrize("layer", [PICTURE, "relu2", "relu3"])
def test_its_reach_is_exact_in_tiles(tiny64: Network, make_picture: MakePicture, layer: str) -> None:
    x = make_picture(3, 45, 62, dtype=torch.float64)
    term = rv.term("rough", layer, lambda f: (f[..., 2:, :-2] - f[..., :-2, 2:]).pow(2), lambda m: m.norm(), reach=2)
    whole, tiled = (rv.evaluate(term, tiny64, x, executor=e) for e in (None, rv.TiledExecutor(8)))
    assert error(tiled.total, whole.total) < 1e-12
    assert error(tiled.gradient, whole.gradient) < 1e-10


def test_too_few_numbers_are_refused(tiny: Network, make_picture: MakePicture) -> None:
    term = rv.term("small", PICTURE, lambda x: x[..., 1:, 1:], lambda m: m.mean())
    with pytest.raises(RecipeError, match="one for each position"):
        rv.evaluate(term, tiny, make_picture(0, 20, 20))
    with pytest.raises(RecipeError, match="reach"):
        rv.term("none", PICTURE, lambda x: x, lambda m: m.mean(), reach=-1)


# --- caricature and diversity --------------------------------------------------------------------


def test_a_picture_is_its_own_caricature(tiny: Network, make_picture: MakePicture) -> None:
    x = make_picture(0, 24, 28)
    for power in (0.0, 2.0):
        term = rv.caricature("relu2", like=x, power=power)
        assert float(rv.evaluate(term, tiny, x).total) == pytest.approx(1, rel=1e-4)
    assert float(rv.evaluate(term, tiny, make_picture(9, 24, 28)).total) != pytest.approx(1, rel=1e-2)


def test_diversity_of_a_batch(tiny64: Network, make_picture: MakePicture) -> None:
    x = make_picture(0, 24, 28, batch=3, dtype=torch.float64)
    features = tiny64(x, ("relu2",))["relu2"].flatten(2)
    grams = torch.nn.functional.normalize((features @ features.mT).flatten(1), dim=1)
    cosines = [float(grams[a] @ grams[b]) for a in range(3) for b in range(3) if a != b]
    found = rv.evaluate(rv.diversity("relu2"), tiny64, x)
    assert float(found.total) == pytest.approx(1 - sum(cosines) / 6, rel=1e-9)
    alike = rv.evaluate(rv.diversity("relu2"), tiny64, x[:1].repeat(2, 1, 1, 1))
    assert float(alike.total) == pytest.approx(0, abs=1e-12)
    tiled = rv.evaluate(rv.diversity("relu2"), tiny64, x, executor=rv.TiledExecutor(8))
    assert error(tiled.gradient, found.gradient) < 1e-9
    with pytest.raises(RecipeError, match="batch"):
        rv.evaluate(rv.diversity("relu2"), tiny64, x[:1])


# --- what is passed ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda x: x * 255, "255"),
        (lambda x: (x * 255).byte(), "255"),
        (lambda x: x.numpy(), "from_numpy"),
        (lambda x: x[0], "got"),
        (lambda x: (x - 0.45) / 0.225, r"\[0, 1\]"),
    ],
    ids=["0-255", "bytes", "numpy", "no batch", "normalised"],
)
@pytest.mark.parametrize(
    "taken",
    [
        lambda x: rv.content("relu2", like=x),
        lambda x: rv.style("relu2", like=x),
        lambda x: rv.style("relu2", like=[x]),
        lambda x: rv.likeness("relu2", like=[x]),
        lambda x: rv.guide("relu2", like=x),
        rv.PixelCanvas,
        rv.PyramidCanvas,
        rv.FourierCanvas.of,
    ],
    ids=["content", "style", "styles", "likeness", "guide", "pixels", "pyramid", "fourier"],
)
def test_what_is_no_picture_is_refused_in_one_line(
    make_picture: MakePicture, wrong: Callable[[Tensor], object], said: str, taken: Callable[[object], object]
) -> None:
    with pytest.raises(PictureError, match=said) as caught:
        taken(wrong(make_picture(0, 12, 14)))
    assert "\n" not in str(caught.value)


def test_an_evaluation_of_bytes_is_refused(tiny: Network, make_picture: MakePicture) -> None:
    with pytest.raises(PictureError, match="255"):
        rv.evaluate(rv.energy("relu2"), tiny, 255 * make_picture(0, 12, 14))


def test_several_paintings_need_no_weights(tiny: Network, make_picture: MakePicture) -> None:
    x, a, b = (make_picture(seed, 24, 28) for seed in range(3))
    plain, weighted = (rv.style("relu2", like=many) for many in ([a, b], [(a, 1.0), (b, 1.0)]))
    assert torch.equal(rv.evaluate(plain, tiny, x).gradient, rv.evaluate(weighted, tiny, x).gradient)


# --- shown and sent ------------------------------------------------------------------------------


def test_declarations_are_short_and_can_be_sent(tiny: Network, make_picture: MakePicture) -> None:
    x, other, where = make_picture(0, 20, 24), make_picture(1, 20, 24), torch.ones(1, 1, 20, 24)
    objective = (
        rv.content("relu2", like=other, where=where)
        + rv.style(["relu1", "relu2"], like=other)
        + rv.style("relu1", like=other, statistic="gram")
        + rv.sliced_wasserstein("relu2", like=other, directions=3)
        + rv.self_similarity("relu2", like=other)
        - rv.caricature("relu2", like=other)
        - rv.guide("relu3", like=other)
        + rv.total_variation()
    )
    assert "tensor" not in repr(objective)
    assert len(repr(objective)) < 300
    evaluation = rv.evaluate(objective, tiny, x)
    assert "tensor" not in repr(evaluation)
    again = pickle.loads(pickle.dumps(objective))
    assert torch.equal(rv.evaluate(again, tiny, x).gradient, evaluation.gradient)
    bound = rv.engine.bind(objective, tiny, (20, 24), rv.WholeExecutor())
    assert "tensor" not in repr(bound) + repr(bound.statistics)


@pytest.mark.parametrize("make", [rv.WholeExecutor, partial(rv.TiledExecutor, 8)])
def test_executors_can_be_sent(tiny: Network, make_picture: MakePicture, make: Callable[[], rv.Executor]) -> None:
    executor, x, objective = make(), make_picture(0, 20, 24), rv.content("relu2", like=make_picture(1, 20, 24))
    before = rv.evaluate(objective, tiny, x, executor=executor)
    again = rv.evaluate(objective, tiny, x, executor=pickle.loads(pickle.dumps(executor)))
    assert torch.equal(before.gradient, again.gradient)
    assert " at 0x" not in repr(executor)


# --- the mode the caller is in -------------------------------------------------------------------


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode], ids=["no_grad", "inference"])
@pytest.mark.parametrize("optimiser", [rv.Adam(), rv.Normalised()], ids=["adam", "steps"])
def test_the_callers_mode_does_not_matter(
    tiny: Network,
    make_picture: MakePicture,
    mode: Callable[[], AbstractContextManager[object]],
    optimiser: rv.optimisers.Optimiser,
) -> None:
    x, objective = make_picture(0, 20, 24), rv.style("relu2", like=make_picture(1, 20, 24)) - rv.energy("relu3")
    plain = rv.evaluate(objective, tiny, x)
    stages = [rv.Stage((20, 24), 2), rv.Stage((30, 36), 1)]

    def last() -> Tensor:
        *_, step = rv.synthesize(objective, tiny, canvas=rv.PixelCanvas(x), stages=stages, optimiser=optimiser)
        return step.image

    with mode():
        assert torch.equal(rv.evaluate(objective, tiny, x.clone()).gradient, plain.gradient)
        inside = last()
    assert torch.equal(inside, last())


def test_autocast_leaves_canvas_and_views_alone(tiny: Network) -> None:
    canvas, stages = rv.FourierCanvas((24, 24)), [rv.Stage((24, 24), 2)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        run = rv.synthesize(-rv.channel("relu3", 2), tiny, canvas=canvas, stages=stages, view=rv.views.standard())
        assert torch.isfinite([*run][-1].image).all()


def test_an_objective_bound_for_another_size_says_so(tiny: Network, make_picture: MakePicture) -> None:
    bound = rv.engine.bind(rv.content("relu2", like=make_picture(0, 20, 24)), tiny, (20, 24), rv.WholeExecutor())
    with pytest.raises(RecipeError, match="bind it anew"):
        rv.evaluate(bound, tiny, make_picture(1, 24, 20))
