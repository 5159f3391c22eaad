"""``reverie zoom``: frames in a folder, gone on with after a kill, joined to a film, replayed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from reverie.jobs import film
from reverie.jobs.events import Event, Saved
from reverie.jobs.record import read_record
from reverie.pictures import magnified, read_image, read_picture, scaled, write_image
from tests.cli.conftest import Run

QUICK = (
    "--size",
    "48",
    "--steps",
    "2",
    "--octaves",
    "2",
    "--frame-steps",
    "1",
    "--precision",
    "float32",
    "--tile",
    "0",
)
FRAMES = 40  # many more than are written between a frame and a kill, on however busy a machine
Start = Callable[..., subprocess.Popen[str]]


def after_frame(process: subprocess.Popen[str]) -> None:
    """Wait until a zoom that tells in JSON has saved a frame."""
    assert process.stdout is not None
    assert any(json.loads(line)["event"] == "saved" for line in process.stdout), "it ended before its first frame"


def bytes_of(folder: str | Path) -> dict[str, bytes]:
    """The frames; a killed process may leave a hidden half of one."""
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir()) if path.name[0] != "."}


@pytest.fixture(autouse=True)
def no_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the extra is not installed."""
    monkeypatch.setattr(film, "find_spec", lambda name: None)


def test_frames_in_a_folder(reverie: Run) -> None:
    ended = reverie("zoom", "photo.png", *QUICK, "--frames", 3)
    assert ended.code == 0 and ended.out.startswith("photo-zoom  48x36")
    assert "reverie-dream[video]" in ended.err
    assert sorted(bytes_of("photo-zoom")) == ["00000.png", "00001.png", "00002.png"]
    assert not Path("photo-zoom.reverie").exists()
    records = [read_record(Path(f"photo-zoom/0000{n}.png")) for n in range(3)]
    assert [(r.craft, r.settings["frames"], r.frame) for r in records] == [("zoom", n + 1, n) for n in range(3)]
    assert reverie("zoom", "photo.png", *QUICK, "--frames", 3).out.startswith("photo-zoom-2")


def test_a_frame_is_replayed(reverie: Run) -> None:
    assert reverie("zoom", "photo.png", *QUICK, "--frames", 3, "-o", "z").code == 0
    for number in (0, 1, 2):
        ended = reverie("replay", f"z/0000{number}.png")
        assert ended.code == 0 and ended.out.startswith(f"0000{number}-replay  48x36") and "same pixels" in ended.out
        assert len(bytes_of(f"0000{number}-replay")) == number + 1


def test_a_gif(reverie: Run) -> None:
    assert reverie("zoom", "photo.png", *QUICK, "--frames", 3, "-o", "z.gif").code == 0
    with Image.open("z.gif") as image:
        assert isinstance(image, GifImageFile) and (image.n_frames, image.size) == (3, (48, 36))
    assert len(bytes_of("z")) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="signals are other ones there")
@pytest.mark.slow
@pytest.mark.parametrize("way", ["the same command", "resume"])
def test_killed_and_gone_on_with(reverie: Run, start: Start, way: str) -> None:
    """To the byte; what is made is not made again."""
    command = ("zoom", "photo.png", *QUICK, "--frames", FRAMES)
    assert reverie(*command, "-o", "whole").code == 0
    process = start(*command, "-o", "z", "--json")
    after_frame(process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL and 0 < len(bytes_of("z")) < FRAMES, "killed in the middle"
    first = Path("z/00000.png").stat().st_mtime_ns
    assert Path("z.reverie/job.json").exists()
    assert reverie("zoom", "photo.png", *QUICK, "--frames", FRAMES, "--seed", 9, "-o", "z").code == 2
    again = reverie(*command, "-o", "z") if way == "the same command" else reverie("resume", "z.reverie")
    assert again.code == 0
    assert bytes_of("z") == bytes_of("whole") and Path("z/00000.png").stat().st_mtime_ns == first
    assert not Path("z.reverie").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are other ones there")
def test_a_signal_stops_it_and_says_how_to_go_on(reverie: Run, signalled: Callable[[type[Event], int], None]) -> None:
    signalled(Saved, signal.SIGTERM)
    ended = reverie("zoom", "photo.png", *QUICK, "--frames", 50, "-o", "z", "--json")
    last = json.loads(ended.out.splitlines()[-1])
    assert ended.code == 143 and 0 < len(bytes_of("z")) < 50
    assert (last["event"], last["resume"]) == ("stopped", "reverie resume z.reverie")


def test_what_is_refused(reverie: Run) -> None:
    Path("full").mkdir()
    Path("full/other.txt").write_text("mine")
    for words, said in (
        (("-o", "full"), "holds something already"),
        (("-o", "z.png"), "into a folder, or a film"),
        (("-o", "z.mp4"), "reverie-dream[video]"),
        (("--compare",), "No such option: --compare"),
        (("--seamless", "-o", "z"), "leave out one of the two"),
        (("--rate", "1", "-o", "z"), "greater than 1"),
        (("--class", "castel", "-o", "z"), "did you mean"),
    ):
        ended = reverie("zoom", "photo.png", *QUICK, "--frames", 3, *words)
        assert (ended.code, ended.err.count("\n")) == (2, 1) and said in ended.err, ended.err
    assert not Path("z").exists() and [p.name for p in Path("full").iterdir()] == ["other.txt"]


def test_alpha_is_magnified_with_the_frames(reverie: Run) -> None:
    alpha = torch.zeros(1, 1, 60, 80)
    alpha[..., 40:] = 1
    write_image("cut.png", read_image("photo.png"), alpha=alpha)
    assert reverie("zoom", "cut.png", *QUICK, "--frames", 2, "--rate", 2, "-o", "z").code == 0
    first, second = (read_picture(f"z/0000{number}.png").alpha for number in range(2))
    assert first is not None and second is not None
    expected = magnified(scaled(alpha, (36, 48)), 2.0).clamp(0, 1)
    assert (second - expected).abs().max() < 1 / 255 and not torch.equal(first, second)


def test_dry_run_leaves_nothing(reverie: Run) -> None:
    assert reverie("zoom", "photo.png", *QUICK, "--frames", 3, "--dry-run").code == 0
    assert not Path("photo-zoom").exists()


def test_pictures_by_role(reverie: Run, folder: Path) -> None:
    """--like takes files and folders, --mask is a picture."""
    (folder / "many").mkdir()
    for name in ("night", "wave"):
        (folder / "many" / f"{name}.jpg").write_bytes(Path(f"{name}.jpg").read_bytes())
    mask = Image.new("L", (80, 60), 0)
    mask.paste(255, (40, 0, 80, 60))
    mask.save("mask.png")
    words = ("dream", "photo.png", "--size", 80, "--steps", 1, "--octaves", 1)
    assert reverie(*words, "--like", "many", "--avoid-like", "night.jpg", "-o", "a.png").code == 0
    roles = [wanted.role for wanted in read_record(Path("a.png")).inputs]
    assert roles == ["photo", "like", "like", "avoid_like"]
    assert "same pixels" in reverie("replay", "a.png").out
    assert reverie(*words, "--mask", "mask.png", "-o", "b.png").code == 0
    with Image.open("photo.png") as photo, Image.open("b.png") as kept:
        left, right = (0, 0, 40, 60), (40, 0, 80, 60)
        assert photo.convert("RGB").crop(left).tobytes() == kept.crop(left).tobytes()
        assert photo.convert("RGB").crop(right).tobytes() != kept.crop(right).tobytes()
