"""What a view does to a picture it does to masks, references and positions too."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie.errors import RecipeError
from reverie.networks import Network
from reverie.views import View, compose, crop, jitter, rotate, scale, standard
from tests.conftest import MakePicture

SIZE = (32, 48)


def roll(x: Tensor, generator: torch.Generator) -> Tensor:
    """Half the width, always."""
    return torch.roll(x, x.shape[3] // 2, 3)


def left() -> Tensor:
    where = torch.zeros(1, 1, *SIZE)
    where[..., : SIZE[1] // 2] = 1
    return where


def moved(objective: rv.Objective, network: Network, start: Tensor, view: View | None, steps: int = 1) -> Tensor:
    """How far each pixel has gone, (H, W)."""
    run = rv.synthesize(
        objective,
        network,
        canvas=rv.PixelCanvas(start),
        stages=[rv.Stage(SIZE, steps)],
        optimiser=rv.Adam(rate=0.01),
        view=view,
    )
    *_, last = run
    return (last.image - start).abs().sum(1)[0]


@pytest.fixture
def start(make_picture: MakePicture) -> Tensor:
    return make_picture(0, *SIZE)


TERMS = {
    "energy": lambda where, other: -rv.energy("relu3", where=where),
    "channel": lambda where, other: -rv.channel("relu3", 2, where=where),
    "style": lambda where, other: rv.style("relu2", like=other, where=where),
    "content": lambda where, other: rv.content("relu2", like=other, where=where),
    "distributions": lambda where, other: rv.sliced_wasserstein("relu2", like=other, where=where),
    "own": lambda where, other: -rv.term("own", "relu2", lambda f: f, lambda m: m.sum(1), where=where),
}


@pytest.mark.parametrize("name", TERMS)
def test_masks_go_with_the_picture(tiny: Network, make_picture: MakePicture, start: Tensor, name: str) -> None:
    objective = TERMS[name](left(), make_picture(1, *SIZE))
    away = moved(objective, tiny, start, roll)
    inside, outside = away[:, 4:20].mean(), away[:, 32:40].mean()
    assert float(inside) > 0.005
    assert float(outside) == 0


def test_a_roll_by_whole_strides_changes_nothing_else(tiny: Network, make_picture: MakePicture, start: Tensor) -> None:
    """A periodic network cannot tell a rolled picture with all that has a place in it from the plain one."""
    network = rv.networks.load("dreamnet", padding="circular", pooling="average")
    big = make_picture(0, 64, 96)
    where = torch.zeros(1, 1, 64, 96)
    where[..., :48] = 1
    objective = (
        rv.content("relu3_1", like=make_picture(1, 64, 96), where=where)
        - rv.neuron("relu3_1", 3, at=(5, 7))
        - rv.energy("relu3_2", where=where)
        + rv.style("relu2_2", like=make_picture(2, 64, 64), where=where)
    )
    images = []
    for view in (None, roll):
        run = rv.synthesize(
            objective, network, canvas=rv.PixelCanvas(big), stages=[rv.Stage((64, 96), 2)], view=view,
            optimiser=rv.Normalised(bands=1),
        )  # fmt: skip
        images.append([*run][-1].image)
    assert float((images[0] - images[1]).abs().max()) < 1e-3


def test_a_neuron_goes_with_the_picture(tiny: Network, start: Tensor) -> None:
    away = moved(-rv.neuron("relu1", 1, at=(4, 6)), tiny, start, roll)
    rows, columns = away.nonzero(as_tuple=True)
    assert set(rows.tolist()) <= {3, 4, 5}
    assert set(columns.tolist()) <= {5, 6, 7}


@pytest.mark.parametrize("view", [scale(0.7, 1.3), crop(0.6), rotate(20), standard(), compose(jitter(5), crop(0.8))])
@pytest.mark.parametrize("executor", [None, rv.TiledExecutor(16)], ids=["whole", "tiled"])
def test_content_through_any_view(
    tiny: Network, make_picture: MakePicture, start: Tensor, view: View, executor: rv.Executor | None
) -> None:
    """The reference is seen through the same draw: what is like it already stays as it is."""
    objective = rv.content("relu2", like=start) + 0.5 * rv.caricature("relu2", like=start, power=0)
    run = rv.synthesize(
        objective, tiny, canvas=rv.PixelCanvas(start), stages=[rv.Stage(SIZE, 3)], view=view, executor=executor,
        optimiser=rv.Adam(rate=1e-5),
    )  # fmt: skip
    losses = [step.losses for step in run]
    assert all(each["content"] < 1e-6 for each in losses)


def test_a_mask_that_is_cropped_away_asks_for_nothing(tiny: Network, start: Tensor) -> None:
    def right(x: Tensor, generator: torch.Generator) -> Tensor:
        return x[..., 28:]

    with pytest.warns(rv.ReverieWarning, match="gradient has been 0"):
        away = moved(-rv.energy("relu3", where=left()), tiny, start, right, steps=3)
    assert float(away.max()) == 0


def test_a_view_that_changes_values_leaves_masks_alone(tiny: Network, start: Tensor) -> None:
    class Noise:
        def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
            return x + 0.5 * torch.randn(x.shape, generator=generator)

        def carry(self, x: Tensor, generator: torch.Generator) -> Tensor:
            torch.randn(x.shape, generator=generator)
            return x

    away = moved(-rv.energy("relu3", where=left()), tiny, start, compose(Noise(), roll))
    assert float(away[:, 32:40].max()) == 0
    assert float(away[:, 4:20].mean()) > 0.005


def test_places_that_cannot_follow_say_so(tiny: Network, make_picture: MakePicture, start: Tensor) -> None:
    with pytest.raises(RecipeError, match="cannot follow a view"):
        moved(rv.self_similarity("relu2", like=start), tiny, start, jitter(4))


def test_views_can_be_sent_and_are_shown_as_they_are_written() -> None:
    import pickle

    view = compose(jitter(8), scale(0.9, 1.1), rotate(10), crop(0.5))
    assert repr(view) == "compose(jitter(8), scale(0.9, 1.1), rotate(10), crop(0.5))"
    again = pickle.loads(pickle.dumps(view))
    x = torch.rand(1, 3, 20, 30, generator=torch.Generator().manual_seed(0))
    assert torch.equal(*(v(x, torch.Generator().manual_seed(3)) for v in (view, again)))
