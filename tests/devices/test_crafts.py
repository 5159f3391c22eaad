"""Every craft of the registry, those to come included, works on another device, and its record says so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie.crafts.craft import Craft, Input
from reverie.crafts.kinds import FOLDER, FOOTAGE, PAINTING, PHOTO, PLACE, STYLE_NETWORK, Film
from reverie.crafts.registry import crafts
from reverie.errors import RecipeError
from reverie.feedforward.johnson import draw_johnson, write_johnson
from reverie.jobs.events import Ended
from reverie.jobs.job import Job
from reverie.jobs.perform import perform
from reverie.jobs.record import read_record
from reverie.objectives import distances
from tests.conftest import MakePicture
from tests.standin import NAME, watched

SMALL: dict[str, Any] = {
    "size": 48, "steps": 1, "octaves": 1, "frames": 2, "frame_steps": 1, "crop": 64, "batch": 1, "width": 4,
    "blocks": 1, "precision": "float32", "strength": 1, "start": "photo", "samples": 2,
    "device": NAME,
}  # fmt: skip
"""Settings that make any craft quick, where it has them."""
OTHERS: dict[str, dict[str, Any]] = {
    "train style": {"size": 64, "style_weight": 10},
    "atlas": {"layers": ["relu1_1"]},
    "perturb": {"as": "goldfish"},
    "visualize": {"units": ["relu4_2:7"]},
}
PICTURES = (PHOTO, PAINTING)
LIKE_OTHERS = {"texture", "video dream", "video instant", "video style", "zoom"}  # in all that they do there
ON_DEVICES = [name for name, craft in crafts().items() if "device" in craft.settings.model_fields]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_picture: MakePicture) -> Path:
    """A folder with two pictures, to work in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REVERIE_HOME", str(tmp_path / "home"))
    (tmp_path / "photos").mkdir()
    write_johnson(tmp_path / "mine.safetensors", draw_johnson(widths=(8, 16), blocks=1))
    for name, seed in (("photo.png", 1), ("painting.png", 2), ("photos/a.png", 3)):
        rv.write_image(tmp_path / name, make_picture(seed, 72, 80))
    return tmp_path


@pytest.fixture(autouse=True)
def quick_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Roots by eigenvalues, which is quicker on the processor that stands in; terms are tested with a device's own."""

    def by_eigenvalues(m: Tensor) -> tuple[Tensor, Tensor]:
        return tuple(x.to(m.device) for x in distances.roots(m.cpu()))  # type: ignore[return-value]

    monkeypatch.setattr(distances, "newton_schulz", by_eigenvalues)


def words_for(craft: Craft[..., Any]) -> dict[str, tuple[str, ...]]:
    """Files for the inputs that a craft needs."""
    wanted = [each for each in craft.inputs if each.required or each.name == next(iter(craft.either), None)]
    return {each.name: (word_for(each),) for each in wanted}


def word_for(each: Input) -> str:
    assert each.kind in (*PICTURES, FOLDER, FOOTAGE, PLACE, STYLE_NETWORK), (
        f"say here what stands for a {each.kind.name}"
    )
    if each.kind is STYLE_NETWORK:
        return "mine.safetensors"
    return "photos" if each.kind in (FOLDER, FOOTAGE, PLACE) else f"{'photo' if each.kind is PHOTO else 'painting'}.png"


def settings_for(craft: Craft[..., Any], **more: Any) -> dict[str, Any]:
    known = craft.settings.model_fields
    wished = {**SMALL, **OTHERS.get(craft.name, {}), **more}
    names = {*known, *(field.alias for field in known.values())}
    return {name: value for name, value in wished.items() if name in names}


def performed(craft: Craft[..., Any], **more: Any) -> Ended:
    *_, ended = perform(Job(craft=craft.name, inputs=words_for(craft), settings=settings_for(craft, **more)))
    assert isinstance(ended, Ended)
    return ended


def test_whatever_runs_a_network_has_a_device() -> None:
    without = {name for name in crafts() if name not in ON_DEVICES}
    assert without <= {"remix", "export"}, "a craft that runs a network takes DeviceSettings"


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if n in LIKE_OTHERS else []) for n in ON_DEVICES]
)
def test_every_craft(name: str) -> None:
    """Even on a device without float64."""
    craft = crafts()[name]
    with watched(float64=False) as ledger:
        ended = performed(craft)
    assert ledger.peak, "nothing was done there"
    if ended.size is None:
        return
    film = ended.written[0] if craft.makes is Film else None
    there = film or next(path for path in _pictures(ended.written))
    assert read_record(there).settings["device"] == f"{NAME}:0"
    image = rv.read_image(there) if film is None else next(rv.open_footage(film).frames()).image
    assert torch.isfinite(image).all()


def _pictures(paths: Sequence[Path]) -> list[Path]:
    files = [inside for path in paths for inside in (sorted(path.glob("*.png")) if path.is_dir() else [path])]
    return [path for path in files if path.suffix == ".png"]


@pytest.mark.parametrize("name", ["dream", "instant", pytest.param("style", marks=pytest.mark.slow)])
def test_the_processor_makes_nearly_the_same(name: str) -> None:
    craft = crafts()[name]
    here, there = (rv.read_image(performed(craft, device=device).written[0]) for device in ("cpu", NAME))
    assert (here - there).abs().mean() < 0.004


@pytest.mark.parametrize("device", ["cuda:7", "gpu", "standin:3"])
def test_a_device_that_is_not_here_is_refused(device: str) -> None:
    with pytest.raises(RecipeError, match=f"there is no device '{device}' here; there is cpu"):
        performed(crafts()["dream"], device=device)
