"""Many machines = one: the bits of tiles done here, whoever does them and whoever dies."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie.engine.cluster import RayExecutor, _stretches
from reverie.engine.grids import grid_for
from reverie.engine.joining import join, leave, ray_module
from reverie.engine.tiles import TiledExecutor
from reverie.errors import OutOfMemory, PictureError, RecipeError
from reverie.networks import Network
from reverie.objectives import PICTURE, Statistic
from reverie.objectives.statistics import Means, MeanSquares, Moments
from tests.conftest import MakePicture
from tests.engine.test_tiles import TERMS, error

pytest.importorskip("ray")
pytestmark = pytest.mark.xdist_group("ray")
TILE = 16


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """A cluster on this machine; the handlers of signals are as they were."""
    handlers = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
    assert join("local", cpus=6)
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)] == handlers
    yield
    leave()
    assert not ray_module().is_initialized()
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)] == handlers


@pytest.fixture(scope="module")
def two(cluster: None) -> Iterator[RayExecutor]:
    """An executor of two actors, with as many threads each as here."""
    with RayExecutor(2, tile=TILE, threads=torch.get_num_threads()) as executor:
        yield executor


def kill(executor: RayExecutor, number: int) -> None:
    """Kill an actor's process, as the system does where memory runs out."""
    pid = ray_module().get(executor._actors[number].__ray_call__.remote(lambda _: os.getpid()))
    os.kill(pid, signal.SIGKILL)


@pytest.mark.bits
@pytest.mark.parametrize(
    "name", [name if name == "all" else pytest.param(name, marks=pytest.mark.slow) for name in TERMS]
)
def test_a_cluster_is_whole_and_has_the_bits_of_tiles(
    two: RayExecutor, tiny64: Network, make_picture: MakePicture, name: str
) -> None:
    x = make_picture(0, 45, 62, batch=2, dtype=torch.float64)
    objective = TERMS[name](make_picture(1, 45, 62, dtype=torch.float64))
    whole = rv.evaluate(objective, tiny64, x)
    tiled = rv.evaluate(objective, tiny64, x, executor=TiledExecutor(TILE, cut=False))
    spread = rv.evaluate(objective, tiny64, x, executor=two)
    assert error(spread.total, whole.total) < 1e-10
    assert error(spread.gradient, whole.gradient) < 1e-10
    assert torch.equal(spread.total, tiled.total)
    assert torch.equal(spread.gradient, tiled.gradient)


@pytest.mark.bits
@pytest.mark.parametrize("kind", [Means, MeanSquares, Moments])
def test_statistics_of_the_pixels_themselves(
    two: RayExecutor, tiny: Network, make_picture: MakePicture, kind: Callable[[str], Statistic]
) -> None:
    """They are read where they lie, and lie otherwise in a part of a picture than in one that was sent."""
    x, wanted = make_picture(0, 61, 83), (kind(PICTURE),)
    (here,) = TiledExecutor(TILE, cut=False).measure(tiny, x, wanted)
    assert torch.equal(two.measure(tiny, x, wanted)[0], here)


@pytest.mark.parametrize("size", [(9, 131), (16, 16), (67, 17), (101, 53)])
def test_any_size(two: RayExecutor, tiny64: Network, make_picture: MakePicture, size: tuple[int, int]) -> None:
    x = make_picture(0, *size, dtype=torch.float64)
    objective = TERMS["all"](make_picture(1, 40, 44, dtype=torch.float64))
    whole = rv.evaluate(objective, tiny64, x)
    spread = rv.evaluate(objective, tiny64, x, executor=two)
    assert error(spread.total, whole.total) < 1e-10
    assert error(spread.gradient, whole.gradient) < 1e-10


@pytest.mark.slow
@pytest.mark.bits
def test_one_actor_and_two_give_the_same_bits(two: RayExecutor, tiny: Network, make_picture: MakePicture) -> None:
    x, other = make_picture(0, 75, 90), make_picture(1, 75, 90)
    both = rv.evaluate(TERMS["all"](other), tiny, x, executor=two)
    with RayExecutor(1, tile=TILE, threads=torch.get_num_threads()) as one:
        alone = rv.evaluate(TERMS["all"](other), tiny, x, executor=one)
    assert torch.equal(both.total, alone.total)
    assert torch.equal(both.gradient, alone.gradient)


def test_a_linear_objective_takes_one_pass(
    two: RayExecutor, tiny: Network, make_picture: MakePicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[bool] = []
    tile_pass = RayExecutor._pass

    def counted(self, picture: Tensor, network: Network, wanted, gradients_of, *, again):  # type: ignore[no-untyped-def]
        passes.append(gradients_of is not None)
        return tile_pass(self, picture, network, wanted, gradients_of, again=again)

    monkeypatch.setattr(RayExecutor, "_pass", counted)
    rv.evaluate(TERMS["energy"](make_picture(1, 50, 50)), tiny, make_picture(0, 50, 50), executor=two)
    assert passes == [True]


@pytest.mark.slow
@pytest.mark.bits
def test_a_run_goes_on_when_actors_are_killed(two: RayExecutor, tiny: Network, make_picture: MakePicture) -> None:
    start, other = make_picture(0, 70, 84), make_picture(1, 70, 84)

    def run(executor: rv.Executor) -> Iterator[rv.Iterate]:
        stages, canvas = rv.octaves((70, 84), count=2, steps=3), rv.PixelCanvas(start)
        return rv.synthesize(TERMS["all"](other), tiny, canvas=canvas, stages=stages, executor=executor)

    *_, tiled = run(TiledExecutor(TILE, cut=False))
    expected = tiled.image
    before = list(two._actors)
    for count, step in enumerate(run(two)):
        if count == 1:
            kill(two, 0)
        if count == 3:
            threading.Timer(0.05, kill, (two, 1)).start()  # within a step
        image = step.image
    assert all(new is not old for new, old in zip(two._actors, before, strict=True))
    assert torch.equal(image, expected)


def test_what_has_not_changed_does_not_travel(two: RayExecutor, tiny: Network, make_picture: MakePicture) -> None:
    x, bound = make_picture(0, 96, 48), rv.engine.bind(TERMS["energy"](make_picture(1, 9, 9)), tiny, (96, 48), two)
    rv.evaluate(bound, tiny, x, executor=two)
    upper, lower = [strip.sent for strip in two._sent if strip is not None]
    x = x.clone()
    x[..., -1, :] = 0.5
    rv.evaluate(bound, tiny, x, executor=two)
    now = [strip.sent for strip in two._sent if strip is not None]
    assert now[0] is upper and now[1] is not lower


def test_what_an_actor_refuses_is_said_as_here(two: RayExecutor, tiny: Network, make_picture: MakePicture) -> None:
    @dataclass(frozen=True)
    class Refused(Means):
        layer: str = "relu1"

        def measure(self, features: Tensor, window: object, reference: Tensor | None) -> Tensor:
            raise PictureError("no.")

    with pytest.raises(PictureError, match=r"^no\.$"):
        two.measure(tiny, make_picture(0, 50, 50), (Refused(),))


@pytest.mark.slow
def test_a_tile_that_kills_its_actors_is_too_large(tiny: Network, make_picture: MakePicture) -> None:
    here = os.getpid()

    @dataclass(frozen=True)
    class Deadly(Means):
        layer: str = "relu1"

        def measure(self, features: Tensor, window: object, reference: Tensor | None) -> Tensor:
            if os.getpid() != here:
                os.kill(os.getpid(), signal.SIGKILL)
            return features.sum((2, 3))

    with (
        RayExecutor(1, tile=64, threads=1) as executor,
        pytest.raises(OutOfMemory, match="a tile of 64 px does not fit"),
    ):
        executor.measure(tiny, make_picture(0, 100, 70), (Deadly(),))


def test_stretches_are_contiguous_and_whole(tiny: Network) -> None:
    wanted: tuple[Statistic, ...] = (Means("relu3"),)
    grid = grid_for(tiny, wanted, (90, 70), TILE)
    for actors in (1, 2, 3, 7, 100):
        boxes, owners = _stretches(grid, actors)
        assert len(owners) == len(grid)
        assert owners == sorted(owners)
        assert set(owners) == set(range(len(boxes)))
        assert len(boxes) == min(actors, len(grid))
        counts = [owners.count(owner) for owner in range(len(boxes))]
        assert max(counts) - min(counts) <= 1


def test_nobody_else_can_reach_a_local_cluster(two: RayExecutor) -> None:
    assert [node["NodeManagerAddress"] for node in ray_module().nodes()] == ["127.0.0.1"]
    assert ray_module().get_runtime_context().gcs_address.startswith("127.0.0.1:")


def test_more_workers_than_the_cluster_has_room_for(cluster: None) -> None:
    with pytest.raises(RecipeError, match="ask for fewer"):
        RayExecutor(9, tile=TILE, threads=1)
    with pytest.raises(RecipeError, match="GPU"):
        RayExecutor(1, tile=TILE, threads=1, gpus=1)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "127.0.0.1:70000", ""])
def test_an_address_where_nobody_answers(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_module(), "is_initialized", lambda: False)
    with pytest.raises(RecipeError, match="nobody answers"):
        join(address)


@pytest.mark.parametrize("wrong", [{"actors": 0}, {"threads": -1}, {"gpus": -1}, {"tile": 0}])
def test_numbers_that_make_no_sense(wrong: dict[str, int]) -> None:
    with pytest.raises(RecipeError):
        RayExecutor(**wrong)  # type: ignore[arg-type]


def test_without_ray_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RecipeError, match=r"pip install 'reverie-dream\[cluster\]'"):
        RayExecutor(2)
