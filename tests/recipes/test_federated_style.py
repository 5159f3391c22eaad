"""A style learnt by clients in real processes: the server has their updates only, and one may die."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import reverie as rv
from reverie.errors import RecipeError
from reverie.recipes.parts import federated
from reverie.recipes.train_style import TrainStyleSettings, train_style

TINY = {"crop": 64, "size": 96, "batch": 1, "width": 4, "blocks": 1, "precision": "float32", "style_weight": 10}


def settings(**more: Any) -> TrainStyleSettings:
    return TrainStyleSettings(**{**TINY, "federated": True, **more})


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Of two clients, three photos and one."""
    root, generator = tmp_path_factory.mktemp("clients"), np.random.default_rng(0)
    for i, name in enumerate(("ann/0", "ann/1", "ann/2", "bob/3")):
        path = root / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        coarse = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((120, 90 + i), Image.Resampling.BICUBIC).save(path)
    return sorted(root.rglob("*.png"))


@pytest.fixture(scope="module")
def painting() -> Tensor:
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(128.0), indexing="ij")
    stripes = ((x + y) % 16 < 8).float()
    return torch.stack([stripes, 0.8 * stripes, 1 - stripes])[None]


def test_what_makes_no_sense_is_refused_before_anything_begins(painting: Tensor, photos: list[Path]) -> None:
    with pytest.raises(RecipeError, match="two or more; got one"):
        train_style(painting, photos[:3], settings(steps=1))
    with pytest.raises(RecipeError, match="give a clip"):
        train_style(painting, photos, settings(steps=1, noise=1.0))
    with pytest.raises(RecipeError, match="give --style-weight"):
        train_style(painting, photos, settings(steps=1, noise=1.0, clip=1.0, style_weight="auto"))
    with pytest.raises(RecipeError, match="add --federated"):
        train_style(painting, photos, settings(federated=False, clip=1.0))
    assert [*federated.by_folder(photos).values()] == [photos[:3], photos[3:]]


def test_clients_learn_from_as_many_pieces_as_they_count() -> None:
    assert federated.pieces([30, 10], settings(batch=4)) == [6, 2]
    assert federated.pieces([97, 1, 2], settings(batch=2)) == [6, 1, 1], "one at least"
    assert federated.pieces([30, 10], settings(batch=4, clip=1.0)) == [4, 4]


@pytest.mark.slow
def test_it_learns_repeats_itself_and_outlives_a_client(painting: Tensor, photos: list[Path]) -> None:
    how = settings(steps=4, clip=5.0, noise=0.01)
    first = [*train_style(painting, photos, how)]
    *_, second = train_style(painting, photos, how)
    mine, its = first[-1].network.tensors, second.network.tensors
    assert all(torch.equal(mine[key], its[key]) for key in mine)
    assert any("hidden with epsilon" in note for note in first[-1].notes)
    assert first[-1].learner.crops.paths != tuple(photos)

    notes: list[str] = []
    for step in train_style(painting, photos, settings(steps=5)):
        notes += step.notes
        if step.step == 2:
            victim = next(each for each in step.learner.clients.alive if each.name == "bob")
            victim.process.kill()
            victim.process.join()
    assert step.step == 5 and step.last
    assert any("'bob' is gone" in note for note in notes)


@pytest.mark.slow
def test_with_no_client_left_it_ends_in_a_line(painting: Tensor, photos: list[Path]) -> None:
    with pytest.raises(rv.RecipeError, match="no client"):
        for step in train_style(painting, photos, settings(steps=5)):
            for each in step.learner.clients.alive:
                each.process.kill()
                each.process.join()
