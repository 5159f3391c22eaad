"""Canvases that are networks: a generator's code, weights of coordinates, weights fed with noise, phases alone."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import reverie as rv
from reverie.canvas import Canvas
from reverie.canvas.natural import colour_root, natural_amplitudes
from reverie.errors import PictureError, RecipeError
from reverie.networks import Network
from tests.canvas.test_canvases import Decoder

SIZE = (24, 28)
CODE = torch.randn(1, 16, generator=torch.Generator().manual_seed(0))
MADE: dict[str, Callable[[], Canvas]] = {
    "cppn": lambda: rv.CPPNCanvas(SIZE, seed=1, width=8, depth=2),
    "latent": lambda: rv.LatentCanvas(Decoder(), CODE, size=SIZE, values=(-1, 1)),
    "phases": lambda: rv.PhaseCanvas(SIZE, seed=1),
    "prior": lambda: rv.PriorCanvas(SIZE, seed=1),
    "spherical": lambda: rv.LatentCanvas(Decoder(), CODE, size=SIZE, spherical=True),
}
every = pytest.mark.parametrize("make", MADE.values(), ids=MADE.keys())


def run(tiny: Network, canvas: Canvas, **choices: object) -> list[rv.Iterate]:
    """A short run over two sizes, each step with its picture."""
    stages = [rv.Stage((16, 20), 2), rv.Stage(SIZE, 3)]
    steps = rv.synthesize(-rv.energy("relu3"), tiny, canvas=canvas, stages=stages, seed=3, **choices)  # type: ignore[arg-type]
    return [step.keep() for step in steps]


@every
def test_whole_is_tiled(tiny64: Network, make: Callable[[], Canvas]) -> None:
    """Tiles cut what the network sees, so that the gradient in any parameter is the same."""
    found = []
    for executor in (rv.WholeExecutor(), rv.TiledExecutor(12)):
        canvas = make()
        bound = rv.engine.bind(-rv.energy("relu3"), tiny64, SIZE, executor)
        measured = executor.measure(tiny64, canvas.picture(), bound.statistics)
        bound(dict(zip(bound.statistics, measured, strict=True)))[0].backward()
        found.append(torch.cat([p.grad.flatten() for p in canvas.parameters if p.grad is not None]))
    whole, tiled = found
    assert float(whole.norm()) > 0
    assert float((whole - tiled).norm()) <= 1e-5 * float(whole.norm())


@every
def test_resumed_is_uninterrupted(tiny: Network, make: Callable[[], Canvas]) -> None:
    uninterrupted = run(tiny, make(), view=rv.views.jitter(2))
    stages = [rv.Stage((16, 20), 2), rv.Stage(SIZE, 3)]
    steps = rv.synthesize(-rv.energy("relu3"), tiny, canvas=make(), stages=stages, seed=3, view=rv.views.jitter(2))
    state = next(step.state() for step in steps if step.at == (2, 1))
    resumed = run(tiny, make(), view=rv.views.jitter(2), state=state)
    assert len(resumed) == 2
    assert torch.equal(resumed[-1].image, uninterrupted[-1].image)


@every
def test_same_seed_same_picture(make: Callable[[], Canvas]) -> None:
    assert torch.equal(make().drawn(), make().drawn())


# --- phases --------------------------------------------------------------------------------------


def test_only_phases_change() -> None:
    """However far a run goes, each wave is as strong as in photos."""
    canvas = rv.PhaseCanvas((32, 40), seed=0)
    with torch.no_grad():
        canvas.parameters[0].uniform_(-9, 9, generator=torch.Generator().manual_seed(1))
    x = torch.logit(canvas.picture().detach().double())
    waves = torch.fft.rfft2((torch.linalg.inv(colour_root()) @ x.flatten(2)).view_as(x), norm="ortho").abs()[0]
    inner = (slice(None), slice(1, 16), slice(1, 20))  # elsewhere a real picture's waves are tied to each other
    assert torch.allclose(waves[inner].float(), natural_amplitudes((32, 40))[inner], rtol=2e-2, atol=5e-3)


def test_natural_waves_fall_with_frequency() -> None:
    amplitudes = natural_amplitudes((256, 256))
    assert amplitudes.shape == (3, 256, 129)
    rows = [float(amplitudes[0, f, f]) for f in (2, 4, 8, 16, 32, 64, 120)]
    assert all(a > 1.3 * b for a, b in pairwise(rows))
    assert float(amplitudes[0].sum()) > 1.5 * float(amplitudes[1].sum())  # brightness is most of a photo


def test_a_photos_phases_draw_it_again(astronaut: Tensor) -> None:
    """What is where is in the phases: the drawing goes with the photo."""
    x = F.interpolate(astronaut, (96, 96), mode="bilinear", antialias=True)
    drawn = rv.PhaseCanvas.of(x).drawn()
    pair = torch.stack([x.mean(1).flatten(), drawn.mean(1).flatten()])
    assert float(torch.corrcoef(pair)[0, 1]) > 0.6


# --- coordinates ---------------------------------------------------------------------------------


def test_a_large_drawing_of_coordinates_is_the_small_one(tiny: Network) -> None:
    *_, last = rv.synthesize(
        -rv.energy("relu3"),
        tiny,
        canvas=rv.CPPNCanvas((20, 24), seed=1, width=8, depth=3),
        stages=[rv.Stage((20, 24), 20)],
        optimiser=rv.Adam(rate=0.02),
    )
    canvas = rv.CPPNCanvas((20, 24), width=8, depth=3)
    canvas.load(last.state()["parameters"])
    large = canvas.resized((400, 480)).drawn()  # in several strips
    assert float(large.std()) > 0.003
    assert torch.allclose(F.avg_pool2d(large, 20), canvas.drawn(), atol=0.05)


def test_a_cppn_without_units_is_refused() -> None:
    with pytest.raises(RecipeError, match="at least one"):
        rv.CPPNCanvas(SIZE, depth=0)


# --- codes ---------------------------------------------------------------------------------------


def discs(count: int, seed: int) -> Tensor:
    """Pictures of a disc somewhere, in some colour, on another: (count, 3, 16, 16) in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    place = 4 + 8 * torch.rand(count, 2, 1, 1, generator=generator)
    y, x = torch.arange(16.0)[:, None], torch.arange(16.0)
    inside = (((y - place[:, 0]) ** 2 + (x - place[:, 1]) ** 2) < 14).float()[:, None]
    ground, colour = torch.rand(2, count, 3, 1, 1, generator=generator)
    return ground.lerp(colour.expand(count, 3, 16, 16), inside)


def dense(*widths: int) -> nn.Sequential:
    """Linear layers with rectifiers between them."""
    layers: list[nn.Module] = []
    for i, o in pairwise(widths):
        layers += [nn.Linear(i, o), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers[:-1])


@pytest.fixture(scope="module")
def vae() -> nn.Module:
    """The decoder of a small variational autoencoder of discs, trained here."""
    torch.manual_seed(0)
    encoder, decoder = (
        dense(768, 128, 16),
        nn.Sequential(dense(8, 128, 768), nn.Sigmoid(), nn.Unflatten(1, (3, 16, 16))),
    )
    optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=3e-3)
    with torch.inference_mode(False), torch.enable_grad():
        for step in range(250):
            x = discs(64, step)
            mean, spread = encoder(x.flatten(1)).chunk(2, 1)
            code = mean + spread.exp() * torch.randn_like(mean)
            divergence = 0.5 * (mean**2 + (2 * spread).exp() - 2 * spread - 1).sum(1).mean()
            loss = (decoder(code) - x).pow(2).sum((1, 2, 3)).mean() + 0.3 * divergence
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return decoder


@pytest.fixture(scope="module")
def gan() -> tuple[nn.Module, nn.Module]:
    """Generator and critic of a small adversarial network of discs, trained here."""
    torch.manual_seed(0)
    generator = nn.Sequential(dense(8, 96, 768), nn.Tanh(), nn.Unflatten(1, (3, 16, 16)))
    critic = nn.Sequential(nn.Flatten(), dense(768, 96, 1))
    both = [torch.optim.Adam(m.parameters(), lr=2e-3, betas=(0.5, 0.99)) for m in (generator, critic)]
    with torch.inference_mode(False), torch.enable_grad():
        for step in range(250):
            real, made = 2 * discs(64, step) - 1, generator(torch.randn(64, 8))
            judged = F.softplus(-critic(real)).mean() + F.softplus(critic(made.detach())).mean()
            both[1].zero_grad()
            judged.backward()
            both[1].step()
            both[0].zero_grad()
            F.softplus(-critic(made)).mean().backward()
            both[0].step()
    return generator, critic


def test_a_vae_finds_the_code_of_a_picture(tiny: Network, vae: nn.Module) -> None:
    wanted = discs(1, 10_000)
    canvas = rv.LatentCanvas(vae, torch.zeros(1, 8))
    error = rv.term("error", rv.objectives.PICTURE, lambda x: (x - wanted).pow(2), lambda m: m.mean())
    *_, last = rv.synthesize(error, tiny, canvas=canvas, stages=[rv.Stage((16, 16), 60)], optimiser=rv.Adam(rate=0.1))
    assert last.total < 0.35 * float((canvas.drawn() - wanted).pow(2).mean())
    assert torch.allclose(last.image, vae(last.state()["parameters"][0]).clamp(0, 1), atol=1e-6)


def test_a_gans_canvas_stays_with_what_it_can_make(tiny: Network, gan: tuple[nn.Module, nn.Module]) -> None:
    """Pixels leave the discs at once; a code cannot, says the critic that tells discs from other pictures."""
    generator, critic = gan
    code = torch.randn(1, 8, generator=torch.Generator().manual_seed(2))
    latent = rv.LatentCanvas(generator, code, values=(-1, 1), spherical=True)
    stages, asked = [rv.Stage((16, 16), 30)], -rv.energy("relu3")
    ends = []
    for canvas, rate in ((latent, 0.05), (rv.PixelCanvas(latent.drawn()), 0.03)):
        *_, last = rv.synthesize(asked, tiny, canvas=canvas, stages=stages, optimiser=rv.Adam(rate=rate))
        assert last.total < float(rv.evaluate(asked, tiny, latent.drawn()).total)
        ends.append(float(critic(2 * last.image - 1).detach()))
    print(ends)
    assert ends[0] > ends[1]
    assert any(p.requires_grad for p in generator.parameters())  # the user's own is left as it was


def test_a_spherical_code_keeps_its_length(tiny: Network) -> None:
    canvas = rv.LatentCanvas(Decoder(), 2 * CODE, spherical=True)
    *_, last = rv.synthesize(
        -rv.energy("relu3"), tiny, canvas=canvas, stages=[rv.Stage(canvas.size, 3)], optimiser=rv.Adam(rate=0.5)
    )
    code = last.state()["parameters"][0]
    assert not torch.allclose(code, 2 * CODE, atol=0.1)
    assert torch.allclose(code.norm(), (2 * CODE).norm(), rtol=1e-5)


def test_generators_of_something_else_are_refused() -> None:
    with pytest.raises(PictureError, match="a generator makes a picture"):
        rv.LatentCanvas(nn.Linear(16, 3), CODE)
    with pytest.raises(RecipeError, match="black and white"):
        rv.LatentCanvas(Decoder(), CODE, values=(1, 1))


# --- weights -------------------------------------------------------------------------------------


def test_a_prior_of_ones_own(tiny: Network) -> None:
    mine = nn.Sequential(nn.Conv2d(16, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 3, 1))
    before = [p.clone() for p in mine.parameters()]
    steps = run(tiny, rv.PriorCanvas(SIZE, module=mine))
    assert steps[-1].total < steps[2].total
    assert all(torch.equal(a, b) for a, b in zip(before, mine.parameters(), strict=True))


def test_priors_that_draw_nothing_are_refused() -> None:
    with pytest.raises(RecipeError, match="none"):
        rv.PriorCanvas(SIZE, module=nn.Identity())
    with pytest.raises(PictureError, match=r"\(1, 3, H, W\)"):
        rv.PriorCanvas(SIZE, module=nn.Conv2d(16, 4, 1)).picture()


def test_a_prior_prefers_a_photo_to_noise(tiny: Network, astronaut: Tensor) -> None:
    """Ulyanov et al., figure 2: in as many steps it comes much nearer to a photo than to noise of the same colours."""
    photo = F.interpolate(astronaut, (48, 48), mode="bilinear", antialias=True)
    order = torch.randperm(48 * 48, generator=torch.Generator().manual_seed(0))
    left = []
    for wanted in (photo, photo.flatten(2)[:, :, order].view_as(photo)):
        error = rv.term("error", rv.objectives.PICTURE, lambda x, w=wanted: (x - w).pow(2), lambda m: m.mean())  # type: ignore[misc]
        canvas = rv.PriorCanvas((48, 48), seed=0)
        *_, last = rv.synthesize(
            error, tiny, canvas=canvas, stages=[rv.Stage((48, 48), 60)], optimiser=rv.Adam(rate=0.01)
        )
        left.append(last.total)
    assert left[0] < 0.6 * left[1]
