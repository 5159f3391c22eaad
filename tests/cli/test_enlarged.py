"""``--upscale``: the finished picture of a craft, enlarged before it is written."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import torch
from rich.console import Console

from reverie.cli.progress import Screen
from reverie.engine.memory import resident
from reverie.feedforward import load_superres
from reverie.jobs import items, presets
from reverie.jobs.events import Enlarging
from reverie.jobs.presets import Preset
from reverie.jobs.record import read_record
from reverie.jobs.weights import weights_now
from reverie.pictures import read_image, read_picture, write_image
from reverie.recipes import UpscaleSettings, upscale
from tests.cli.conftest import QUICK, Run

DREAM = ("dream", "photo.png", *QUICK, "--octaves", "1")
STYLE = ("style", "photo.png", "night.jpg", *QUICK, "--start", "photo")
TEXTURE = ("texture", "night.jpg", "--seamless", *QUICK[:-4], "--steps", "1", *QUICK[-2:])
EACH = [DREAM, pytest.param(STYLE, marks=pytest.mark.slow), pytest.param(TEXTURE, marks=pytest.mark.slow)]
NAMES = ["dream", "style", "texture"]


@pytest.mark.parametrize("words", [DREAM, EACH[1], TEXTURE], ids=NAMES)
def test_it_is_the_same_picture_enlarged(reverie: Run, words: tuple[str, ...]) -> None:
    assert reverie(*words, "-o", "plain.npy").code == 0
    assert reverie(*words, "--upscale", 3, "-o", "large.npy").code == 0
    seamless = words is TEXTURE
    how = UpscaleSettings(factor=3, seamless=seamless, tile=256, precision="float32")
    expected = upscale(read_image("plain.npy"), how)
    assert torch.equal(read_image("large.npy"), expected)


@pytest.mark.parametrize("words", EACH, ids=NAMES)
def test_the_record_says_it_and_a_replay_gives_the_same_pixels(reverie: Run, words: tuple[str, ...]) -> None:
    ended = reverie(*words, "--upscale", 2, "-o", "o.png")
    assert ended.code == 0 and ended.out.startswith("o.png  128x")
    assert read_record(Path("o.png")).settings["upscale"] == 2
    ended = reverie("replay", "o.png")
    assert ended.out.startswith("o-replay.png  128x") and "same pixels" in ended.out


def test_the_record_names_what_enlarged_it_and_a_replay_checks_it(reverie: Run) -> None:
    assert reverie(*DREAM, "--upscale", 2, "--save-every", 1, "-o", "o.png").code == 0
    assert reverie(*DREAM, "-o", "plain.png").code == 0
    record = read_record(Path("o.png"))
    dreamed, enlarger = record.networks
    assert (dreamed.name, enlarger.name) == ("dreamnet", "superres-faithful")
    assert enlarger.sha256 == load_superres().sha256
    assert read_record(Path("plain.png")).networks == (dreamed,), "nothing enlarges it"
    assert read_record(Path("o-0001.png")).networks == (dreamed,), "nothing has enlarged it yet"
    older = record.model_copy(update={"networks": (dreamed, replace(enlarger, sha256="0" * 64))})
    write_image("older.png", read_image("o.png"), recipe=older.to_json())
    ended = reverie("replay", "older.png")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "weights of superres-faithful have changed" in ended.err and "--anyway" in ended.err
    assert "same pixels" in reverie("replay", "older.png", "--anyway").out
    assert "same pixels" in reverie("replay", "o-0001.png").out


def test_it_is_said_that_the_picture_is_enlarged(reverie: Run) -> None:
    """After the last step, before the end; and not where nothing is."""
    for more, expected in ((("--upscale", 3), [{"event": "enlarging", "width": 192, "height": 144}]), ((), [])):
        events = [json.loads(line) for line in reverie(*DREAM, *more, "--json", "-o", "o.png").out.splitlines()]
        kinds = [event["event"] for event in events]
        assert kinds[-1] == "ended" and kinds[-2 if not more else -3] == "step"
        assert [event for event in events if event["event"] == "enlarging"] == expected


def test_the_bar_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, text = Screen(), StringIO()
    monkeypatch.setattr(screen, "_console", Console(file=text, force_terminal=True, width=100))
    screen.show(Enlarging((480, 640)))
    screen.close()
    assert "enlarging to 640x480" in text.getvalue()


def test_alpha_and_sixteen_bits(reverie: Run) -> None:
    alpha = torch.linspace(0, 1, 80).expand(1, 1, 60, 80)
    write_image("deep.png", read_image("photo.png"), alpha=alpha, depth=16)
    assert reverie("dream", "deep.png", *DREAM[2:], "--upscale", 2, "--compare", "-o", "o.tif").code == 0
    large = read_picture("o.tif")
    assert large.depth == 16 and large.size == (96, 128) and large.alpha is not None
    assert (large.alpha - torch.linspace(0, 1, 128)).abs().max() < 0.02


def test_pictures_on_the_way_stay_as_they_are(reverie: Run) -> None:
    assert reverie(*DREAM, "--upscale", 2, "--save-every", 1, "-o", "o.png").code == 0
    assert read_image("o-0001.png").shape == (1, 3, 48, 64)
    ended = reverie("replay", "o-0001.png")
    assert ended.out.startswith("o-0001-replay.png  64x48") and "same pixels" in ended.out


def test_a_remix_of_it(reverie: Run) -> None:
    assert reverie(*DREAM, "--upscale", 2, "-o", "o.png").code == 0
    assert reverie("remix", "o.png", "--strength", 0.5, "-o", "softer.png").out.startswith("softer.png  128x96")


def test_a_plan_counts_it(reverie: Run) -> None:
    plan = json.loads(reverie(*DREAM, "--upscale", 4, "--dry-run", "--json", "-o", "o.png").out)
    assert (plan["size"], plan["result"], plan["disk"]) == ([48, 64], [192, 256], 3 * 192 * 256)
    said = reverie(*DREAM, "--upscale", 4, "--dry-run").out
    assert said.startswith("64x48 whole, enlarged to 256x192: ")
    large = ("dream", "noise", "--size", 128, "--steps", 1, "--octaves", 1, "--dry-run", "--json")
    peaks = [json.loads(reverie(*large, *more).out)["peak"] for more in ((), ("--upscale", 4))]
    assert peaks[1] > peaks[0] + 512**2 * 20


def test_a_preset_may_carry_it(reverie: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    preset = Preset(craft="dream", summary="large", settings={"upscale": 2})
    monkeypatch.setattr(presets, "find_preset", lambda name, craft: preset)
    assert reverie(*DREAM, "--preset", "large").out.startswith("photo-large.png  128x96")
    assert presets.presets(), "the others are as they were"


@pytest.mark.slow
def test_a_grid_may_carry_it(reverie: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("batch", *DREAM, "--octaves", 1, "--grid", "upscale=1,3", "--workers", 1, "-o", "made")
    assert reverie(*words).code == 0
    assert [read_image(f"made/photo-upscale{n}.png").shape[3] for n in (1, 3)] == [64, 192]
    assert "2 there already" in reverie(*words).out
    monkeypatch.setattr(items, "weights_now", lambda used: "1" * 64 if "superres" in used.name else weights_now(used))
    assert "1 made, 1 there already" in reverie(*words).out, "other weights enlarge it anew, and only it"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*DREAM, "--upscale", 5), "upscale: "),
        ((*DREAM, "--upscale", 0), "upscale: "),
        ((*STYLE, "--upscale", "two"), "upscale: "),
        (("zoom", *DREAM[1:], "--upscale", 2), "leave out --upscale"),
        (("dream", "photo.png", "--size", 20_000, "--upscale", 4, "-o", "o.jpg"), "80000x80000"),
    ],
)
def test_what_is_refused_before_any_work(reverie: Run, words: tuple[object, ...], said: str) -> None:
    before = sorted(p.name for p in Path().iterdir())
    ended = reverie(*words)
    assert (ended.code, ended.err.count("\n")) == (2, 1) and said in ended.err, ended.err
    assert sorted(p.name for p in Path().iterdir()) == before


def test_the_enlarged_picture_must_fit(reverie: Run) -> None:
    allowed = f"{resident() // 10**6 + 300}MB"  # enough to draw the noise, not for 4800 x 4800 pixels
    ended = reverie("dream", "noise", "--size", 1200, "--upscale", 4, "--memory", allowed)
    assert (ended.code, ended.err.count("\n")) == (2, 1) and "once it is enlarged" in ended.err, ended.err
