from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reverie import styles
from reverie.jobs.record import read_record
from reverie.pictures import read_image, read_picture
from tests.cli.conftest import PAINTED, QUICK, Run


def test_dream_takes_a_fresh_name_and_says_so_in_one_line(reverie: Run) -> None:
    first = reverie("dream", "photo.png", *QUICK)
    assert (first.code, first.err) == (0, "")
    assert first.out.startswith("photo-dream.png  64x48  ")
    assert first.out.count("\n") == 1
    before = Path("photo-dream.png").read_bytes()
    assert reverie("dream", "photo.png", *QUICK).out.startswith("photo-dream-2.png  ")
    assert reverie("dream", "photo.png", *QUICK).out.startswith("photo-dream-3.png  ")
    assert Path("photo-dream.png").read_bytes() == before
    assert not torch.equal(read_image("photo-dream.png"), read_image("photo.png")[..., :48, :64])


def test_the_same_seed_is_the_same_picture_and_another_is_not(reverie: Run) -> None:
    for output, seed in (("a.png", 1), ("b.png", 1), ("c.png", 2)):
        assert reverie("dream", "photo.png", *QUICK, "--seed", seed, "-o", output).code == 0
    a, b, c = (read_image(f"{name}.png") for name in "abc")
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_style_with_two_paintings_and_weights(reverie: Run) -> None:
    ended = reverie("style", "photo.png", "night.jpg", "wave.jpg", "--weights", "2, 1", *PAINTED)
    assert ended.code == 0, ended.err
    record = read_record(Path("photo-night-wave.png"))
    assert record.settings["weights"] == [2.0, 1.0]
    assert [(i.role, i.path) for i in record.inputs] == [
        ("photo", "photo.png"), ("painting", "night.jpg"), ("painting", "wave.jpg"),
    ]  # fmt: skip
    unlike = reverie("style", "photo.png", "night.jpg", "--weights", "2,1", *PAINTED)
    assert unlike.code == 2 and "weights are one for each painting; got 2 for 1" in unlike.err


@pytest.mark.parametrize("flag", ["--optimiser", "--optimizer"])
def test_both_spellings(reverie: Run, flag: str) -> None:
    assert reverie("style", "photo.png", "night.jpg", flag, "lbfgs", *PAINTED, "-o", "o.png").code == 0
    assert read_record(Path("o.png")).settings["optimiser"] == "lbfgs"


def test_a_sample_style_by_name_but_a_file_of_that_name_wins(reverie: Run) -> None:
    name = styles.names()[0]
    assert reverie("style", "photo.png", name, *PAINTED).code == 0
    assert read_record(Path(f"photo-{name}.png")).inputs[1].path.endswith(f"{name}.jpg")
    Path(name).write_bytes(Path("night.jpg").read_bytes())
    assert reverie("style", "photo.png", name, *PAINTED).code == 0
    assert read_record(Path(f"photo-{name}-2.png")).inputs[1].path == name
    missing = reverie("style", "photo.png", "mosaik")
    assert missing.code == 2 and "mosaic" in missing.err and missing.err.count("\n") == 1


def test_dream_from_noise(reverie: Run) -> None:
    assert reverie("dream", "noise", *QUICK, "--compare").code == 0
    assert read_image("noise-dream.png").shape == (1, 3, 64, 64)
    assert read_record(Path("noise-dream.png")).inputs == ()
    assert read_image("noise-dream-compare.png").shape[3] > 2 * 64


def test_a_class_by_part_of_its_name(reverie: Run) -> None:
    assert reverie("dream", "noise", "--class", "espresso", *QUICK, "-o", "cup.png").code == 0
    assert read_record(Path("cup.png")).settings["class_name"] == ["espresso"]
    word = reverie("dream", "noise", "--class", "shark", *QUICK, "-o", "shark.png")
    assert word.code == 0 and word.err == "reverie: 'shark' is great white shark (2).\n"
    ambiguous = reverie("dream", "noise", "--class", "retriever", *QUICK)
    assert ambiguous.code == 2 and ambiguous.err.count("\n") == 1
    assert "golden retriever" in ambiguous.err
    assert reverie("dream", "noise", "--class", "xyzzy", *QUICK).code == 2


def test_a_guide_changes_the_dream(reverie: Run) -> None:
    assert reverie("dream", "photo.png", *QUICK, "-o", "free.png").code == 0
    assert reverie("dream", "photo.png", "--guide", "night.jpg", *QUICK, "-o", "led.png").code == 0
    assert not torch.equal(read_image("free.png"), read_image("led.png"))
    assert [i.role for i in read_record(Path("led.png")).inputs] == ["photo", "guide"]


def test_layers_and_a_misspelt_one(reverie: Run) -> None:
    layers = "relu3_2,relu4_2"
    assert reverie("dream", "photo.png", "--layers", layers, *QUICK, "-o", "o.png").code == 0
    assert read_record(Path("o.png")).settings["layers"] == ["relu3_2", "relu4_2"]
    wrong = reverie("dream", "photo.png", "--layers", "relu4-2", *QUICK, "-o", "o.png")
    assert wrong.code == 2 and wrong.err.count("\n") == 1
    assert "did you mean 'relu4_2'" in wrong.err.lower()


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".tif"])
def test_the_suffix_decides_and_the_record_survives(reverie: Run, suffix: str) -> None:
    assert reverie("dream", "photo.png", *QUICK, "-o", f"o{suffix}").code == 0
    assert read_record(Path(f"o{suffix}")).craft == "dream"
    assert read_image(f"o{suffix}").shape == (1, 3, 48, 64)


def test_numpy_output(reverie: Run) -> None:
    assert reverie("dream", "photo.png", *QUICK, "-o", "o.npy").code == 0
    values = np.load("o.npy")
    assert values.shape == (48, 64, 3) and values.dtype == np.float32
    assert 0 <= values.min() < values.max() <= 1


def test_sixteen_bits_stay_sixteen_where_the_format_has_them(reverie: Run, folder: Path) -> None:
    from reverie.pictures import write_image

    write_image(folder / "deep.png", torch.rand(1, 3, 40, 50), depth=16)
    for name, depth in (("o.png", 16), ("o.tif", 16), ("o.jpg", 8)):
        assert reverie("dream", "deep.png", *QUICK, "-o", name).code == 0
        assert read_picture(name).depth == depth
    assert len(np.unique(read_image("o.png").numpy())) > 256 * 3
    assert reverie("dream", "photo.png", *QUICK, "-o", "shallow.png").code == 0
    assert read_picture("shallow.png").depth == 8


def test_alpha_is_put_back_at_the_new_size(reverie: Run) -> None:
    rgba = np.asarray(Image.open("photo.png").convert("RGBA")).copy()
    rgba[:, :40, 3] = 0
    Image.fromarray(rgba).save("clear.png")
    assert reverie("dream", "clear.png", *QUICK, "-o", "o.png").code == 0
    alpha = read_picture("o.png").alpha
    assert alpha is not None and alpha.shape == (1, 1, 48, 64)
    assert alpha[..., :28].max() < 0.1 and alpha[..., 36:].min() > 0.9


def test_save_every(reverie: Run) -> None:
    ended = reverie("dream", "photo.png", *QUICK, "--octaves", 2, "--save-every", 2)
    assert ended.code == 0
    assert sorted(p.name for p in Path().glob("photo-dream*")) == [
        "photo-dream-0002.png", "photo-dream-0004.png", "photo-dream.png",
    ]  # fmt: skip
    stop = read_record(Path("photo-dream-0002.png")).stopped
    assert stop is not None and (stop.stage, stop.step) == (1, 2)
    assert read_record(Path("photo-dream-0004.png")).stopped is None
    assert torch.equal(read_image("photo-dream-0004.png"), read_image("photo-dream.png"))
    Path("photo-dream.png").unlink()
    again = reverie("dream", "photo.png", *QUICK, "--save-every", 2)
    assert again.out.startswith("photo-dream-2.png"), "older pictures on the way are not replaced"


def test_compare_and_report_are_pictures_worth_looking_at(reverie: Run) -> None:
    ended = reverie("style", "photo.png", "night.jpg", *QUICK, "--compare", "--report", "-o", "o.jpg")
    assert "also o-compare.png, o-report.png" in ended.out
    compare = read_image("o-compare.png")
    assert compare.shape[2] >= 48 and compare.shape[3] > 2 * 64
    report = np.asarray(Image.open("o-report.png"))
    assert report.shape == (800, 1280, 3)
    assert (report == 255).all(axis=2).mean() > 0.8
    for colour in ((0x0B, 0x6F, 0xB8), (0xD9, 0x54, 0x1E), (0x1C, 0x9A, 0x6C)):
        assert (report == colour).all(axis=2).sum() > 20


def test_json_lines_and_nothing_else(reverie: Run) -> None:
    ended = reverie("dream", "photo.png", *QUICK, "--octaves", 2, "--save-every", 4, "--json")
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert [e["event"] for e in events] == ["began", *["step"] * 4, "saved", "ended"]
    steps = [e for e in events if e["event"] == "step"]
    assert [e["done"] for e in steps] == sorted(e["done"] for e in steps)
    assert steps[-1]["done"] == 1 and steps[-1]["width"] == 64 and steps[-1]["losses"]
    assert events[0]["settings"]["size"] == 64
    assert Path(events[-1]["output"]).exists() and events[-1]["seconds"] > 0
    assert ended.err == ""
    failed = reverie("dream", "nothing.png", "--json")
    assert json.loads(failed.out)["event"] == "error" and failed.code == 2


def test_automatic_precision_is_recorded_as_what_it_was(reverie: Run) -> None:
    assert reverie("dream", "noise", "--size", 32, "--steps", 1, "--octaves", 1).code == 0
    assert read_record(Path("noise-dream.png")).settings["precision"] in ("float32", "bfloat16")
