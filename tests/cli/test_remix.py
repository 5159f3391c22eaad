from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import reverie as rv
from reverie.cli import main
from reverie.jobs.record import read_record
from reverie.pictures import read_image, read_picture, remix, scaled, srgb_to_oklab, write_image
from reverie.recipes.remix import RemixSettings
from tests.cli.conftest import PAINTED, QUICK, Run, write_pictures


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a painted photo, which lies beside what it is made from."""
    folder = write_pictures(tmp_path_factory.mktemp("painted"))
    inputs = (str(folder / name) for name in ("photo.png", "night.jpg"))
    assert main(["style", *inputs, *QUICK, "-o", str(folder / "o.png")]) == 0
    return (folder / "o.png").read_bytes()


@pytest.fixture(scope="module")
def dreamed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Files of dreams, from noise and on a photo that lies beside them."""
    folder = write_pictures(tmp_path_factory.mktemp("dreamed"))
    for name, given in (("noise", "noise"), ("dream", str(folder / "photo.png"))):
        assert main(["dream", given, *QUICK, "--octaves", "1", "-o", str(folder / f"{name}.png")]) == 0
    return {name: (folder / name).read_bytes() for name in ("noise.png", "dream.png")}


@pytest.fixture
def result(folder: Path, painted: bytes) -> Path:
    """``o.png``, a painted photo."""
    Path("o.png").write_bytes(painted)
    return Path("o.png")


def test_weaker_and_in_the_photos_colours(reverie: Run, result: Path) -> None:
    ended = reverie("remix", result, "--strength", 0.5, "--colour", "photo")
    assert ended.code == 0 and ended.out.startswith("o-remix.png  64x48")
    photo = scaled(read_image("photo.png"), (48, 64))
    wanted = remix(photo, read_image(result), strength=0.5, mode="photo")
    assert (read_image("o-remix.png") - wanted).abs().max() <= 0.5 / 255 + 1e-6
    assert (srgb_to_oklab(read_image("o-remix.png")) - srgb_to_oklab(photo))[:, 1:].abs().max() < 0.01


def test_one_is_the_result_and_nothing_is_the_photo(reverie: Run, result: Path) -> None:
    assert reverie("remix", result, "-o", "one.png").code == 0
    assert torch.equal(read_image("one.png"), read_image(result))
    assert reverie("remix", result, "--strength", 0, "-o", "none.png").code == 0
    photo = scaled(read_image("photo.png"), (48, 64))
    assert (read_image("none.png") - photo).abs().max() <= 0.5 / 255 + 1e-6


def test_its_record_makes_it_again(reverie: Run, result: Path) -> None:
    assert reverie("remix", result, "--strength", 1.3, "--color", "palette", "--color-amount", 0.5).code == 0
    record = read_record(Path("o-remix.png"))
    mixed = {"strength": 1.3, "colour": "palette", "colour_amount": 0.5, "seamless": False}
    assert record.craft == "remix" and record.settings == mixed
    wanted = [("result", "o.png"), ("photo", "photo.png"), ("painting", "night.jpg")]
    assert [(i.role, i.path) for i in record.inputs] == wanted
    ended = reverie("replay", "o-remix.png")
    assert ended.code == 0 and "same pixels" in ended.out
    assert read_record(Path("o-remix-replay.png")) == record
    result.unlink()
    lost = reverie("replay", "o-remix.png")
    assert lost.code == 2 and "'o.png' is not here" in lost.err and lost.err.count("\n") == 1


def test_a_remix_can_be_remixed(reverie: Run, result: Path) -> None:
    assert reverie("remix", result, "--strength", 0.7).code == 0
    assert reverie("remix", "o-remix.png", "--colour", "mean", "-o", "twice.png").code == 0
    inputs = read_record(Path("twice.png")).inputs
    assert [i.path for i in inputs] == ["o-remix.png", "photo.png", "night.jpg"]
    assert "same pixels" in reverie("replay", "twice.png").out


def test_inputs_are_found_elsewhere_and_paths_follow_the_output(reverie: Run, result: Path) -> None:
    Path("kept").mkdir()
    Path("out").mkdir()
    Path("photo.png").rename("kept/photo.png")
    lost = reverie("remix", result, "--strength", 0.5)
    assert lost.code == 2 and "--inputs" in lost.err
    assert reverie("remix", result, "--strength", 0.5, "--inputs", "kept", "-o", "out/r.png").code == 0
    assert reverie("remix", result, "--strength", 0.5, "--photo", "kept/photo.png", "-o", "named.png").code == 0
    assert torch.equal(read_image("out/r.png"), read_image("named.png"))
    record = read_record(Path("out/r.png"))
    assert [i.path for i in record.inputs] == ["../o.png", "../kept/photo.png", "../night.jpg"]
    assert "same pixels" in reverie("replay", "out/r.png", "--inputs", "kept").out


def test_paintings_are_needed_for_their_colours_only(reverie: Run, result: Path) -> None:
    Path("night.jpg").unlink()
    assert reverie("remix", result, "--strength", 0.5).code == 0
    ended = reverie("remix", result, "--colour", "palette")
    assert ended.code == 2 and "palette" in ended.err and ended.err.count("\n") == 1


def test_it_keeps_the_suffix_of_its_result(reverie: Run, result: Path) -> None:
    assert reverie("style", "photo.png", "night.jpg", *PAINTED, "-o", "o.jpg").code == 0
    assert reverie("remix", "o.jpg").out.startswith("o-remix.jpg  ")


def test_alpha_and_sixteen_bits(reverie: Run) -> None:
    alpha = torch.linspace(0, 1, 80).expand(1, 1, 60, 80)
    write_image("deep.png", read_image("photo.png"), alpha=alpha, depth=16)
    assert reverie("dream", "deep.png", *QUICK, "-o", "o.tif").code == 0
    assert reverie("remix", "o.tif", "--strength", 0.5, "-o", "r.png").code == 0
    before, after = read_picture("o.tif"), read_picture("r.png")
    assert after.depth == 16 and after.alpha is not None and before.alpha is not None
    assert (after.alpha - before.alpha).abs().max() < 1 / 255
    assert reverie("remix", "o.tif", "-o", "r.jpg").code == 0
    assert read_picture("r.jpg").depth == 8


def test_an_enlarged_photo(reverie: Run) -> None:
    assert reverie("upscale", "photo.png", "-o", "o.png").code == 0
    assert reverie("remix", "o.png", "--strength", 0.5).code == 0
    assert read_image("o-remix.png").shape == (1, 3, 120, 160)
    assert "same pixels" in reverie("replay", "o-remix.png").out


def test_a_seamless_result_stays_so(reverie: Run) -> None:
    across = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    flat = torch.full((1, 3, 64, 64), 0.5)
    half = rv.recipes.remix(flat, across, RemixSettings(strength=0.0, seamless=True))
    assert (half[..., 0] - half[..., -1]).abs().max() < 0.1
    assert torch.equal(rv.recipes.remix(flat, across, RemixSettings(strength=0.0)), across)
    assert reverie("dream", "photo.png", *QUICK, "--octaves", 1, "--seamless", "-o", "s.png").code == 0
    assert reverie("remix", "s.png", "--strength", 0.5).code == 0
    assert read_record(Path("s-remix.png")).settings["seamless"] is True, "as its recipe says"


def test_progress_for_a_machine(reverie: Run, result: Path) -> None:
    ended = reverie("remix", result, "--json")
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert [e["event"] for e in events] == ["began", "step", "ended"] and events[-1]["output"] == "o-remix.png"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("none.png",), "none.png"),
        (("photo.png",), "no recipe"),
        (("noise.png",), "without one"),
        (("o.png", "--strength", 1.6), "strength: "),
        (("o.png", "--strength", "nan"), "strength: "),
        (("o.png", "--colour", "photos"), "'histogram'"),
        (("o.png", "--colour-amount", -1), "color_amount: "),
        (("dream.png", "--colour", "palette"), "palette"),
        (("o.png", "-o", "o.png"), "made from"),
        (("o.png", "-o", "photo.png"), "made from"),
        (("o.png", "-o", "o.exe"), "o.exe"),
    ],
)
def test_what_is_refused(
    reverie: Run, result: Path, dreamed: dict[str, bytes], words: tuple[object, ...], said: str
) -> None:
    for name, content in dreamed.items():
        Path(name).write_bytes(content)
    names = sorted(Path().iterdir())
    ended = reverie("remix", *words)
    assert ended.code == 2 and said in ended.err and ended.err.count("\n") == 1
    assert sorted(Path().iterdir()) == names


def test_another_photo_of_the_same_name_is_refused(reverie: Run, result: Path) -> None:
    Image.new("RGB", (80, 60)).save("photo.png")
    ended = reverie("remix", result, "--strength", 0.5)
    assert ended.code == 2 and "sha256" in ended.err


def test_frames_of_a_zoom_are_refused_but_for_the_first(reverie: Run) -> None:
    assert reverie("zoom", "photo.png", *QUICK, "--octaves", 1, "--frames", 2, "--frame-steps", 1, "-o", "z").code == 0
    assert reverie("remix", "z/00000.png", "--strength", 0.5, "-o", "r.png").code == 0
    ended = reverie("remix", "z/00001.png", "--strength", 0.5)
    assert ended.code == 2 and "frame of a zoom" in ended.err and ended.err.count("\n") == 1
