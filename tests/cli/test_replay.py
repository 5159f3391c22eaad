from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from reverie import styles
from reverie.cli import main
from reverie.jobs.record import read_record
from reverie.pictures import read_image, read_recipe, write_image
from tests.cli.conftest import QUICK, Run

WORDS = {
    "photo": ("dream", "photo.png"),
    "noise": ("dream", "noise"),
    "class": ("dream", "noise", "--class", "teapot"),
    "guide": ("dream", "photo.png", "--guide", "wave.jpg"),
    "style": ("style", "photo.png", "wave.jpg", "night.jpg", "--weights", "3,1"),
    "lbfgs": ("style", "photo.png", "night.jpg", "--optimizer", "lbfgs"),
    "sample": ("style", "photo.png", styles.names()[0]),
}


OFTEN = ("photo", "guide", "style", "lbfgs")


@pytest.mark.bits
@pytest.mark.parametrize(
    "words", [pytest.param(w, id=n, marks=[] if n in OFTEN else [pytest.mark.slow]) for n, w in WORDS.items()]
)
def test_the_same_pixels_again(reverie: Run, words: tuple[str, ...]) -> None:
    assert reverie(*words, *QUICK, "--seed", 3, "-o", "o.png").code == 0
    ended = reverie("replay", "o.png")
    assert ended.code == 0 and ended.out.startswith("o-replay.png  ")
    assert "same pixels" in ended.out
    assert torch.equal(read_image("o.png"), read_image("o-replay.png"))
    assert read_recipe("o.png") == read_recipe("o-replay.png")


@pytest.mark.parametrize("suffix", [".jpg", *(pytest.param(s, marks=pytest.mark.slow) for s in (".webp", ".tif"))])
def test_a_replay_from_another_format_has_the_pixels_of_the_png(reverie: Run, suffix: str) -> None:
    for output in ("o.png", f"o{suffix}"):
        assert reverie("dream", "photo.png", *QUICK, "--octaves", 1, "-o", output).code == 0
    assert reverie("replay", f"o{suffix}", "-o", "again.png").code == 0
    assert torch.equal(read_image("o.png"), read_image("again.png"))
    assert reverie("replay", f"o{suffix}").code == 0
    assert read_image(f"o-replay{suffix}").equal(read_image(f"o{suffix}"))


def test_pictures_on_the_way_are_replayed_too(reverie: Run) -> None:
    assert reverie("dream", "photo.png", *QUICK, "--save-every", 1, "-o", "o.png")
    assert "same pixels" in reverie("replay", "o-0001.png").out
    assert read_record(Path("o-0001-replay.png")).stopped is not None


def test_inputs_that_moved_are_found(reverie: Run) -> None:
    Path("pictures").mkdir()
    Path("results").mkdir()
    Path("photo.png").rename("pictures/photo.png")
    words = ("style", "pictures/photo.png", "night.jpg", *QUICK, "--start", "photo", "--loss", "gram")
    assert reverie(*words, "-o", "results/o.png").code == 0
    record = read_record(Path("results/o.png"))
    assert [i.path for i in record.inputs] == ["../pictures/photo.png", "../night.jpg"]
    assert "same pixels" in reverie("replay", "results/o.png").out
    Path("pictures").rename("elsewhere")
    lost = reverie("replay", "results/o.png")
    assert lost.code == 2 and "--inputs" in lost.err and lost.err.count("\n") == 1
    assert "same pixels" in reverie("replay", "results/o.png", "--inputs", "elsewhere").out


def test_another_file_of_the_same_name_is_refused(reverie: Run) -> None:
    assert reverie("dream", "photo.png", *QUICK, "-o", "o.png").code == 0
    Path("photo.png").rename("kept.png")
    Image.new("RGB", (80, 60)).save("photo.png")
    ended = reverie("replay", "o.png")
    assert ended.code == 2 and "sha256" in ended.err and ended.err.count("\n") == 1
    assert not Path("o-replay.png").exists()


@pytest.fixture(scope="module")
def dreamed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dream from noise."""
    path = tmp_path_factory.mktemp("dreamed") / "o.png"
    assert main(["dream", "noise", *QUICK, "-o", str(path)]) == 0
    return path


def forge(**changed: object) -> None:
    """``forged.png``: the picture ``o.png`` with another record."""
    record = json.loads(read_recipe("o.png") or "")
    write_image("forged.png", read_image("o.png"), recipe=json.dumps({**record, **changed}))


def test_other_pixels_are_exit_code_3(reverie: Run, dreamed: Path) -> None:
    Path("o.png").write_bytes(dreamed.read_bytes())
    record = json.loads(read_recipe("o.png") or "")
    forge(settings={**record["settings"], "seed": 5})
    ended = reverie("replay", "forged.png")
    assert ended.code == 3 and "pixels differ" in ended.out and ended.err == ""
    last = json.loads(reverie("replay", "forged.png", "--json").out.splitlines()[-1])
    assert last["event"] == "ended" and last["same"] is False


def test_changed_weights_are_refused_unless_wanted(reverie: Run, dreamed: Path) -> None:
    Path("o.png").write_bytes(dreamed.read_bytes())
    forge(networks=[{"name": "dreamnet", "sha256": "0" * 64}], torch="2.0.0")
    ended = reverie("replay", "forged.png")
    assert ended.code == 2 and "--anyway" in ended.err
    ended = reverie("replay", "forged.png", "--anyway")
    assert ended.code == 0 and "PyTorch 2.0.0" in ended.err


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"schema": 3}, "schema 2; got 3"),
        ({"craft": "draem"}, "did you mean 'dream'"),
        ({"settings": {"size": 3}}, "size"),
        ({"settings": {"colour": 3}}, "colour"),
        ({"threads": 0}, "threads"),
        ({"threads": 10**9}, "threads"),
        ({"inputs": [{"role": "photo", "path": "/etc/hosts", "sha256": "0" * 64}]}, "path"),
        ({"inputs": [{"role": "hat", "path": "photo.png", "sha256": "0" * 64}]}, "hat"),
    ],
)
def test_strange_records_are_one_line(reverie: Run, dreamed: Path, changed: dict[str, object], reason: str) -> None:
    Path("o.png").write_bytes(dreamed.read_bytes())
    forge(**changed)
    ended = reverie("replay", "forged.png")
    assert ended.code == 2 and ended.err.count("\n") == 1
    assert reason in ended.err.lower() or reason in ended.err


def test_a_file_without_a_record(reverie: Run) -> None:
    ended = reverie("replay", "photo.png")
    assert ended.code == 2 and "no recipe" in ended.err
    assert reverie("dream", "noise", *QUICK, "-o", "o.npy").code == 0
    assert reverie("replay", "o.npy").code == 2


@pytest.mark.parametrize(
    "words",
    [("dream", "noise", *QUICK), ("instant", "photo.png", "night.jpg", "--size", "64"), ("upscale", "photo.png")],
    ids=lambda words: words[0],
)
def test_the_threads_of_the_record_are_used_and_put_back(reverie: Run, words: tuple[object, ...]) -> None:
    assert reverie(*words, "-o", "o.png").code == 0
    assert read_record(Path("o.png")).threads == 1
    torch.set_num_threads(2)
    assert "same pixels" in reverie("replay", "o.png").out
    assert read_record(Path("o-replay.png")).threads == 1
    assert torch.get_num_threads() == 2
