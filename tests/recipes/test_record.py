from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from PIL import Image

import reverie
from reverie.crafts.kinds import MAP, MASK
from reverie.crafts.registry import crafts, find
from reverie.errors import PictureError, RecipeError
from reverie.jobs.record import Input, Record, hash_of, locate, record_of, relative
from reverie.networks import NetworkUsed, load
from reverie.recipes import DreamSettings

DREAMNET = NetworkUsed("dreamnet", load("dreamnet").sha256)
SETTINGS = DreamSettings(size=64, steps=1, octaves=1, precision="float32")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "a" / "b" / "photo.png"
    path.parent.mkdir(parents=True)
    Image.new("RGB", (8, 8), (10, 20, 30)).save(path)
    return path


@pytest.fixture
def record(photo: Path) -> Record:
    return record_of("dream", SETTINGS, networks=[DREAMNET], inputs=[("photo", photo)], output=photo.with_name("o.png"))


def test_a_record_holds_what_the_picture_depends_on(record: Record, photo: Path) -> None:
    data = json.loads(record.to_json())
    assert data["schema"] == 2 and data["reverie"] == reverie.__version__
    assert data["torch"] == torch.__version__ and data["threads"] == torch.get_num_threads()
    assert data["settings"] == SETTINGS.model_dump(mode="json")
    assert data["settings"]["precision"] == "float32"
    assert data["inputs"] == [{"role": "photo", "path": "photo.png", "sha256": hash_of(photo)}]
    assert data["networks"] == [{"name": "dreamnet", "sha256": DREAMNET.sha256}] and len(DREAMNET.sha256) == 64
    assert str(photo.parent) not in record.to_json()


def test_there_and_back(record: Record) -> None:
    assert Record.from_json(record.to_json()) == record
    craft, settings = record.resolve()
    assert craft is find("dream") and settings == SETTINGS


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "damaged"),
        ("{", "damaged"),
        ("[" * 100_000, "damaged"),
        ("[]", "something else"),
        ('{"prompt": "a cat"}', "something else"),
        ('{"schema": 3, "craft": "dream", "reverie": "9.0"}', "reads recipes of schema 2; got 3, of Reverie '9.0'"),
        ('{"schema": 1, "recipe": "dream", "reverie": "0.1"}', "Use the Reverie that wrote it"),
        ('{"schema": 2, "craft": "dream"}', "damaged"),
    ],
)
def test_what_is_no_record_is_one_line(text: str, reason: str) -> None:
    with pytest.raises(RecipeError, match=reason) as caught:
        Record.from_json(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["/etc/hosts", "../../../x.png", "", "C:/x.png", "a\\b.png", "a\0"])
def test_paths_that_we_never_write_are_refused(record: Record, path: str) -> None:
    data = json.loads(record.to_json())
    data["inputs"][0]["path"] = path
    with pytest.raises(RecipeError, match="damaged"):
        Record.from_json(json.dumps(data))


def test_far_paths_are_kept_as_names(tmp_path: Path, photo: Path) -> None:
    assert relative(photo, photo.parent) == "photo.png"
    assert relative(photo, photo.parent / "c" / "d") == "../../photo.png"
    assert relative(photo, photo.parent / "c" / "d" / "e") == "photo.png"
    assert relative(photo, tmp_path) == "a/b/photo.png"


def test_an_input_is_known_by_its_bytes(tmp_path: Path, photo: Path) -> None:
    wanted = Input(role="photo", path="x/photo.png", sha256=hash_of(photo))
    other = tmp_path / "photo.png"
    other.write_bytes(b"another")
    assert locate(wanted, [tmp_path, photo.parent]) == photo
    assert locate(wanted, [], also=[other, photo]) == photo
    with pytest.raises(RecipeError, match="sha256 differs"):
        locate(wanted, [tmp_path])
    with pytest.raises(RecipeError, match="is not here"):
        locate(wanted, [tmp_path / "a"])


def test_a_missing_input(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"cannot open '.*gone\.png'"):
        hash_of(tmp_path / "gone.png")


def test_a_craft_refuses_what_it_does_not_take() -> None:
    with pytest.raises(RecipeError, match="Did you mean 'dream'"):
        find("draem")
    refused: tuple[tuple[str, dict[str, int], str], ...] = (
        ("style", {"painting": 1}, "style needs a PHOTO: "),
        ("style", {"photo": 1}, "style takes a PAINTING or a --find-painting; give one of the two"),
        ("dream", {"photo": 2}, "dream takes one photo; got 2"),
        ("dream", {"photo": 1, "painting": 1}, "dream takes no 'painting'; it takes photo, guide, like"),
        ("instant", {"photo": 1}, "takes a PAINTING or a --network; give one of the two"),
        ("instant", {"photo": 1, "painting": 1, "network": 1}, "takes a PAINTING or a --network; give one of the two"),
    )
    for name, counts, said in refused:
        with pytest.raises(RecipeError, match=said):
            find(name).check(counts)


@pytest.mark.parametrize("name", [name for name, craft in crafts().items() if craft.stepwise])
def test_every_stepwise_craft_runs_with_all_that_it_takes(name: str) -> None:
    craft = find(name)
    generator = torch.Generator().manual_seed(0)
    halves = (torch.arange(64) > 31).float().expand(1, 1, 64, 64)
    flat = {MASK: halves, MAP: halves.expand(1, 3, 64, 64)}
    values: dict[str, object] = {}
    for each in (each for each in craft.inputs if not each.kind.chooses):
        picture = flat.get(each.kind, torch.rand(1, 3, 64, 64, generator=generator))
        values[each.name] = [picture] if each.many else picture
    settings = craft.checked({"size": 64, "steps": 1, "precision": "float32"})
    run = craft.make(values, settings)
    *_, last = run.steps(run.planned())
    assert last.image.shape == (1, 3, 64, 64)
    if craft.noise is not None:
        assert craft.noise(settings).shape == (1, 3, 64, 64)


def test_a_record_asks_for_no_more_threads_than_a_machine_bears(record: Record) -> None:
    asked = {threads: json.loads(record.to_json()) | {"threads": threads} for threads in (48, 4096)}
    read = {threads: Record.from_json(json.dumps(data)).threads for threads, data in asked.items()}
    assert read[48] == 48 and read[4096] <= max(256, 2 * (os.cpu_count() or 1))
