"""Every `>>>` example of a docstring runs and shows what it says.

It finds the names of its own module and the public ones of `ROOMS`; `torch`, `Path`, some pictures and a model; and in
the current folder the files that it reads.
"""

from __future__ import annotations

import doctest
import importlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie import feedforward, recipes
from reverie.crafts.craft import Craft
from reverie.feedforward.johnson import draw_johnson, write_johnson
from reverie.jobs.record import record_of

ROOMS = (rv, rv.pictures, rv.networks, feedforward, recipes)
SOURCE = Path(rv.__file__).parent
WITH_EXAMPLES = sorted(path for path in SOURCE.rglob("*.py") if ">>> " in path.read_text(encoding="utf8"))

SLOW = {"reverie.recipes.explain", "reverie.recipes.perturb"}  # at sizes for people


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_picture: Callable[..., Tensor]) -> dict[str, object]:
    """What examples find; the current folder holds the files they read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REVERIE_HOME", str(tmp_path / "home"))
    write_files(tmp_path)
    found: dict[str, object] = {name: getattr(room, name) for room in ROOMS for name in room.__all__}
    found |= {name: make_picture(seed, 48, 64) for seed, name in enumerate(("photo", "styled", "painted", "picture"))}
    model = torch.nn.Sequential(
        OrderedDict(features=torch.nn.Sequential(*(torch.nn.Conv2d(3, 3, 1) for _ in range(4))))
    )
    found |= {"painting": make_picture(9, 40, 40), "model": model, "draw_johnson": draw_johnson}
    return found | {"torch": torch, "Path": Path, "rv": rv}


def write_files(folder: Path) -> None:
    """The pictures and networks that examples name."""
    rv.write_image(folder / "cat.jpg", torch.rand(1, 3, 480, 640))
    cat = [("photo", folder / "cat.jpg")]
    record = record_of("dream", recipes.DreamSettings(), inputs=cat, output=folder / "dream.png")
    rv.write_image(folder / "dream.png", torch.rand(1, 3, 48, 64), recipe=record.to_json())
    two_colours = torch.arange(64).ge(32).float().expand(1, 3, 48, 64)
    for name in ("sky", "sky-and-town", "photo-map", "painting-map"):
        rv.write_image(folder / f"{name}.png", two_colours)
    (folder / "photos").mkdir()
    for i in range(2):
        rv.write_image(folder / "photos" / f"{i}.jpg", torch.rand(1, 3, 320, 320))
    write_johnson(folder / "mine.safetensors", draw_johnson(widths=(4, 8), blocks=1))


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in map(module_name, WITH_EXAMPLES)]
)
def test_examples(name: str, names: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    declared = [each.function for each in vars(module).values() if isinstance(each, Craft)]
    for subject in (module, *(each for each in declared if each.__module__ == name)):
        for example in doctest.DocTestFinder(exclude_empty=True).find(subject, extraglobs=names | vars(module)):
            runner.run(example)
    assert runner.summarize(verbose=False).attempted
    assert runner.failures == 0, capsys.readouterr().out


def test_they_are_found() -> None:
    assert len(WITH_EXAMPLES) > 40
