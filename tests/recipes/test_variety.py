"""Dreams of many things: what a photo suggests, and where."""

from __future__ import annotations

import json
from pathlib import Path

import skimage.data
import torch
from torch import Tensor

import reverie as rv
from reverie.networks import find_class
from reverie.recipes.dream import DreamSettings, dream_synthesis
from reverie.recipes.parts.subjects import Subjects
from reverie.recipes.parts.variety import FAINT, WISHES, can_vary, suggestions


def photo() -> Tensor:
    pixels = torch.from_numpy(skimage.data.astronaut()).permute(2, 0, 1)[None].float() / 255
    return rv.pictures.scaled(pixels, (96, 96))


def test_wishes_are_classes_and_no_two_alike() -> None:
    network = rv.networks.load("dreamnet")
    assert len({find_class(network, name) for name in WISHES}) == len(WISHES) >= 30


def test_a_photo_suggests_the_same_and_chance_another() -> None:
    network = rv.networks.load("dreamnet")
    first, same, other = (
        suggestions(network, photo(), variety=variety, seed=seed) for variety, seed in ((0.5, 0), (0.5, 0), (0.5, 1))
    )
    assert [name for name, _ in first] == [name for name, _ in same]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(first, same, strict=True))
    assert not all(a == b and torch.equal(x, y) for (a, x), (b, y) in zip(first, other, strict=False))
    for _, mask in first:
        assert mask.shape == (1, 1, 96, 96) and mask.min() >= 0 and mask.max() == 1


def test_only_a_dream_of_nothing_else_varies() -> None:
    network = rv.networks.load("dreamnet")
    assert can_vary(Subjects(), network) and not can_vary(Subjects(guide=photo()), network)
    assert not can_vary(Subjects(), rv.networks.load("vgg16", weights="random"))

    def objective(**more: object) -> str:
        settings = DreamSettings.model_validate({"size": 64, "octaves": 1, "steps": 1, **more})
        return str(dream_synthesis(photo(), settings).objective)

    assert "logit" in objective() and "energy" in objective()
    assert "logit" not in objective(variety=0) and "logit" not in objective(layers=("relu4_2",))
    assert "energy" not in objective(variety=1)


def test_what_comes_out_faint_is_what_was_measured_and_says_so() -> None:
    """Those that SqueezeNet has in its first five at most once: from noise and on three photos."""
    found = json.loads((Path(__file__).parents[2] / "benchmarks" / "wishes.json").read_text(encoding="utf8"))["ranks"]
    assert set(FAINT) == {name for name, ranks in found.items() if sum(rank <= 5 for rank in ranks) <= 1}
    run = dream_synthesis(None, DreamSettings.model_validate({"class_name": ["violin", "tiger"], "size": 64}))
    (note,) = [each for each in run.notes if "recognised" in each]
    assert note.startswith("'violin'")
    assert not dream_synthesis(photo(), DreamSettings(size=64)).notes, "nobody asked for what variety suggests"
