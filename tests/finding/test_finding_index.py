"""Finding: descriptions that say what they should, and an index that is exact, incremental and never half written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie.finding import ASPECTS, Describer, Gallery, gallery, suitable
from reverie.networks import Network
from reverie.pictures import write_image
from tests.conftest import MakePicture


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own, and shards of two pictures."""
    monkeypatch.setenv("REVERIE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("reverie.finding.index._SHARD", 2)


@pytest.fixture
def folder(tmp_path: Path, make_picture: MakePicture) -> Path:
    """Five pictures, one of them in a folder inside with a space in its name."""
    root = tmp_path / "many pictures"
    (root / "in side").mkdir(parents=True)
    for number in range(5):
        path = root / ("in side" if number == 4 else "") / f"{number}.png"
        write_image(path, make_picture(number, 40, 48))
    (root / ".hidden.png").write_bytes(b"")
    return root


def refreshed(folder: Path, network: Network) -> tuple[int, dict[str, str]]:
    """How many pictures were described, and which were left out."""
    with gallery(folder, Describer(network)) as there:
        return len([*there.refresh()]), there.left_out


def test_an_index_moves_with_the_pictures(tmp_path: Path, folder: Path, tiny: Network) -> None:
    """Kept where the user says; one in the cache belongs to a place."""
    describer, first, second = Describer(tiny), tmp_path / "first", tmp_path / "second"
    shutil.copytree(folder, first)
    with gallery(first, describer, first / ".alike") as there:
        count = len([*there.refresh()])
    first.rename(second)
    with gallery(second, describer, second / ".alike") as there:
        assert count == len(there) and not [*there.refresh()]


def alike(folder: Path, network: Network, photo: Tensor, aspect: str = "content") -> list[str]:
    describer = Describer(network)
    with gallery(folder, describer) as there:
        for _ in there.refresh():
            pass
        return [each.name for each in there.search(describer(photo), [aspect], 10)[aspect]]


# --- descriptions --------------------------------------------------------------------------------


def test_a_description_has_length_one_in_every_aspect(tiny: Network, make_picture: MakePicture) -> None:
    found = Describer(tiny)(make_picture(3, 60, 90))
    assert {*found} == {*ASPECTS}
    assert all(float(x.norm()) == pytest.approx(1, abs=1e-5) for x in found.values())


def test_colours_are_alike_where_colours_are(tiny: Network) -> None:
    describe = Describer(tiny)
    red, reddish, blue = (torch.tensor(c)[None, :, None, None].expand(1, 3, 32, 32).clone() for c in
                          ((0.8, 0.2, 0.2), (0.75, 0.25, 0.2), (0.2, 0.2, 0.8)))  # fmt: skip
    colours = [describe(x)["colour"] for x in (red, reddish, blue)]
    assert float(colours[0] @ colours[1]) > 0.7 > 0.2 > float(colours[0] @ colours[2])


def test_content_and_style_outlive_a_flip_and_another_size(
    dreamnet: Network, astronaut: Tensor, coffee: Tensor
) -> None:
    describe = Describer(dreamnet)
    own, same, other = (
        describe(astronaut),
        describe(rv.pictures.resize(astronaut.flip(3), (200, 200))),
        describe(coffee),
    )
    for aspect in ("content", "style"):
        assert float(own[aspect] @ same[aspect]) > 0.97 > float(own[aspect] @ other[aspect])


# --- the index -----------------------------------------------------------------------------------


def test_only_what_is_new_or_changed_is_described(folder: Path, tiny: Network, make_picture: MakePicture) -> None:
    assert refreshed(folder, tiny)[0] == 5
    assert refreshed(folder, tiny)[0] == 0
    write_image(folder / "1.png", make_picture(77, 40, 48))
    write_image(folder / "new.png", make_picture(78, 40, 48))
    os.utime(folder / "1.png", ns=(1, 1))
    (folder / "3.png").unlink()
    assert refreshed(folder, tiny)[0] == 2
    names = alike(folder, tiny, make_picture(50, 40, 48))
    assert sorted(names) == ["0.png", "1.png", "2.png", "in side/4.png", "new.png"]


def test_what_is_interrupted_goes_on_with_whole_shards(folder: Path, tiny: Network) -> None:
    with gallery(folder, Describer(tiny)) as there:
        steps = there.refresh()
        assert [next(steps).done for _ in range(3)] == [1, 2, 3]
        steps.close()  # type: ignore[attr-defined]
    assert refreshed(folder, tiny)[0] == 3


def test_a_damaged_shard_is_described_again(folder: Path, tiny: Network) -> None:
    refreshed(folder, tiny)
    shard, *_ = sorted((Path(os.environ["REVERIE_HOME"]) / "find").rglob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:100])
    assert refreshed(folder, tiny)[0] == 2


def test_what_cannot_be_read_is_left_out_and_not_tried_again(folder: Path, tiny: Network) -> None:
    (folder / "broken.jpg").write_bytes(b"no picture")
    described, left_out = refreshed(folder, tiny)
    assert described == 6 and [*left_out] == ["broken.jpg"]
    assert refreshed(folder, tiny) == (0, {})
    assert "broken.jpg" not in alike(folder, tiny, torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)))


def test_the_picture_itself_is_left_out(folder: Path, tiny: Network, make_picture: MakePicture) -> None:
    photo = rv.read_image(folder / "2.png")
    assert "2.png" not in alike(folder, tiny, photo)
    assert len(alike(folder, tiny, photo)) == 4


def test_an_index_of_ghosts_is_made_smaller(folder: Path, tiny: Network, make_picture: MakePicture) -> None:
    for time in range(1, 5):
        for path in folder.rglob("[0-9].png"):
            os.utime(path, ns=(time, time))
        refreshed(folder, tiny)
    shards = [*(Path(os.environ["REVERIE_HOME"]) / "find").rglob("*.safetensors")]
    assert len(shards) <= 6
    assert len(alike(folder, tiny, make_picture(50, 40, 48))) == 5


def test_it_finds_what_a_plain_comparison_finds(tmp_path: Path, tiny: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten nearest of 600, described at random: those of float32, though half precision is kept."""
    monkeypatch.setattr("reverie.finding.index._SHARD", 100)
    (tmp_path / "many").mkdir()
    generator = torch.Generator().manual_seed(3)
    vectors = {}
    for number in range(600):
        (tmp_path / "many" / f"{number}.png").touch()
        drawn = torch.randn(3, 32, generator=generator)
        vectors[f"{number}.png"] = dict(zip(ASPECTS, drawn / drawn.norm(dim=1, keepdim=True), strict=True))
    monkeypatch.setattr(Gallery, "_described", lambda self, name: vectors[name])
    wanted = vectors.pop("17.png")
    (tmp_path / "many" / "17.png").unlink()
    with gallery(tmp_path / "many", Describer(tiny)) as there:
        for _ in there.refresh():
            pass
        found = there.search(wanted, ASPECTS, 10)
    for aspect in ASPECTS:
        marks = {name: float(each[aspect] @ wanted[aspect]) for name, each in vectors.items()}
        true = sorted(marks, key=lambda name: -marks[name])[:10]
        assert len({*true} & {each.name for each in found[aspect]}) >= 10
        assert all(each.likeness == pytest.approx(marks[each.name], abs=1e-3) for each in found[aspect])


def test_the_painting_that_suits_is_alike_in_content_and_colour(folder: Path, tiny: Network) -> None:
    photo = (rv.read_image(folder / "3.png") * 0.98 + 0.01).clamp(0, 1)
    assert suitable(photo, folder, Describer(tiny)) == folder / "3.png"


@pytest.mark.parametrize("word", ["nothing", "empty", "file.png"])
def test_what_is_no_folder_of_pictures(tmp_path: Path, tiny: Network, word: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.png").touch()
    with pytest.raises(rv.PictureError), gallery(tmp_path / word, Describer(tiny)):
        pass


@pytest.fixture(autouse=True)
def no_leftovers(tmp_path: Path) -> Iterator[None]:
    """Nothing is written into the folder of pictures, unless it is asked for."""
    before = {p for p in tmp_path.rglob("*.safetensors") if not {"home", ".alike"} & {*p.parts}}
    yield
    assert {p for p in tmp_path.rglob("*.safetensors") if not {"home", ".alike"} & {*p.parts}} == before
