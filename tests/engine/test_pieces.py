"""Networks in pieces and tiles: every network, any size, the halo that is needed and no less, no seams."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st
from torch import Tensor

import reverie as rv
from reverie.engine import pieces as cutting
from reverie.engine.grids import Grid
from reverie.engine.pieces import Piece, pieces
from reverie.engine.tiles import TiledExecutor
from reverie.networks import Network
from reverie.networks.network import Network as Built
from reverie.networks.ops import Conv
from reverie.networks.zoo import random_weights, table_of
from reverie.objectives.statistics import Moments
from tests.conftest import MakePicture

NAMES = ("dreamnet", "vgg19", "googlenet", "squeezenet1_1", "resnet50")


def thin(name: str) -> Network:
    """A network of the zoo with three channels in its convolutions, in float64: the real paths, quick to run."""
    if name == "dreamnet":
        return rv.networks.load(name, padding="replicate").with_precision(torch.float64)
    table = table_of(name).with_pooling("average")
    nodes = tuple(replace(n, op=replace(n.op, channels=3)) if isinstance(n.op, Conv) else n for n in table.nodes)
    table = replace(table, nodes=nodes)
    weights = {k: v + 0.5 * v.std() for k, v in random_weights(table, seed=7).items()}
    return Built(table, weights, classes=("one", "two", "three")).with_precision(torch.float64)


NETWORKS = {name: thin(name) for name in NAMES}


def everything(network: Network, other: Tensor) -> rv.Objective:
    deep = network.dream_layers[-1]
    return (
        rv.content(network.content_layer, like=other)
        + 10 * rv.style(network.style_layers, like=other)
        + 2 * rv.total_variation()
        - rv.energy(network.dream_layers, power=2)
        - rv.guide(deep, like=other, vectors=7)
        - rv.direction(deep, torch.linspace(-1, 1, network.channels(deep)))
    )


def error(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm().clamp_min(1e-300))


@pytest.mark.parametrize(
    ("linear", "name"),
    [
        *((False, name) for name in NAMES),
        (True, "dreamnet"),
        *(pytest.param(True, name, marks=pytest.mark.slow) for name in NAMES[1:]),
    ],
)
@given(st.data())
@run(max_examples=2)
def test_tiled_is_whole_for_every_network(
    make_picture: MakePicture, name: str, linear: bool, data: st.DataObject
) -> None:
    network = NETWORKS[name]
    high, wide = (st.integers(40, most) for most in ((110, 180) if name == "dreamnet" else (200, 700)))
    h, w, tile = data.draw(high), data.draw(wide), data.draw(st.integers(33, 400))
    h, w = max(h, 130 if name == "resnet50" else 40), max(w, 70)
    x, other = make_picture(h, h, w, dtype=torch.float64), make_picture(w, h, w, dtype=torch.float64)
    objective = -rv.energy(network.dream_layers) if linear else everything(network, other)
    whole = rv.evaluate(objective, network, x)
    tiled = rv.evaluate(objective, network, x, executor=TiledExecutor(tile))
    assert error(tiled.total, whole.total) < 1e-10
    assert error(tiled.gradient, whole.gradient) < 1e-10
    for term, value in whole.terms.items():
        assert error(tiled.terms[term], value) < 1e-10


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize("name", ["dreamnet", pytest.param("vgg19", marks=pytest.mark.slow)])
def test_a_halo_one_stride_too_small_is_not_enough(
    make_picture: MakePicture, monkeypatch: pytest.MonkeyPatch, name: str, cut: bool
) -> None:
    network = NETWORKS[name]
    x = make_picture(0, 130 if name == "vgg19" else 48, 150, dtype=torch.float64)
    objective = everything(network, x.flip(3))
    whole = rv.evaluate(objective, network, x)
    exact = Piece.grid

    def short(self: Piece, size: tuple[int, int], tile: int) -> Grid:
        grid = exact(self, size, tile)
        return replace(grid, halo=max(0, grid.halo - max(1, 16 // self.unit)))

    assert (
        error(rv.evaluate(objective, network, x, executor=TiledExecutor(64, cut=cut)).gradient, whole.gradient) < 1e-10
    )
    monkeypatch.setattr(Piece, "grid", short)
    tiled = rv.evaluate(objective, network, x, executor=TiledExecutor(64, cut=cut))
    assert error(tiled.gradient, whole.gradient) > 1e-6


def test_the_result_does_not_depend_on_the_tile(make_picture: MakePicture) -> None:
    network = NETWORKS["dreamnet"]
    x = make_picture(3, 67, 121, dtype=torch.float64)
    objective = everything(network, x.flip(2))
    gradients = [rv.evaluate(objective, network, x, executor=TiledExecutor(t)).gradient for t in (48, 100)]
    assert max(error(g, gradients[0]) for g in gradients) < 1e-11


def test_no_seam_along_the_borders_of_tiles(dreamnet: Network, astronaut: Tensor, coffee: Tensor) -> None:
    """In the precision of real runs, what differs from the whole picture is no larger at the borders than elsewhere."""
    network = dreamnet.with_precision(torch.bfloat16, channels_last=True)
    objective = 10 * rv.style(network.style_layers, like=coffee) + 2 * rv.total_variation()
    gradient = rv.evaluate(objective, network, astronaut, executor=TiledExecutor(64)).gradient
    steps = (gradient[..., 1:] - gradient[..., :-1]).square().mean((0, 1, 2))
    borders = steps[torch.tensor([63, 127, 191])].mean()
    assert 0.6 < float(borders / steps.mean()) < 1.6
    whole = rv.evaluate(objective, network, astronaut).gradient
    assert torch.cosine_similarity(gradient.flatten(), whole.flatten(), 0) > 0.9999


def test_pieces_hand_on_narrow_maps() -> None:
    network = NETWORKS["dreamnet"]
    wanted = tuple(Moments(layer) for layer in network.style_layers)
    parts = pieces(network, wanted)
    assert [p.out for p in parts] == ["pool3", "pool4", None]
    assert [p.unit for p in parts] == [1, 8, 16]
    assert tuple(s for p in parts for s in p.wanted) == wanted
    assert pieces(network, wanted[:2]) == (Piece(network, wanted[:2], None, 1),)


def test_a_seamless_picture_in_tiles(make_picture: MakePicture) -> None:
    network = rv.networks.load("dreamnet", padding="circular").with_precision(torch.float64)
    x = make_picture(1, 48, 96, dtype=torch.float64)
    objective = everything(network, x.flip(3))
    whole = rv.evaluate(objective, network, x)
    for tile in (32, 48):
        tiled = rv.evaluate(objective, network, x, executor=TiledExecutor(tile))
        assert error(tiled.total, whole.total) < 1e-10
        assert error(tiled.gradient, whole.gradient) < 1e-10


def test_references_beyond_a_size_lie_on_disk(make_picture: MakePicture, monkeypatch: pytest.MonkeyPatch) -> None:
    network = NETWORKS["dreamnet"]
    x = make_picture(1, 130, 100, dtype=torch.float64)
    objective = rv.content(network.content_layer, like=x.flip(3))
    kept = rv.evaluate(objective, network, x, executor=TiledExecutor(48)).gradient
    monkeypatch.setattr("reverie.engine.tiles.MAPPED", 0)
    assert torch.equal(rv.evaluate(objective, network, x, executor=TiledExecutor(48)).gradient, kept)


def test_nothing_is_cut_where_the_halo_is_small(make_picture: MakePicture) -> None:
    network = NETWORKS["dreamnet"]
    (statistic,) = (Moments("relu5_3"),)
    executor = TiledExecutor(1024)
    assert len(executor.pieces(network, (statistic,), (4000, 6000), once=True)) == 1
    assert len(executor.pieces(network, (statistic,), (4000, 6000), once=False)) == 3
    assert len(TiledExecutor(128).pieces(network, (statistic,), (4000, 6000), once=True)) == 3
    assert cutting.CUT_FROM == 8
