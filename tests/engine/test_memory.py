"""What fits into memory: tiles chosen, tiles asked for, and what a refusal offers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import reverie as rv
from reverie.engine import Enlargement
from reverie.engine.memory import enough, fitting_tile, parse_memory
from reverie.engine.needs import Cut
from reverie.engine.plan import BOUNDLESS
from reverie.errors import OutOfMemory
from reverie.networks import Network

MB = 2**20


def tile(memory: str | None, *, asked: int | None = None, floor: int = 0, whole: bool = False) -> int:
    """Of work that takes 4 bytes for each pixel of a tile, and 64 MB as a whole."""

    def needed(side: int) -> int:
        return 4 * side**2 if side else 64 * MB

    about = {"largest": 1024, "smallest": 64, "floor": floor, "doing": "painting", "dial": "--size"}
    return fitting_tile(needed, memory=memory, tile=asked, step=16, whole=whole, **about)  # type: ignore[arg-type]


def test_the_largest_tile_that_fits_is_chosen() -> None:
    assert [tile("4MB"), tile("2MB"), tile("17KB")] == [1024, 512, 64]
    assert (tile("64MB", whole=True), tile("63MB", whole=True)) == (0, 1024)


def test_a_tile_asked_for_is_taken_or_refused() -> None:
    assert tile(None, asked=3000) == 3008, "no limit was set"
    assert tile("4MB", asked=500) == 512
    with pytest.raises(OutOfMemory, match=r"painting takes 4 MB in tiles of 1024 px, and 1 MB may .* --tile 512 or"):
        tile("1MB", asked=1024)
    with pytest.raises(OutOfMemory, match=r"takes 64 MB as a whole, and 2 MB may be used; try --tile 512 or --memory"):
        tile("2MB", asked=0)


def test_a_smaller_picture_is_offered_only_where_it_helps() -> None:
    with pytest.raises(OutOfMemory, match=r"try a smaller --size or --memory 10MB\."):
        tile("1KB", floor=1000)
    with pytest.raises(OutOfMemory, match=r"try --memory 10MB\."):
        tile("1KB", floor=MB)


@pytest.mark.parametrize("amount", [1, MB, 100 * MB, 652_900_000, 5 * 2**30])
def test_enough_is_a_little_more(amount: int) -> None:
    assert 1.02 * amount < parse_memory(enough(amount)) < 1.04 * amount + 10 * MB


@pytest.fixture
def what(tiny: Network) -> rv.Synthesis:
    canvas = rv.PixelCanvas(torch.full((1, 3, 32, 32), 0.5))
    return rv.Synthesis(-rv.energy("relu2"), tiny, canvas, rv.octaves((2000, 2000), count=1, steps=1))


def test_a_plan_refuses_a_tile_that_does_not_fit(what: rv.Synthesis) -> None:
    whole = rv.plan(what, tile=0, memory=BOUNDLESS).peak
    cut = rv.plan(what, tile=256, memory=BOUNDLESS).peak
    assert cut < whole
    with pytest.raises(OutOfMemory, match=r"as a whole; .* Try --tile \d+ or .*--memory \d+MB\."):
        rv.plan(what, tile=0, memory=(cut + whole) // 2)


def test_what_is_held_besides_is_counted(what: rv.Synthesis) -> None:
    peaks = [rv.plan(what, memory=BOUNDLESS, tile=128, held=held).peak for held in (0, 500 * MB)]
    assert peaks[1] - peaks[0] == pytest.approx(500 * MB, abs=20 * MB)


def test_a_result_that_is_enlarged_may_need_the_most(what: rv.Synthesis) -> None:
    large = replace(what, enlarge=Enlargement(4, 0, lambda x: x))
    with pytest.raises(OutOfMemory, match=r"once it is enlarged; .* Try a lower --upscale or "):
        rv.plan(large, memory=rv.plan(what, memory=BOUNDLESS, tile=128).peak + 100 * MB)


def test_the_model_counts_what_lies_beside_the_run(what: rv.Synthesis) -> None:
    """Masks, averages and an optimiser's history are pictures; so is what a step makes on the way."""
    start = torch.full((1, 3, 64, 64), 0.5)
    masked = rv.PixelCanvas(start, base=start, mask=torch.zeros(1, 1, 64, 64))
    bound = rv.engine.bind(what.objective, what.network, (64, 64), rv.engine.WholeExecutor())
    kinds = (
        what,
        replace(what, canvas=masked),
        replace(what, average=0.9),
        replace(what, optimiser=rv.LBFGS()),
    )
    amounts = [cut.stepping - cut.floor for cut in (Cut(kind, bound, (2000, 2000), 128) for kind in kinds)]
    picture = 4 * 3 * 2000**2
    assert [round((a - amounts[0]) / picture) for a in amounts] == [0, 4, 1, 44]
