"""An atlas: what the photos show, the grid of activations, and the page in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

import reverie as rv
from reverie.engine import SeriesStep
from reverie.errors import LayerNotFound, RecipeError
from reverie.networks import Network
from reverie.recipes import AtlasSettings, atlas
from reverie.recipes.parts.activation_grid import activation_grid
from reverie.recipes.parts.scanning import scan
from tests.conftest import MakePicture
from tests.export.driven_chromium import browser, missing


def settings(**choices: object) -> AtlasSettings:
    return AtlasSettings.model_validate({"steps": 2, "grid": 3, "precision": "float32", **choices})


@pytest.fixture
def photos(tmp_path: Path, make_picture: MakePicture) -> list[Path]:
    """Seven photos, and a file that is none."""
    paths = [tmp_path / f"photo <{i}>.png" for i in range(7)]
    for i, path in enumerate(paths):
        rv.write_image(path, make_picture(i, 40, 50))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    return [*paths, tmp_path / "broken.png"]


def data_of(page: bytes) -> dict[str, Any]:
    found = re.search(rb'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def last(network: Network, photos: list[Path] | None = None, **choices: object) -> SeriesStep:
    *_, step = atlas(settings(**choices), photos=photos, network=network)
    assert isinstance(step, SeriesStep)
    return step


def test_every_channel_of_every_layer(tiny: Network) -> None:
    page = last(tiny).document
    assert page is not None
    data = data_of(page)
    assert [layer["name"] for layer in data["layers"]] == ["relu1", "relu2", "relu3"]
    assert [len(layer["figures"]) for layer in data["layers"]] == [8, 12, 16]
    assert data["grid"] is None and data["layers"][0]["patches"] is None
    assert all(len(f["classes"]) == 3 for layer in data["layers"] for f in layer["figures"])


def test_the_figures_are_the_networks(tiny: Network) -> None:
    step = last(tiny, layers="relu3")
    (pictures,) = step.pictures
    assert step.document is not None
    figures = data_of(step.document)["layers"][0]["figures"]
    means = tiny(pictures, ["relu3"])["relu3"].mean((2, 3)).diagonal()
    assert torch.allclose(torch.tensor([f["activation"] for f in figures]), means, rtol=1e-3, atol=1e-4)


def test_the_strongest_places_are_found(tiny: Network, photos: list[Path]) -> None:
    found = scan(tiny, photos, ["relu2"], of="relu3", count=2, seed=0)
    assert len(found.paths) == 7  # without the broken one
    maps = torch.stack([tiny(rv.read_image(path), ["relu2"])["relu2"][0] for path in found.paths])
    order = maps.flatten(2).max(2).values.topk(2, dim=0)
    assert torch.allclose(found.best["relu2"].values, order.values)
    assert torch.equal(found.best["relu2"].photos, order.indices)
    assert found.vectors.shape[1] == 16 and len(found.vectors) % 7 == 0
    patches = found.patches("relu2", 12)
    assert patches.shape == (12, 2, 3, 12, 12) and 0 <= float(patches.min()) <= float(patches.max()) <= 1


def test_no_photo_at_all_is_refused(tiny: Network, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(RecipeError, match="not one of the 1 photos"):
        list(atlas(settings(), photos=[tmp_path / "broken.png"], network=tiny))
    with pytest.raises(LayerNotFound):
        atlas(settings(layers="relu9"), network=tiny)


def test_the_grid_lays_alike_things_together() -> None:
    """Points of a curved strip in 12 dimensions: neighbours on the grid are neighbours on the strip."""
    generator = torch.Generator().manual_seed(0)
    t = torch.rand(2000, 2, generator=generator)
    basis = torch.randn(4, 12, generator=generator)
    curved = torch.cat([t[:, :1], t[:, 1:], t[:, :1].mul(3).sin(), t[:, 1:].mul(2).cos()], dim=1)
    vectors = 1 + curved @ basis
    means, counts = activation_grid(vectors, 6)
    assert int(counts.sum()) == 2000 and int((counts > 0).sum()) >= 30
    unit = torch.nn.functional.normalize(means, dim=1).view(6, 6, 12)
    across = (unit[:, 1:] - unit[:, :-1]).norm(dim=2).mean() + (unit[1:] - unit[:-1]).norm(dim=2).mean()
    flat = unit.flatten(0, 1)
    anywhere = torch.cdist(flat, flat).mean()
    assert float(across / 2) < 0.5 * float(anywhere)
    again, _ = activation_grid(vectors, 6)
    assert torch.equal(means, again)


def test_few_activations_fill_the_grid_too() -> None:
    means, counts = activation_grid(torch.rand(3, 5, generator=torch.Generator().manual_seed(1)), 4)
    assert means.shape == (16, 5) and int(counts.sum()) == 3 and bool(torch.isfinite(means).all())


def test_names_of_files_and_classes_are_text(tiny: Network) -> None:
    page = last(tiny, layers="relu1").document
    assert page is not None
    assert page.count(b"</script>") == 2 and b"://" not in page.split(b'id="data"')[0]


def test_a_page_goes_on_bit_for_bit(tiny: Network, photos: list[Path]) -> None:
    def series() -> rv.engine.Series:
        return atlas.function(settings(layers="relu1,relu3"), photos=photos, network=tiny)

    plan = series().planned()
    *_, whole = series().steps(plan)
    for stop in (1, 2, 5):
        state = next(s.state() for i, s in enumerate(series().steps(plan), start=1) if i == stop)
        *_, resumed = series().steps(plan, state=state)
        assert resumed.document == whole.document


@pytest.mark.slow
def test_in_a_browser(tiny: Network, photos: list[Path], tmp_path: Path) -> None:
    if missing():
        pytest.skip("NOT TESTED IN A BROWSER: chromium or chromedriver is missing (Debian: chromium, chromium-driver)")
    page = tmp_path / "an atlas.html"
    made = last(tiny, photos).document
    assert made is not None
    page.write_bytes(made)
    with browser(tmp_path / "profile") as window:
        window.open(page.as_uri())
        assert window.run("return document.title") == "Atlas of Sequential"
        assert window.run("return document.querySelectorAll('.cell').length") == 8 + 12 + 16 + 9
        assert window.until("[...document.querySelectorAll('.cell')].every(c => c.style.backgroundImage)")
        window.click("#relu3 .cell:nth-child(6)")
        assert window.run("return document.querySelector('aside strong').textContent") == "relu3:5"
        assert window.run("return document.querySelectorAll('aside .patches div').length") == 5
        command = window.run("return document.querySelector('aside code').textContent")
        assert command == "reverie dream photo.jpg --channels relu3:5 --network Sequential"
        window.type("#search", "relu2:1")
        titles = "return [...document.querySelectorAll('.cell:not(.hidden)')].map(c => c.title)"
        assert [title.split()[0] for title in window.run(titles)] == ["relu2:1", "relu2:10", "relu2:11"]
        likely = data_of(made)["layers"][2]["figures"][0]["classes"][0]
        window.run(f"const s = document.getElementById('search'); s.value = '{likely}'; s.oninput({{target: s}})")
        found = window.run(titles)
        assert found and all(likely in title for title in found)
        assert not window.complaints()
        assert [a for a in window.requested() if a.startswith("http")] == []
