"""Networks of other packages: found by name everywhere, described, recorded; a broken one costs a warning."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

import reverie as rv
from reverie.cli import main
from reverie.errors import PluginWarning, RecipeError
from reverie.networks import plugins
from reverie.pictures import read_recipe
from tests.plugins.pages import install, run, write_files

PROJECT = """
[project]
name = "reverie-odd"
version = "1.0"
license = "BSD-2-Clause"

[project.entry-points."reverie.networks"]
"""
ODD = '''
import os

import torch
from torch import nn

import reverie as rv


def small(shift=0.0):
    module = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(8, 12, 3), nn.ReLU())
    generator = torch.Generator().manual_seed(int(os.environ.get("ODD_SEED", "1")))
    for weight in module.parameters():
        nn.init.normal_(weight, std=0.1, generator=generator)
    return rv.networks.wrap(module, mean=0.5, std=0.25, layers=["1", "4"])


def ours(pooling, padding, leak):
    return rv.networks.load(weights="random", pooling=pooling, padding=padding, leak=leak)


def words():
    """Tokens, of which no maps can be made, behind a layer that gives maps."""
    module = nn.Sequential(nn.Conv2d(3, 8, 8, stride=8), nn.GroupNorm(2, 8), nn.Flatten(2))
    return rv.networks.wrap(module, mean=0.5, std=0.25)


def failing():
    raise ZeroDivisionError("no\\nnetwork")


def nothing():
    return 7
'''
GOOD = {name: f"odd_networks:{name}" for name in ("small", "ours", "words")}
BROKEN = {name: f"odd_networks:{name}" for name in ("failing", "nothing", "missing")} | {"absent": "no_module:network"}


def installed(folder: Path, names: dict[str, str]) -> Path:
    """A folder with a package that adds networks."""
    points = "".join(f'{name} = "{value}"\n' for name, value in names.items())
    write_files({"odd/pyproject.toml": PROJECT + points, "odd/odd_networks.py": ODD}, folder)
    install(folder / "odd", folder / "packages")
    return folder / "packages"


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package of three networks that work and four that do not, and the name of one of ours."""
    known = {**GOOD, **BROKEN, "dreamnet": "odd_networks:small"}
    monkeypatch.syspath_prepend(str(installed(tmp_path, known)))
    monkeypatch.setenv("REVERIE_HOME", str(tmp_path / "home"))
    plugins.entries.cache_clear()
    with pytest.warns(PluginWarning, match="'dreamnet' is left out: there is a network of that name already"):
        rv.networks.names()
    yield
    plugins.entries.cache_clear()
    sys.modules.pop("odd_networks", None)


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    noise = torch.rand(40, 56, 3, generator=torch.Generator().manual_seed(0))
    Image.fromarray((noise * 255).byte().numpy()).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


QUICK = ("--size", "48", "--steps", "1", "--octaves", "1", "--precision", "float32")


def test_they_are_listed_and_loaded_by_name(odd: None) -> None:
    assert {*GOOD, *BROKEN} < {*rv.networks.names()} and rv.networks.names()[0] == "dreamnet"
    network = rv.networks.load("small")
    assert network.name == "small" and network.layers == ("1", "4")
    assert network.sha256 == rv.networks.load("small").sha256 != ""
    assert rv.networks.load("dreamnet").channels("relu3_2") == 128


def test_it_is_given_what_it_has_parameters_for(odd: None) -> None:
    assert rv.networks.load("ours", padding="circular").periodic
    assert not rv.networks.load("ours").periodic
    assert rv.networks.load("ours", leak=0.1).blueprint.node("relu1_1").op.leak == 0.1  # type: ignore[union-attr]
    assert rv.networks.load("small", pooling="average", padding="replicate").layers == ("1", "4")


def test_what_it_cannot_do_is_refused(odd: None) -> None:
    with pytest.raises(RecipeError, match="the network 'small' takes no leak"):
        rv.networks.load("small", leak=0.1)
    with pytest.raises(RecipeError, match="'small' brings its own weights"):
        rv.networks.load("small", weights="random")
    with pytest.raises(RecipeError, match="padding must be one of"):
        rv.networks.load("small", padding="mirror")  # type: ignore[arg-type]


def test_a_seamless_picture_is_refused_in_words(odd: None, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dream", str(photo), "--network", "small", "--seamless", *QUICK]) == 2
    assert "needs a network that reads round its edges, and small does not" in capsys.readouterr().err


def test_it_is_described(odd: None, capsys: pytest.CaptureFixture[str]) -> None:
    known = rv.networks.describe("small")
    assert (known.package, known.licence, known.download, known.classes) == ("reverie-odd", "BSD-2-Clause", 0, 0)
    assert [(la.name, la.kind, la.channels, la.stride) for la in known.layers] == [
        ("1", "relu", 8, 1),
        ("4", "relu", 12, 2),
    ]
    assert main(["networks", "small"]) == 0
    said = capsys.readouterr().out
    assert "in the package reverie-odd" in said and "BSD-2-Clause" in said


def test_layers_without_maps_are_described_too(odd: None, capsys: pytest.CaptureFixture[str]) -> None:
    conv, norm, tokens = rv.networks.describe("words").layers
    assert (conv.kind, conv.channels, conv.stride) == ("conv2d", 8, 8)
    assert (norm.kind, norm.channels, norm.stride, norm.field) == ("groupnorm", 8, None, None)
    assert (tokens.kind, tokens.channels) == ("flatten", None)
    assert main(["networks", "words"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["2", "flatten", "-", "-", "-", "-"] in rows, rows


def test_broken_ones_cost_a_warning_each(odd: None, capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert main(["networks"]) == 0
    told = [str(w.message) for w in said if issubclass(w.category, PluginWarning)]
    assert len(told) == len(BROKEN) and all("\n" not in line for line in told)
    assert any("'failing' is left out: " in line and "ZeroDivisionError: no network" in line for line in told)
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line]
    assert {*GOOD} < {*listed} and not {*BROKEN} & {*listed}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_one_is_refused_in_one_line(
    odd: None, name: str, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dream", str(photo), "--network", name, *QUICK]) == 2
    said = capsys.readouterr().err
    assert f"the plugin of the network '{name}'" in said and len(said.splitlines()) == 1
    assert main(["networks", name]) == 2
    assert [*photo.parent.glob("*dream*")] == []


def test_a_dream_is_recorded_and_replayed(odd: None, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dream", str(photo), "--network", "small", "-o", "out.png", *QUICK]) == 0
    (used,) = json.loads(read_recipe(Path("out.png")) or "")["networks"]
    assert used == {"name": "small", "sha256": rv.networks.load("small").sha256}
    assert main(["replay", "out.png"]) == 0
    assert "same pixels" in capsys.readouterr().out


def test_a_replay_notices_other_weights(
    odd: None, photo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["dream", str(photo), "--network", "small", "-o", "out.png", *QUICK]) == 0
    monkeypatch.setenv("ODD_SEED", "2")
    assert main(["replay", "out.png"]) == 2
    assert "the weights of small have changed since" in capsys.readouterr().err


def test_a_wish_for_classes_says_which_networks_have_some(
    odd: None, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.warns(PluginWarning):
        assert main(["dream", str(photo), "--network", "small", "--class", "castle", *QUICK]) == 2
    said = capsys.readouterr().err
    assert "small has no classes to dream of; dreamnet," in said and "ours" in said


@pytest.mark.slow
def test_a_batch_uses_it_in_its_workers(tmp_path: Path, photo: Path) -> None:
    packages = installed(tmp_path, GOOD)
    words = ["batch", "dream", "photo.png", "--network", "small", *QUICK, "--grid", "seed=0,1", "-o", "many"]
    done = run(["-m", "reverie", *words], tmp_path, packages)
    assert done.returncode == 0, done.stderr
    assert len([*(tmp_path / "many").glob("*.png")]) == 2
