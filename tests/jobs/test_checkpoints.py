"""Checkpoints: the same state comes back, and a file that is not as it was written is never used."""

from __future__ import annotations

import json
import math
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

import reverie as rv
from reverie.errors import FileError, RecipeError
from reverie.files import JOURNAL, Owned, own
from reverie.jobs import Checkpoints, CheckpointSchedule, flatten, read_state, unflatten, write_state
from reverie.jobs import checkpoints as module
from reverie.networks import Network
from reverie.optimisers import Optimiser
from tests.conftest import MakePicture

STATE: dict[str, Any] = {
    "stage": 2,
    "step": 17,
    "seconds": 0.1 + 0.2,
    "none": None,
    "flag": True,
    "word": 'é"\n\0',
    "numbers": [math.inf, -math.inf, -0.0, 5e-324, 2**70, 1.0, 1],
    "empty": [{}, [], ()],
    "optimiser": {0: {"step": torch.tensor(3.0), "moment": torch.randn(1, 3, 4, 5)}, 1: {"step": torch.tensor(4)}},
    "al": [None, torch.zeros(0), (torch.ones(2, dtype=torch.bool), "x")],
    "0": "a string, not the integer",
    "a.b": torch.tensor([1.0]),
    "a": {"b": torch.tensor([2.0])},
    "generator": torch.Generator().manual_seed(1).get_state(),
    "kinds": [torch.arange(-3, 4).to(kind) for kind in module._TYPES],
    "turned": torch.randn(4, 6, 2).permute(2, 0, 1)[:, ::2],
    "nan": torch.tensor([math.nan, math.inf, -0.0]),
}


def same(a: Any, b: Any) -> bool:
    """Whether two states are equal, types and bits."""
    if isinstance(a, torch.Tensor):
        if not isinstance(b, torch.Tensor) or a.dtype != b.dtype or a.shape != b.shape:
            return False
        return a.contiguous().reshape(-1).view(torch.uint8).equal(b.contiguous().reshape(-1).view(torch.uint8))
    if isinstance(a, dict):
        return list(a) == list(b) and [*map(type, a)] == [*map(type, b)] and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and repr(a) == repr(b)


def test_a_nested_state_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    write_state(path, STATE, run="r")
    assert same(read_state(path, run="r"), STATE)


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
tensors = st.lists(st.floats(width=32), max_size=4).map(torch.tensor)
states = st.recursive(
    plain | tensors,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(states)
def test_any_state_comes_back(state: Any) -> None:
    assert same(unflatten(*flatten(state)), state)


@pytest.mark.parametrize("wrong", [{(1, 2): 3}, {True: 1}, [object()], {1.5: 0}, torch.Size([2]), b"x"])
def test_what_a_state_may_not_hold(wrong: Any) -> None:
    if isinstance(wrong, torch.Size):
        assert flatten(wrong)  # a tuple
        return
    with pytest.raises(TypeError):
        flatten(wrong)


def test_other_programs_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    write_state(path, STATE, run="r")
    read = load_file(path)
    assert same(read["optimiser.0.moment"], STATE["optimiser"][0]["moment"])
    (length,) = struct.unpack("<Q", path.read_bytes()[:8])
    assert length % 8 == 0 and json.loads(path.read_bytes()[8 : 8 + length])["__metadata__"]["format"] == "1"


def test_a_file_changed_anywhere_is_not_used(tmp_path: Path) -> None:
    path, chance = tmp_path / "s.safetensors", random.Random(0)
    write_state(path, STATE, run="r")
    whole = path.read_bytes()
    spots = [*range(120), *(chance.randrange(len(whole)) for _ in range(200))]
    for spot in spots:
        path.write_bytes(whole[:spot] + bytes([whole[spot] ^ 1 << chance.randrange(8)]) + whole[spot + 1 :])
        assert read_state(path, run="r") is None, spot
    for end in (0, 1, 8, 50, 99, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        assert read_state(path, run="r") is None
    path.write_bytes(whole + b"\0")
    assert read_state(path, run="r") is None
    path.write_bytes(whole)
    assert same(read_state(path, run="r"), STATE)


@pytest.fixture
def owned(tmp_path: Path) -> Iterator[Owned]:
    """A folder of a run's own."""
    with own(tmp_path / "kept") as folder:
        yield folder


def test_the_last_two_are_kept_and_a_damaged_one_falls_back(owned: Owned) -> None:
    kept = Checkpoints(owned, "r")
    assert kept.newest() == (None, ())
    for stage, step in ((1, 9), (1, 10), (2, 1)):
        kept.write({"at": [stage, step]}, stage=stage, step=step)
    older, newer = kept.paths()
    assert kept.newest() == ({"at": [2, 1]}, ())
    newer.write_bytes(newer.read_bytes()[:-5])
    state, notes = kept.newest()
    assert state == {"at": [1, 10]} and len(notes) == 1 and newer.name in notes[0]
    kept.write({"at": [1, 11]}, stage=1, step=11)
    assert [p.name for p in kept.paths()] == [older.name, "checkpoint-001-000011.safetensors"], (
        "the damaged one is gone"
    )
    for path in kept.paths():
        path.write_bytes(b"x" * 300)
    with pytest.raises(RecipeError, match=r"every checkpoint .* is damaged") as caught:
        kept.newest()
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_another_run_or_format_is_refused(owned: Owned, monkeypatch: pytest.MonkeyPatch) -> None:
    Checkpoints(owned, "one").write({"x": 1}, stage=1, step=1)
    with pytest.raises(RecipeError, match="of another run"):
        Checkpoints(owned, "two").newest()
    monkeypatch.setattr(module, "FORMAT", 2)
    with pytest.raises(RecipeError, match=r"reads checkpoints of format 2; .* has format 1"):
        Checkpoints(owned, "one").newest()


def test_a_write_that_fails_leaves_the_earlier_ones(owned: Owned) -> None:
    kept = Checkpoints(owned, "r")
    kept.write({"x": 1}, stage=1, step=1)
    with pytest.raises(TypeError):
        kept.write({"x": torch.zeros(2, dtype=torch.complex64)}, stage=1, step=2)
    assert kept.newest()[0] == {"x": 1}
    assert sorted(p.name for p in owned.path.iterdir()) == [JOURNAL, "checkpoint-001-000001.safetensors"]


def test_what_another_put_there_is_no_checkpoint(owned: Owned) -> None:
    mine = owned.path / "checkpoint-009-000100.safetensors"
    mine.write_bytes(b"my own")
    kept = Checkpoints(owned, "r")
    kept.write({"x": 1}, stage=1, step=1)
    assert kept.newest() == ({"x": 1}, ())
    with pytest.raises(FileError, match="is not replaced"):
        kept.write({"x": 2}, stage=9, step=100)
    kept.remove()
    assert mine.read_bytes() == b"my own" and kept.paths() == []


@pytest.mark.bits
@pytest.mark.parametrize("optimiser", [rv.Adam(), rv.Normalised(), rv.LBFGS()], ids=["adam", "normalised", "lbfgs"])
def test_a_run_goes_on_from_a_file_bit_for_bit(
    tmp_path: Path, tiny: Network, make_picture: MakePicture, optimiser: Optimiser
) -> None:
    stages = [rv.Stage((20, 24), 4), rv.Stage((28, 32), 3)]
    average = None if isinstance(optimiser, rv.LBFGS) else 0.9
    what = rv.Synthesis(
        -rv.energy("relu3"), tiny, rv.PixelCanvas(make_picture(0, 20, 24)), stages, optimiser, average=average
    )
    images = []
    for number, step in enumerate(what.run()):
        write_state(tmp_path / f"{number}.safetensors", step.state(), run="r")
        images.append(step.image)
    for number in range(len(images) - 1):
        *_, last = what.run(state=read_state(tmp_path / f"{number}.safetensors", run="r"))
        assert torch.equal(last.image, images[-1])


def test_the_state_read_is_not_kept_beside_the_run(tiny: Network, make_picture: MakePicture) -> None:
    """A large run that goes on needs no more memory than one that began."""
    what = rv.Synthesis(
        -rv.energy("relu3"), tiny, rv.PixelCanvas(make_picture(0, 20, 24)), [rv.Stage((20, 24), 4)], rv.Normalised()
    )
    state = next(what.run()).state()

    class Seen(dict[str, Any]):
        gone = False

        def __del__(self) -> None:
            Seen.gone = True

    steps = what.run(state=Seen(state))
    next(steps)
    assert Seen.gone


def test_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("reverie.jobs.schedule.time.monotonic", lambda: now[0])
    schedule, always = CheckpointSchedule(30), CheckpointSchedule(0)
    assert always.due() and not schedule.due()
    now[0] += 30
    assert schedule.due()
    with schedule.timing():
        now[0] += 4  # a checkpoint so slow is taken less often
    now[0] += 79
    assert not schedule.due()
    now[0] += 1
    assert schedule.due() and always.due()
    for wrong in (-1.0, math.nan):
        with pytest.raises(RecipeError, match="0 or more"):
            CheckpointSchedule(wrong)
