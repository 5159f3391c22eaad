"""Batches: every picture with every setting, failures apart, nothing twice."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reverie.cli import main
from reverie.crafts.registry import find
from reverie.errors import FileError, PictureError, RecipeError
from reverie.jobs import batch
from reverie.jobs.gather import gather
from reverie.jobs.items import Item, is_made, items_of, parse_grid
from reverie.jobs.manifest import Row
from reverie.jobs.pool import ItemEnded, ItemProgress, ItemStepped, ProcessPool, WorkerPool, make_item
from reverie.jobs.processes import describe_death
from reverie.jobs.ray_pool import RayPool
from reverie.jobs.record import read_record
from reverie.pictures import read_image
from reverie.recipes.dream import DreamSettings
from reverie.recipes.style import StyleSettings

QUICK = {"size": 40, "steps": 1, "precision": "float32"}
WORDS = ("--size", "40", "--steps", "1", "--precision", "float32", "--workers", "1")
Make = Callable[..., tuple[Item, ...]]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a folder of two photos and a broken file between them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REVERIE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    Path("photos").mkdir()
    y, x = np.mgrid[:30, :40] / 40
    for number, name in enumerate(("ape", "cat")):
        pixels = np.stack([x, y, 0.5 + 0.5 * np.sin(20 * x * y + number)], axis=2)
        Image.fromarray((pixels * 255).astype(np.uint8)).save(f"photos/{name}.png")
    Path("photos/bad.jpg").write_bytes(b"this is no picture")
    return tmp_path


@pytest.fixture
def dreams() -> Make:
    """Items of small dreams, into the folder `out`."""

    def items(*words: str, grid: tuple[str, ...] = (), **given: object) -> tuple[Item, ...]:
        files = {"photo": gather(words or ("photos",), noise=True)}
        chosen = parse_grid(grid, DreamSettings)
        return items_of(find("dream"), files, {**QUICK, "octaves": 1, **given}, grid=chosen, folder=Path("out"))

    return items


def make(item: Item) -> list[float]:
    """Make an item in this process; the shares that were told."""
    *told, error = make_item(item, 1.0)
    if error:
        raise PictureError(str(error))
    return [each.done for each in told if isinstance(each, ItemProgress)]


class Here(WorkerPool):
    """One worker, in this process."""

    def __init__(self) -> None:
        self.item: Item | None = None

    @property
    def free(self) -> bool:
        return self.item is None

    @property
    def busy(self) -> bool:
        return self.item is not None

    def give(self, item: Item) -> None:
        self.item = item

    def wait(self, seconds: float) -> list[ItemStepped | ItemEnded]:
        item, self.item = self.item, None
        assert item is not None
        try:
            shares = make(item)
        except PictureError as error:
            return [ItemEnded(item, 0.1, str(error))]
        return [ItemStepped(item, shares[0]), ItemEnded(item, 0.1, None)]

    def close(self) -> None:
        self.item = None


def rows_of(course: Iterator[batch.Progress]) -> dict[str, Row]:
    return {p.row.item.name: p.row for p in course if p.row is not None}


def nobody(most: int) -> WorkerPool:
    raise AssertionError("nothing was to be made")


# --- items ---------------------------------------------------------------------------------------


def test_every_photo_with_every_painting_and_value() -> None:
    files = {"photo": gather(["photos"]), "painting": gather(["mosaic", "night-strokes"], samples=True)}
    grid = parse_grid(["strength=0.5,2", "layers=relu1_2+relu2_2"], StyleSettings)
    items = items_of(find("style"), files, QUICK, grid=grid, folder=Path("out"))
    assert len(items) == 3 * 2 * 2
    assert items[0].output == Path("out/ape-mosaic-strength0.5-layers-relu1_2+relu2_2.png")
    settings = find("style").checked(items[0].job.settings)
    assert settings == StyleSettings(strength=0.5, layers=("relu1_2", "relu2_2"), **QUICK)
    assert list(items[0].job.inputs) == ["photo", "painting"]
    assert len({item.name.casefold() for item in items}) == len(items)


def test_names_tell_files_of_one_name_apart() -> None:
    places = ["a/cat.png", "a/cat.jpg", "b/cat.png", "a/Cat2.png", "b/cat2.png", "noise.png"]
    for place in places:
        Path(place).parent.mkdir(exist_ok=True)
        Path(place).touch()
    files = {"photo": gather(["noise", *places], noise=True)}
    names = [i.name for i in items_of(find("dream"), files, {}, grid={}, folder=Path("out"))]
    assert len({name.casefold() for name in names}) == 7
    assert names == [i.name for i in items_of(find("dream"), files, {}, grid={}, folder=Path("out"))]
    assert {"noise", "noise-png", "cat-jpg"} <= set(names)


def test_words_that_mean_pictures() -> None:
    Path("list.txt").write_text("# mine\nphotos/cat.png\n\nphotos/missing.png\n")
    assert gather(["photos"]) == (Path("photos/ape.png"), Path("photos/bad.jpg"), Path("photos/cat.png"))
    assert gather(["list.txt", "photos/cat.png"]) == (Path("photos/cat.png"), Path("photos/missing.png"))
    assert gather(["noise"], noise=True) == (None,)
    for words in (["nothing"], ["noise"], ["home"]):
        Path("home").mkdir(exist_ok=True)
        with pytest.raises(PictureError):
            gather(words)
    with pytest.raises(PictureError, match="Did you mean 'mosaic'"):
        gather(["mosaik"], samples=True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["strenght=1"], "'strength'"),
        (["strength"], "0.5,1,2"),
        (["strength="], "0.5,1,2"),
        (["seed=1", "seed=2"], "once"),
    ],
)
def test_grids_that_make_no_sense(words: list[str], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        parse_grid(words, StyleSettings)


def test_values_are_checked_before_any_work(dreams: Make) -> None:
    with pytest.raises(RecipeError, match="strength"):
        dreams(grid=("strength=1,ninety",))
    with pytest.raises(RecipeError, match="style takes a PAINTING or a --find-painting"):
        items_of(find("style"), {"photo": gather(["photos"])}, {}, grid={}, folder=Path("out"))


# --- making --------------------------------------------------------------------------------------


def test_an_item_is_made_once(dreams: Make) -> None:
    (item,) = dreams("photos/cat.png")
    Path("out").mkdir()
    assert not is_made(item)
    assert make(item)[0] == 0.0
    assert is_made(item)
    assert read_image(item.output).shape == (1, 3, 30, 40)
    assert not is_made(dreams("photos/cat.png", strength=2)[0])
    assert not is_made(dreams("photos/cat.png", tile=16)[0])
    assert is_made(dreams("photos/cat.png", memory="3GB")[0])
    Image.new("RGB", (40, 30)).save("photos/cat.png")
    assert not is_made(item)


def test_failures_are_apart_and_nothing_is_made_twice(dreams: Make) -> None:
    items = dreams("photos", grid=("seed=1,2",))
    with closing(batch.run(items, Path("out"), lambda most: Here())) as course:
        rows = rows_of(course)
    assert {name: row.status for name, row in rows.items()} == {
        "ape-seed1": "made", "ape-seed2": "made", "cat-seed1": "made", "cat-seed2": "made",
        "bad-seed1": "failed", "bad-seed2": "failed",
    }  # fmt: skip
    assert "bad.jpg" in str(rows["bad-seed1"].error)
    Path("photos/bad.jpg").unlink()
    before = {p: p.stat().st_mtime_ns for p in Path("out").glob("*-seed*.png")}
    items = dreams("photos", grid=("seed=1,2",))
    assert {row.status for row in rows_of(batch.run(items, Path("out"), nobody)).values()} == {"there"}
    assert before == {p: p.stat().st_mtime_ns for p in before}
    lines = [json.loads(line) for line in Path("out/manifest.jsonl").read_text().splitlines()]
    assert (lines[0]["item"], lines[0]["status"], lines[0]["seconds"]) == ("ape-seed1", "there", 0.1)
    assert lines[0]["settings"]["seed"] == 1 and lines[0]["inputs"] == {"photo": "photos/ape.png"}
    with Path("out/manifest.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["item"] for row in table] == [line["item"] for line in lines]
    assert set(table[0]) == {"item", "inputs", "settings", "status", "seconds", "output", "error", "note"}
    assert read_image("out/contact-sheet.jpg").shape[3] > 100


def test_two_batches_do_not_work_on_one_folder(dreams: Make) -> None:
    items = dreams("photos/cat.png")
    with closing(batch.run(items, Path("out"), lambda most: Here())) as first:
        next(first)
        with pytest.raises(FileError, match="another process works on"):
            next(batch.run(items, Path("out"), nobody))
    Path("file").touch()
    with pytest.raises(FileError, match="cannot make 'file'"):
        next(batch.run(items, Path("file"), nobody))


@pytest.mark.parametrize("name", ["ape.png", "manifest.csv", "manifest.jsonl", "contact-sheet.jpg"])
def test_what_another_put_there_is_not_replaced(dreams: Make, name: str) -> None:
    Path("out").mkdir()
    mine = Path("out") / name
    mine.write_bytes(b"my own")
    with pytest.raises(FileError, match="is not replaced") as caught:
        next(batch.run(dreams("photos/ape.png"), Path("out"), nobody))
    assert name in str(caught.value) and "\n" not in str(caught.value)
    assert mine.read_bytes() == b"my own" and list(Path("out").iterdir()) == [mine]


def test_a_batch_s_own_output_is_made_again(dreams: Make) -> None:
    items = dreams("photos/ape.png")
    rows_of(batch.run(items, Path("out"), lambda most: Here()))
    whole = Path("out/ape.png").read_bytes()
    Path("out/ape.png").write_bytes(whole[:100])
    assert rows_of(batch.run(items, Path("out"), lambda most: Here()))["ape"].status == "made"
    assert Path("out/ape.png").read_bytes() == whole


def test_a_photo_named_like_the_sheet(dreams: Make) -> None:
    """It has another name in the batch, and the sheet is no photo of the next one."""
    Path("photos/ape.png").rename("photos/contact-sheet.png")
    (item,) = dreams("photos/contact-sheet.png")
    assert item.name == "picture-contact-sheet"
    rows_of(batch.run([item], Path("out"), lambda most: Here()))
    assert gather(["out"]) == (Path("out/picture-contact-sheet.png"),)
    assert gather(["photos/contact-sheet.png"]) == (Path("photos/contact-sheet.png"),)


def test_more_photos_change_no_name(dreams: Make) -> None:
    """Emoji and symbols of any script stay; what must be changed gets digits of its own."""
    names = ["🐱", "🐶🏽", "👨‍👩‍👧", "★", "猫", "a b", "a?b", "?!", "?", "n" * 250, "n" * 249 + "m", "😀" * 62]
    for name in names:
        shutil.copy("photos/ape.png", f"photos/{name}.png")
    alone = {name: dreams(f"photos/{name}.png")[0].name for name in names}
    together = dict(zip(names, (item.name for item in dreams(*(f"photos/{name}.png" for name in names))), strict=True))
    assert len({name.casefold() for name in together.values()}) == len(names)
    assert all(len(f"{name}.png".encode()) <= 255 for name in together.values())
    for name in set(names) - {"a b", "a?b"}:
        assert together[name] == alone[name]
    assert [alone[name] for name in names[:5]] == names[:5]


def planned(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """The names that a batch of dreams into `out` would give."""
    capsys.readouterr()
    assert main(["batch", "dream", *words, "-o", "out", "--dry-run"]) == 0
    return [Path(line).stem for line in capsys.readouterr().out.splitlines()]


@pytest.mark.slow
def test_another_photo_of_one_stem_renames_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """What an earlier batch into the folder named, keeps its name; the others are told apart from it."""
    for place in ("a/cat.jpg", "a/cat.png", "b/cat.png"):
        Path(place).parent.mkdir(exist_ok=True)
        shutil.copy("photos/cat.png", place)
    both, seeds = ("a/cat.jpg", "b/cat.png"), ("--grid", "seed=1,2")
    assert planned(capsys, *both) == ["cat-jpg", "cat-png"]
    assert main(["batch", "dream", "a/cat.jpg", "-o", "out", "--octaves", "1", *WORDS]) == 0
    before = Path("out/cat.png").stat()
    assert planned(capsys, *both) == ["cat", "cat-png"] and planned(capsys, *both[::-1]) == ["cat-png", "cat"]
    assert planned(capsys, "a") == ["cat", "cat-png"]
    assert planned(capsys, str(Path("a/cat.jpg").absolute()), both[1]) == ["cat", "cat-png"]
    assert planned(capsys, *both, *seeds) == ["cat-jpg-seed1", "cat-png-seed1", "cat-jpg-seed2", "cat-png-seed2"]

    assert main(["batch", "dream", *both, "-o", "out", "--octaves", "1", *WORDS]) == 0
    assert "1 made, 1 there already" in capsys.readouterr().out
    assert os.path.samestat(before, Path("out/cat.png").stat())
    assert planned(capsys, "b/cat.png") == ["cat-png"], "nor does one renamed that is alone now"
    assert planned(capsys, *both, "a/cat.png") == ["cat", "cat-png", "a-cat"]


OUTSIDE = '{"item": "../x", "inputs": {"photo": "photos/cat.png"}, "settings": {"craft": "dream"}}'


@pytest.mark.parametrize("damage", ["{", "[]", '{"item": 1}', OUTSIDE, OUTSIDE.replace("photos", r"\u0000")])
def test_names_of_a_damaged_manifest_count_for_nothing(capsys: pytest.CaptureFixture[str], damage: str) -> None:
    Path("out").mkdir()
    Path("out/manifest.jsonl").write_text(damage)
    assert planned(capsys, "photos/cat.png") == ["cat"]


def test_how_workers_die() -> None:
    assert "SIGKILL" in describe_death(-9) and "memory" in describe_death(-9)
    assert "exit code 3" in describe_death(3)


# --- workers -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_killed_worker_costs_nothing_but_time(dreams: Make) -> None:
    items = dreams("photos/ape.png", "photos/cat.png", steps=200)
    pool = ProcessPool(1, threads=1)
    killed: list[str] = []
    rows: dict[str, Row] = {}
    for progress in batch.run(items, Path("out"), lambda most: pool):
        if not killed and progress.item is not None and 0 < progress.done < 0.5:
            process = pool._workers[0].process._process
            assert process is not None and process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            killed.append(progress.item.name)
        if progress.retry is not None:
            assert "SIGKILL" in progress.retry
            killed.append("retried")
        if progress.row is not None:
            rows[progress.row.item.name] = progress.row
    assert killed == ["ape", "retried"]
    assert {row.status for row in rows.values()} == {"made"}
    Path("here").mkdir()
    again = items_of(
        find("dream"), {"photo": gather(["photos/ape.png"])}, items[0].job.settings, grid={}, folder=Path("here")
    )
    make(again[0])
    assert torch.equal(read_image("out/ape.png"), read_image("here/ape.png"))


@pytest.mark.slow
def test_killed_for_want_of_memory_it_is_made_in_smaller_tiles(dreams: Make) -> None:
    items = dreams("photos/ape.png", size=160, steps=6)
    pool, said = ProcessPool(1, threads=1), list[str]()
    for progress in batch.run(items, Path("out"), lambda most: pool):
        if progress.item is not None and progress.row is None and progress.retry is None and len(said) < 2:
            process = pool._workers[0].process._process
            assert process is not None and process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
        said += [progress.retry] if progress.retry else []
    first, second = said
    assert "SIGKILL" in first and first.endswith("Next in tiles of 128 px.")
    assert "SIGKILL" in second and "Next" not in second, "they are the smallest: once more as they are"
    (row,) = [json.loads(line) for line in Path("out/manifest.jsonl").read_text().splitlines()]
    assert (row["status"], row["note"]) == ("made", "in tiles of 128 px, since its worker was killed")
    assert read_record(items[0].output).settings["tile"] == 128
    assert is_made(items[0]) and is_made(dreams("photos/ape.png", size=160, steps=6, tile=256)[0])
    assert {r.note for r in rows_of(batch.run(items, Path("out"), nobody)).values()} == {row["note"]}


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_a_killed_actor_costs_nothing_but_time(dreams: Make) -> None:
    ray = pytest.importorskip("ray")
    items, pools = dreams("photos/ape.png", steps=200), []
    events: list[str] = []

    def pool(most: int) -> WorkerPool:
        pools.append(RayPool("local", most=most, count=1))
        return pools[0]

    for progress in batch.run(items, Path("out"), pool):
        if not events and progress.done > 0:
            ray.kill(pools[0]._actors[0])
            events.append("killed")
        if progress.retry is not None:
            events.append(progress.retry)
        if progress.row is not None:
            events.append(progress.row.status)
    assert events == ["killed", "its worker died; there may be too little memory.", "made"]
    assert is_made(items[0]) and not ray.is_initialized()


@pytest.mark.parametrize(
    "cluster", [False, pytest.param(True, marks=[pytest.mark.slow, pytest.mark.xdist_group("ray")])]
)
def test_the_command(cluster: bool, capsys: pytest.CaptureFixture[str]) -> None:
    if cluster:
        pytest.importorskip("ray")
    words = ["batch", "dream", "photos", "--octaves", "1", "--grid", "seed=1,2", *WORDS]
    words += ["--cluster", "local"] if cluster else []
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    assert main(words) == 2
    ended = capsys.readouterr()
    assert ended.out.startswith("photos-dream  4 made, 2 failed  ")
    assert ended.err.count("\n") == 2 and ended.err.startswith("reverie: bad-seed1 failed twice: cannot read")
    assert handlers == [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    assert read_record(Path("photos-dream/cat-seed2.png")).settings["seed"] == 2
    Path("photos/bad.jpg").unlink()
    assert main([*words, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["event"] == "began" and lines[0]["items"] == 4
    assert {k: lines[-1][k] for k in ("event", "made", "there", "failed")} == {
        "event": "ended", "made": 0, "there": 4, "failed": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("dream", "photos", "--grid", "strenght=1"), "'strength'"),
        (("dream", "photos", "--size", "huge"), "size"),
        (("dream", "nowhere"), "nowhere"),
        (("dream", "photos", "--format", "npy"), "--format"),
        (("dream", "photos", "-o", "photos"), "--output"),
        (("style", "photos"), "--painting"),
        (("style", "photos", "--painting", "mosaik"), "mosaic"),
        (("draem", "photos"), "draem"),
        (("dream", "photos", "--cluster", "nowhere", "--size", "40"), "nobody answers"),
    ],
)
def test_what_is_refused(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["batch", *words]) == 2
    ended = capsys.readouterr()
    assert said in ended.err and ended.err.count("\n") == 1


def test_what_would_be_made(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["batch", "style", "photos", "--painting", "mosaic", "--dry-run", "-o", "out", "--format", "webp"]) == 0
    assert capsys.readouterr().out.split() == [f"out/{n}-mosaic.webp" for n in ("ape", "bad", "cat")]
    assert not Path("out").exists()
    assert main(["batch"]) == 0
    assert "style" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_batch_goes_on(number: int, folder: Path) -> None:
    words = ["batch", "dream", "photos/ape.png", "photos/cat.png", "-o", "out", *WORDS, "--octaves", "1", "--json"]
    code = "import sys; from reverie.cli import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words, "--steps", "9999"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line).get("done", 0) > 0:
            break
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (128 + number, "")
    assert json.loads(out.splitlines()[-1])["event"] == "stopped"
    rows = [json.loads(line) for line in Path("out/manifest.jsonl").read_text().splitlines()]
    assert [row["status"] for row in rows] == ["waiting", "waiting"]
    assert list(Path("out").glob("*.png")) == [] and list(Path("out").glob(".*partial*")) == []
