"""Batches of photos enlarged, and painted at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reverie.cli import main
from reverie.crafts.registry import find, listings
from reverie.feedforward.johnson import draw_johnson, write_johnson
from reverie.jobs import batch
from reverie.jobs.gather import gather
from reverie.jobs.items import Item, is_made, items_of, parse_grid
from reverie.jobs.pool import ItemProgress, ProcessPool, make_item
from reverie.jobs.record import read_record
from reverie.pictures import read_image, read_picture, write_image
from tests.jobs.kept_runs import PROGRAM, prepared

WORDS = {
    "upscale": ("batch", "upscale", "photos", "--workers", "1"),
    "instant": ("batch", "instant", "photos", "--painting", "night.jpg", "--precision", "float32", "--workers", "1"),
}
MADE = {"upscale": ("ape", "cat"), "instant": ("ape-night", "cat-night")}
SIZE = {"upscale": (60, 80), "instant": (30, 40)}
each = pytest.mark.parametrize("name", WORDS)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with a folder of two photos and a broken file between them, and a painting."""
    monkeypatch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))
    for path in prepared(tmp_path, monkeypatch):
        Path("photos").mkdir()
        y, x = np.mgrid[:30, :40] / 40
        for number, name in enumerate(("ape", "cat")):
            pixels = np.stack([x, y, 0.5 + 0.5 * np.sin(20 * x * y + number)], axis=2)
            Image.fromarray((pixels * 255).astype(np.uint8)).save(f"photos/{name}.png")
        Path("photos/bad.jpg").write_bytes(b"this is no picture")
        yield path


def item(name: str, photo: str = "photos/cat.png", **given: object) -> Item:
    """One item, into the folder `out`."""
    Path("out").mkdir(exist_ok=True)
    files = {"photo": gather([photo]), **({"painting": gather(["night.jpg"])} if name == "instant" else {})}
    given |= {"precision": "float32"} if name == "instant" else {}
    (only,) = items_of(find(name), files, given, grid={}, folder=Path("out"))
    return only


def make(mine: Item) -> list[ItemProgress | str]:
    """Make an item in this process; what was told."""
    *told, error = make_item(mine, 1.0)
    assert error == ""
    return told


def own_network(path: str, seed: int = 1) -> None:
    """A small custom style network, drawn at random."""
    write_johnson(Path(path), draw_johnson(widths=(4, 6), blocks=1, seed=seed))


def rows() -> list[dict[str, object]]:
    return [json.loads(line) for line in Path("out/manifest.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", ["upscale", pytest.param("instant", marks=pytest.mark.slow)])
def test_a_bad_photo_fails_alone_and_nothing_is_made_twice(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*WORDS[name], "-o", "out"]) == 2
    ended = capsys.readouterr()
    assert ended.out.startswith("out  2 made, 1 failed  ") and ended.err.count("\n") == 1
    assert "bad" in ended.err and "cannot read" in ended.err
    made = [Path(f"out/{stem}.png") for stem in MADE[name]]
    assert [tuple(read_image(path).shape[2:]) for path in made] == [SIZE[name]] * 2
    before = {path: path.stat().st_mtime_ns for path in made}
    Path("photos/bad.jpg").unlink()
    assert main([*WORDS[name], "-o", "out"]) == 0
    assert capsys.readouterr().out.startswith("out  2 there already")
    assert before == {path: path.stat().st_mtime_ns for path in made}
    assert read_image("out/contact-sheet.jpg").shape[3] > 100


@pytest.mark.bits
@each
def test_the_single_command_gives_the_same_pixels_and_so_does_a_replay(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    list(make(item(name)))
    single = {"upscale": ["upscale", "photos/cat.png"], "instant": ["instant", "photos/cat.png", "night.jpg"]}[name]
    assert main([*single, *(["--precision", "float32"] if name == "instant" else []), "-o", "single.png"]) == 0
    (made,) = Path("out").glob("*.png")
    assert torch.equal(read_image(made), read_image("single.png"))
    assert read_record(made).settings == read_record(Path("single.png")).settings
    assert main(["replay", str(made)]) == 0
    assert "same pixels" in capsys.readouterr().out


@each
def test_an_item_is_made_once_and_again_where_a_wish_differs(name: str) -> None:
    mine = item(name)
    assert not is_made(mine)
    make(mine)
    assert is_made(mine)
    assert is_made(item(name, memory="3GB"))
    assert not is_made(item(name, **({"factor": 3} if name == "upscale" else {"strength": 0.5})))
    Image.new("RGB", (40, 30)).save("photos/cat.png")
    assert not is_made(mine)


def test_alpha_depth_and_mask_are_as_in_the_single_command() -> None:
    alpha = torch.linspace(0, 1, 40).expand(1, 1, 30, 40)
    write_image("photos/deep.png", read_image("photos/cat.png"), alpha=alpha, depth=16)
    for name in WORDS:
        mine = item(name, "photos/deep.png")
        make(mine)
        made = read_picture(mine.output)
        assert made.depth == 16 and made.alpha is not None and made.size == SIZE[name]
    mask = torch.zeros(1, 3, 30, 40)
    mask[..., 20:] = 1
    write_image("mask.png", mask)
    assert main([*WORDS["instant"], "--mask", "mask.png", "-o", "masked"]) == 2
    kept, photo = read_image("masked/cat-night-mask.png"), read_image("photos/cat.png")
    assert torch.equal(kept[..., :20], photo[..., :20]) and not torch.equal(kept[..., 20:], photo[..., 20:])


@pytest.mark.slow
def test_a_grid_and_the_sharp_network() -> None:
    Path("photos/bad.jpg").unlink()
    assert main([*WORDS["upscale"], "--variant", "sharp", "--grid", "factor=2,3", "-o", "out"]) == 0
    assert [read_image(f"out/cat-factor{n}.png").shape[3] for n in (2, 3)] == [80, 120]
    assert read_record(Path("out/cat-factor3.png")).networks[0].name == "superres-sharp"


def test_a_worker_looks_at_a_painting_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    instant: Any = sys.modules["reverie.recipes.instant"]  # where the craft has the module's name
    look = instant.encode

    def counted(*given: Any, **more: Any) -> Any:
        looked.extend([1] if more.get("keep") == () else [])
        return look(*given, **more)

    monkeypatch.setattr(instant, "encode", counted)
    instant._SEEN.clear()
    for photo in ("photos/ape.png", "photos/cat.png"):
        list(make(item("instant", photo)))
    assert looked == [1]
    Image.new("RGB", (50, 50), (200, 30, 30)).save("night.jpg")
    list(make(item("instant")))
    assert looked == [1, 1], "another picture of that name"


@pytest.mark.slow
@pytest.mark.bits
def test_custom_style_networks(capsys: pytest.CaptureFixture[str]) -> None:
    """Each by itself; as by the single command in as many threads; made anew only where the network has changed."""
    for seed, name in enumerate(("mine", "hers")):
        own_network(f"{name}.safetensors", seed)
    networks = ("--network", "mine.safetensors", "--network", "hers.safetensors")
    words = ["batch", "instant", "photos", *networks, "--precision", "float32", "--workers", "1", "-o", "out"]
    assert main(words) == 2 and capsys.readouterr().out.startswith("out  4 made, 2 failed  ")
    own, mine = ["--network", "mine.safetensors", "--precision", "float32"], Path("out/cat-mine.png")
    torch.set_num_threads(read_record(mine).threads)
    assert main(["instant", "photos/cat.png", *own, "-o", "single.png"]) == 0
    assert torch.equal(read_image(mine), read_image("single.png"))
    record, single = read_record(mine), read_record(Path("single.png"))
    assert (record.networks, record.settings) == (single.networks, single.settings)
    assert [i.role for i in record.inputs] == [i.role for i in single.inputs] == ["photo", "network"]
    assert not torch.equal(read_image(mine), read_image("out/cat-hers.png"))
    capsys.readouterr()
    assert main(["replay", str(mine)]) == 0 and "same pixels" in capsys.readouterr().out
    Path("photos/bad.jpg").unlink()
    own_network("hers.safetensors", seed=7)
    assert main(words) == 0 and capsys.readouterr().out.startswith("out  2 made, 2 there already")


@pytest.mark.slow
@each
def test_killed_for_want_of_memory_it_is_made_in_smaller_tiles(name: str) -> None:
    """The worker is killed while it is at the item, then makes it in half the tile."""
    Image.open("photos/cat.png").resize((1200, 40)).save("photos/cat.png")
    mine, pool, said, killed = item(name), ProcessPool(1, threads=1), list[str](), False
    with closing(batch.run([mine], Path("out"), lambda most: pool)) as course:
        for progress in course:
            if progress.item is not None and not killed:
                killed, process = True, pool._workers[0].process._process
                assert process is not None and process.pid is not None
                os.kill(process.pid, signal.SIGKILL)
            said += [progress.retry] if progress.retry else []
    tile = {"upscale": 256, "instant": 512}[name]
    assert "SIGKILL" in said[0] and said[0].endswith(f"Next in tiles of {tile} px.")
    assert rows()[0]["status"] == "made" and read_record(mine.output).settings["tile"] == tile


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")
@each
def test_a_batch_that_is_killed_goes_on(name: str) -> None:
    """SIGKILL to the batch when the first is made; the same command makes the others only."""
    Path("photos/bad.jpg").unlink()
    for number in range(4):
        Image.open("photos/cat.png").resize((120, 90)).save(f"photos/dog{number:02d}.png")
    words = [sys.executable, "-c", PROGRAM, *WORDS[name], "-o", "out", "--json"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert any(json.loads(line).get("status") == "made" for line in process.stdout)
    process.kill()
    process.communicate()
    before = {path: path.stat().st_mtime_ns for path in Path("out").glob("[!.c]*.png")}
    assert process.returncode == -signal.SIGKILL and 0 < len(before) < 6, "killed in the middle"
    assert main([*WORDS[name], "-o", "out"]) == 0
    assert before.items() <= {path: path.stat().st_mtime_ns for path in Path("out").glob("*.png")}.items()
    statuses = [row["status"] for row in rows()]
    assert len(statuses) == 6 and set(statuses) == {"made", "there"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("upscale", "photos", "--factor", "5"), "factor"),
        (("upscale", "photos", "--preset", "gentle"), "--preset"),
        (("upscale", "photos", "--grid", "strenght=1"), "strenght"),
        (("instant", "photos"), "a PAINTING or a --network; give one of the two"),
        (("instant", "photos", "--painting", "mosaic", "--network", "mine.safetensors"), "one of the two"),
        (("instant", "photos", "--network", "nobodys"), "no file or style network 'nobodys'"),
        (("instant", "photos", "--network", "night.jpg"), "night.jpg"),
        (("instant", "photos", "--network", "mine.safetensors", "--grid", "network=a,b"), "network"),
        (("instant", "photos", "--painting", "mosaik"), "mosaic"),
        (("instant", "photos", "--painting", "mosaic", "--strength", "2"), "strength"),
    ],
)
def test_what_is_refused(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    own_network("mine.safetensors")
    assert main(["batch", *words]) == 2
    ended = capsys.readouterr()
    assert said in ended.err and ended.err.count("\n") == 1, ended.err


def test_the_first_page_tells_what_batches_tell(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["batch"]) == 0
    out = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert all(listings()[name].summary in out for name in WORDS)
    assert parse_grid(["factor=2"], find("upscale").settings) == {"factor": ("2",)}
    for name in WORDS:
        assert main(["batch", name, "--help"]) == 0
        assert "--grid" in capsys.readouterr().out
