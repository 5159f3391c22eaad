"""``reverie train style``, and painting with what it makes."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reverie.feedforward.custom import styles_folder
from reverie.feedforward.johnson import Johnson, draw_johnson, read_johnson, write_johnson
from reverie.jobs.record import read_record
from reverie.pictures import read_image
from tests.cli.conftest import Run

TINY = (
    "--crop", "64", "--size", "80", "--batch", "2", "--width", "4", "--blocks", "1", "--precision", "float32",
)  # fmt: skip
FLOAT32 = ("--precision", "float32")  # nothing is measured first
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(autouse=True)
def own_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home of this test's own, photos to learn from, and a network ready to paint."""
    monkeypatch.setenv("REVERIE_HOME", str(folder / "home"))
    Path("photos").mkdir()
    generator = np.random.default_rng(1)
    for i in range(3):
        coarse = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((110, 80), Image.Resampling.BICUBIC).save(f"photos/{i}.png")
    facts = {"painting": "night.jpg", "steps": 5, "seconds": 90.0, "settings": {"size": 80}, "judge": "dreamnet"}
    write_johnson(Path("mine.safetensors"), draw_with(facts))


def draw_with(facts: dict[str, object]) -> Johnson:
    from dataclasses import replace

    return replace(draw_johnson(widths=(4, 6), blocks=1, seed=2), facts=facts)


def words(*more: object) -> tuple[object, ...]:
    return ("train", "style", "night.jpg", "--photos", "photos", *TINY, *more)


def tensors(path: str) -> dict[str, torch.Tensor]:
    return dict(read_johnson(Path(path)).tensors)


def same(a: str, b: str) -> bool:
    mine, its = tensors(a), tensors(b)
    return mine.keys() == its.keys() and all(torch.equal(mine[key], its[key]) for key in mine)


def test_a_network_is_trained_and_paints(reverie: Run) -> None:
    ended = reverie(*words("--steps", 3, "-o", "night.safetensors"))
    assert ended.code == 0 and ended.out.startswith("night.safetensors  3 steps") and ended.err == ""
    assert "also night-preview.png" in ended.out and read_image("night-preview.png").shape[3] == 1040
    assert not Path("night.reverie").exists()
    facts = read_johnson(Path("night.safetensors")).facts
    assert facts["painting"] == "night.jpg" and len(facts["painting_sha256"]) == 64 and facts["steps"] == 3
    assert facts["settings"]["width"] == 4 and facts["style_weight"] > 0 and facts["photos"] == 3
    shown = reverie("networks", "night.safetensors")
    assert shown.code == 0 and "night.jpg" in shown.out and "3 steps" in shown.out and "width=4" in shown.out
    painted = reverie("instant", "photo.png", "--network", "night.safetensors", "--precision", "float32")
    assert painted.code == 0 and painted.out.startswith("photo-night.png  80x60")
    record = read_record(Path("photo-night.png"))
    assert [i.role for i in record.inputs] == ["photo", "network"]
    assert [n.name for n in record.networks] == ["custom style"]
    again = reverie("replay", "photo-night.png")
    assert again.code == 0 and "same pixels" in again.out


def test_without_a_name_it_goes_among_the_custom_styles(reverie: Run) -> None:
    assert reverie(*words("--steps", 1)).code == 0
    ended = reverie(*words("--steps", 1))
    assert ended.code == 0 and "night-2.safetensors" in ended.out, "the finished one is left alone"
    assert sorted(p.name for p in styles_folder().glob("*.safetensors")) == ["night-2.safetensors", "night.safetensors"]
    listed = reverie("networks")
    assert listed.code == 0 and "your own styles" in listed.out and "night-2" in listed.out
    assert "dreamnet" in listed.out
    assert "night.jpg" in reverie("networks", "night-2").out
    (styles_folder() / "bad.safetensors").write_bytes(b"nothing")
    assert "damaged" in reverie("networks").out
    ended = reverie("instant", "photo.png", "--network", "night-2", *FLOAT32)
    assert ended.code == 0 and Path("photo-night-2.png").exists()
    assert reverie("replay", "photo-night-2.png").code == 0


def killed_after(process: subprocess.Popen[str], steps: int) -> bool:
    """Read a process's steps, then kill it; whether it was still at work."""
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "step" and json.loads(line)["step"] >= steps:
            time.sleep(0.02)
            process.kill()
            process.communicate()  # until the one that does the work has ended, too
            return process.returncode == -9
    return False


@pytest.mark.slow
def test_killed_and_resumed_is_uninterrupted(reverie: Run, start: Start) -> None:
    """Killed twice; the same command goes on once, and 'reverie resume' once."""
    assert reverie(*words("--steps", 12, "-o", "whole.safetensors")).code == 0
    mine = words("--steps", 12, "-o", "o.safetensors", "--checkpoint-every", 0)
    assert killed_after(start(*mine, "--json"), 3)
    assert killed_after(start(*mine, "--json"), 7)
    assert not Path("o.safetensors").exists()
    ended = reverie("resume", "o.reverie")
    assert ended.code == 0 and "going on after stage 1, step" in ended.err
    assert same("o.safetensors", "whole.safetensors") and not Path("o.reverie").exists()


@pytest.mark.slow
def test_ctrl_c_keeps_it(reverie: Run, start: Start) -> None:
    import signal

    process = start(*words("--steps", 3000, "-o", "o.safetensors"), "--json")
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "step":
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate(timeout=60)
    last = json.loads(out.splitlines()[-1])
    assert process.returncode == 130 and err == ""
    assert last["event"] == "stopped" and last["resume"] == "reverie resume o.reverie"
    other = reverie(*words("--steps", 2000, "-o", "o.safetensors"))
    assert other.code == 2 and "holds another unfinished run" in other.err, "another training is not gone on with"
    Image.new("RGB", (90, 90)).save("photos/new.png")
    process = start("resume", "o.reverie", "--json")
    assert process.stdout is not None
    events = [json.loads(process.stdout.readline()) for _ in range(4)]
    assert [event["event"] for event in events] == ["note", "began", "step", "note"]
    assert "going on after" in events[0]["message"] and "not the same as before" in events[3]["message"]


def test_photos_that_cannot_be_read_are_noted(reverie: Run) -> None:
    Path("photos/0.png").write_bytes(b"nothing")
    Image.new("RGB", (9, 9)).save("photos/1.png")
    ended = reverie(*words("--steps", 2, "-o", "o.safetensors"))
    assert ended.code == 0 and "0.png' is left out" in ended.err and "1.png' is left out" in ended.err


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("--minutes", "0"), "minutes: input should be greater than 0"),
        (("--steps", "0"), "steps: input should be greater than or equal to 1"),
        (("--style-weight", "much"), "style_weight: input should be a valid number"),
        (("--style-weight", "-3"), "style_weight: input should be greater than 0"),
        (("--style-weight", "nan"), "style_weight: input should be"),
        (("--style-weight", "1e30"), "style_weight: input should be less than or equal to 100000"),
        (("--photos", "empty"), "the folder 'empty' holds no picture"),
        (("--photos", "nowhere"), "there is no file or folder 'nowhere'"),
        (
            ("--photos", "bad"),
            "none of the photos can be read: 'bad/x.jpg': it is not a whole picture of a known kind",
        ),
        (("-o", "mine.png"), "writes .safetensors files"),
        (("-o", "no/mine.safetensors"), "there is no folder"),
        (("--network", "vgg"), "there is no network 'vgg'"),
    ],
)
def test_bad_words_are_refused_in_one_line(reverie: Run, more: tuple[str, ...], line: str) -> None:
    Path("empty").mkdir()
    Path("bad").mkdir()
    Path("bad/x.jpg").write_bytes(b"nothing")
    ended = reverie(*words("--steps", 1, *more))
    assert ended.code == 2 and line in ended.err and ended.err.count("\n") == 1 and ended.out == ""
    assert not list(Path().rglob("*.reverie")), "nothing is kept of what was refused, among one's own styles neither"


def test_photos_lie_in_folders_of_folders(reverie: Run) -> None:
    for name in ("album/2024/summer", "album/.thumbnails", "album/old.reverie/inputs"):
        Path(name).mkdir(parents=True)
    Path("photos/0.png").rename("album/2024/summer/0.png")
    for name in (".thumbnails/x.png", "old.reverie/inputs/x.png"):
        shutil.copy("photos/1.png", f"album/{name}")
    ended = reverie("train", "style", "night.jpg", "--photos", "album", *TINY, "--steps", 1, "-o", "o.safetensors")
    assert ended.code == 0 and "o.safetensors  1 step  " in ended.out
    assert read_johnson(Path("o.safetensors")).facts["photos"] == 1, "hidden folders and kept runs are no albums"


@pytest.mark.slow
def test_a_training_that_is_gone_on_with_has_no_tiles(reverie: Run, start: Start) -> None:
    assert killed_after(start(*words("--steps", 500, "-o", "o.safetensors", "--checkpoint-every", 0), "--json"), 3)
    ended = reverie("resume", "o.reverie", "--tile", 64)
    assert (
        ended.code == 2
        and ended.err.count("\n") == 1
        and "train style has no tiles and runs on one machine" in ended.err
    )
    assert "leave out --tile and --cluster" in ended.err
    assert Path("o.reverie/job.json").exists()


@pytest.mark.slow
def test_it_goes_on_from_another_folder(reverie: Run, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    assert killed_after(start(*words("--steps", 30, "-o", "o.safetensors", "--checkpoint-every", 0), "--json"), 3)
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    ended = reverie("resume", "../o.reverie")
    assert ended.code == 0 and "30 steps" in ended.out and Path("../o.safetensors").exists()


def test_a_missing_painting_is_refused(reverie: Run) -> None:
    for word in ("gone.jpg", "nigth-strokes"):
        ended = reverie("train", "style", word, "--photos", "photos", "--steps", 1)
        assert ended.code == 2 and ended.err.count("\n") == 1
    Path("text.jpg").write_text("no picture")
    assert reverie("train", "style", "text.jpg", "--photos", "photos", "--steps", 1).code == 2
    assert reverie("train").code == 0 and "style" in reverie("train").out


def test_a_folder_of_photos_is_painted(reverie: Run) -> None:
    ended = reverie("instant", "photos", "--network", "mine.safetensors", "-o", "done", "--size", 48, *FLOAT32)
    assert ended.code == 0
    assert sorted(p.name for p in Path("done").iterdir()) == [f"{i}-mine.png" for i in range(3)]


def test_dials_of_instant_work_with_a_network(reverie: Run) -> None:
    mask = np.zeros((60, 80), dtype=np.uint8)
    mask[:, 40:] = 255
    Image.fromarray(mask).save("mask.png")
    base = ("instant", "photo.png", "--network", "mine.safetensors", "--precision", "float32")
    assert reverie(*base, "-o", "whole.png", "--tile", 0).code == 0
    assert reverie(*base, "-o", "tiled.png", "--tile", 32).code == 0
    assert reverie(*base, "-o", "half.png", "--strength", 0.5).code == 0
    assert reverie(*base, "-o", "masked.png", "--mask", "mask.png").code == 0
    assert reverie(*base, "-o", "grey.png", "--colour", "photo").code == 0
    photo, whole, tiled, half, masked, grey = (
        read_image(f"{name}.png") for name in ("photo", "whole", "tiled", "half", "masked", "grey")
    )
    assert (whole - tiled).abs().max() < 0.006 < (whole - photo).abs().mean()
    assert torch.allclose(half, (photo + whole) / 2, atol=0.006)
    assert torch.equal(masked[..., :38], photo[..., :38]) and (masked - photo)[..., 42:].abs().mean() > 0.02
    assert (grey.mean((2, 3)) - photo.mean((2, 3))).abs().max() < (whole.mean((2, 3)) - photo.mean((2, 3))).abs().max()


def test_a_size_far_from_the_trained_is_noted(reverie: Run) -> None:
    ended = reverie("instant", "photo.png", "--network", "mine.safetensors", "--size", 256, *FLOAT32)
    assert ended.code == 0 and "trained for 80 px" in ended.err and "--size 160" in ended.err


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("night.jpg", "--network", "mine.safetensors"), "give one of the two"),
        ((), "give one of the two"),
        (("--network", "gone"), "there is no file or style network 'gone'"),
        (("--network", "photo.png"), "not a readable .pth"),
        (("--network", "mine.safetensors", "--weights", "1"), "leave --weights out"),
        (("--network", "mine.safetensors", "--stroke", "2"), "ask for another --size"),
        (("--network", "mine.safetensors", "--colour", "palette"), "palette"),
        (
            ("--network", "mine.safetensors", "--size", "300", "--memory", "1MB"),
            "and 1 MB are allowed. Try --memory ",
        ),
    ],
)
def test_what_does_not_suit_a_network_is_refused(reverie: Run, more: tuple[str, ...], line: str) -> None:
    ended = reverie("instant", "photo.png", *FLOAT32, *more)
    assert ended.code == 2 and line in ended.err and ended.err.count("\n") == 1


def test_the_size_that_is_painted_must_suit_not_the_photos(reverie: Run) -> None:
    Image.new("RGB", (10, 8), (90, 120, 60)).save("small.png")
    Image.new("RGB", (400, 3)).save("line.png")
    ended = reverie("instant", "small.png", "--network", "mine.safetensors", "--size", 40, "-o", "o.png", *FLOAT32)
    assert ended.code == 0 and ended.out.startswith("o.png  40x32")
    for photo in ("small.png", "line.png"):
        ended = reverie("instant", photo, "--network", "mine.safetensors", "-o", "no.png", *FLOAT32)
        assert ended.code == 2 and "16 pixels or more each way" in ended.err
        assert ended.err.count("\n") == 1, "no advice for what is refused"
        assert not Path("no.png").exists()


def test_another_network_is_not_replayed(reverie: Run) -> None:
    assert reverie("instant", "photo.png", "--network", "mine.safetensors", "-o", "o.png", *FLOAT32).code == 0
    write_johnson(Path("mine.safetensors"), draw_johnson(widths=(4, 6), blocks=1, seed=3))
    ended = reverie("replay", "o.png")
    assert ended.code == 2 and "is not the network this picture was made from" in ended.err
    Path("mine.safetensors").unlink()
    assert "the network 'mine.safetensors' is not here" in reverie("replay", "o.png").err
    assert reverie("networks", "mine.safetensors").code == 2


@pytest.mark.slow
def test_clients_train_a_network_together(reverie: Run) -> None:
    for number, name in enumerate(("ann", "bob")):
        Path("clients", name).mkdir(parents=True)
        shutil.copy(f"photos/{number}.png", f"clients/{name}")
    given = ("train", "style", "night.jpg", "--photos", "clients", *TINY, "--steps", 3, "--federated")
    ended = reverie(*given, "--clip", 1, "--noise", 30, "--style-weight", 10, "-o", "ours.safetensors")
    assert ended.code == 0 and "hidden with epsilon" in ended.err
    assert read_johnson(Path("ours.safetensors")).facts["settings"]["federated"] is True
    assert "two or more; got one" in reverie(*words("--steps", 1, "--federated", "-o", "mine.safetensors")).err
