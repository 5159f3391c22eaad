"""What fits into memory: tiles chosen, tiles asked for, and what a refusal offers."""

from __future__ import annotations

import ctypes
import importlib
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie.engine import Enlargement, WholeExecutor, memory
from reverie.engine.memory import LOADED, Tiling, parse_memory, resident, sufficient
from reverie.engine.needs import SCRAPS, Cut
from reverie.engine.plan import BOUNDLESS
from reverie.errors import OutOfMemory
from reverie.networks import Network

MB = 2**20


def tile(megabytes: float | None, *, asked: int | None = None, whole: bool = False) -> int:
    """Of work that takes 400 bytes for each pixel of a tile, and 6400 MB as a whole, with so much left for it."""
    tiling = Tiling(
        lambda side: 400 * side**2 if side else 6400 * MB, 1024, 64, doing="it", dial="--size", step=16, whole=whole
    )
    memory = None if megabytes is None else str(int(resident() + LOADED + megabytes * MB))
    return tiling.fit(memory, asked).tile


def test_the_largest_tile_that_fits_is_chosen() -> None:
    assert [tile(410), tile(200), tile(4)] == [1024, 512, 64]
    assert (tile(6500, whole=True), tile(6300, whole=True)) == (0, 1024)


def test_a_tile_asked_for_is_taken_or_refused() -> None:
    assert tile(None, asked=3000) == 3008, "no limit was set"
    assert tile(410, asked=500) == 512
    with pytest.raises(OutOfMemory, match=r"it takes .* in tiles of 1024 px, and .* --tile 512 or --memory"):
        tile(150, asked=1024)
    with pytest.raises(OutOfMemory, match=r"takes .* GB as a whole, and .* may be used; try --tile 512 or --memory"):
        tile(200, asked=0)


def test_a_smaller_picture_is_offered_only_where_it_helps() -> None:
    with pytest.raises(OutOfMemory, match=r"try a smaller --size or --memory \d+MB\."):
        tile(1)
    with pytest.raises(OutOfMemory, match=r"try --memory \d+MB\."):
        tile(-20)


def test_what_tiles_take_is_told_with_what_is_held() -> None:
    tiling = Tiling(lambda side: 400 * side**2, 1024, 64, doing="painting", dial="--size")
    cut = tiling.fit(memory="400GB", tile=None)
    assert cut.peak - 400 * 1024**2 == pytest.approx(resident() + LOADED, abs=50 * MB)


@pytest.mark.parametrize("amount", [1, MB, 100 * MB, 652_900_000, 5 * 2**30])
def test_enough_is_a_little_more(amount: int) -> None:
    assert 1.02 * amount < parse_memory(sufficient(amount)) < 1.04 * amount + 10 * MB


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


def test_a_larger_guide_is_looked_at_in_tiles(tiny: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own size, which may be any, is no matter of the picture's memory."""
    noise = torch.Generator().manual_seed(0)
    like, picture = torch.rand(1, 3, 200, 160, generator=noise), torch.rand(1, 3, 48, 48, generator=noise)
    term = -rv.guide("relu2", like=like)
    whole = rv.evaluate(term, tiny, picture)
    monkeypatch.setattr(importlib.import_module("reverie.engine.evaluate"), "LOOKED_AT", 64)
    seen: list[int] = []
    looked = WholeExecutor.measure

    def measured(self: WholeExecutor, network: Network, x: Tensor, *rest: object) -> object:
        seen.append(x.shape[2] * x.shape[3])
        return looked(self, network, x, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(WholeExecutor, "measure", measured)
    cut = rv.evaluate(term, tiny, picture)
    assert max(seen) == 48 * 48, "only the picture is seen whole"
    torch.testing.assert_close(cut.gradient, whole.gradient)


def test_a_guide_is_counted(tiny: Network, what: rv.Synthesis) -> None:
    guided = replace(what, objective=-rv.guide("relu2", like=torch.rand(1, 3, 1500, 1500)))
    small = rv.octaves((64, 64), count=1, steps=1)
    cuts = [rv.plan(replace(each, stages=small), memory=BOUNDLESS, tile=0).peak for each in (what, guided)]
    assert cuts[1] - cuts[0] > SCRAPS


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="only glibc is told")
def test_freed_memory_is_kept_only_where_there_is_plenty() -> None:
    """In another process, for an allocator is told once and for all: the same block, taken and freed again."""
    program = (
        "import ctypes, resource, runpy, sys\n"
        "ours, libc = runpy.run_path(sys.argv[1]), ctypes.CDLL(None)\n"
        "libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]\n"
        "def faults():\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    block = libc.malloc(2**26)\n"
        "    ctypes.memset(block, 1, 2**26)\n"
        "    libc.free(block)\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before\n"
        "ours['avoid_fragmentation']()\n"
        "ours['keep_freed'](2**24, 2**24)\n"
        "faults(); print(faults())\n"
        "ours['keep_freed'](2**22, 2**24)\n"
        "faults(); print(faults())\n"
    )
    words = [sys.executable, "-c", program, memory.__file__]
    tight, plenty = map(int, subprocess.run(words, capture_output=True, check=True, text=True).stdout.split())
    assert tight > 4 * plenty  # in pages of any size
