"""Folders with a journal: nothing in them is replaced or removed but what it says was written there."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reverie.errors import FileError
from reverie.files import JOURNAL, own, written_in

NAMES = st.text(st.characters(exclude_characters="/\0", codec="utf8"), min_size=1, max_size=60).filter(
    lambda name: name not in (".", "..") and not name.startswith(".reverie")
)


def test_written_and_removed(tmp_path: Path) -> None:
    place = tmp_path / "a" / "b"
    with own(place) as folder:
        folder.write("job.json", b"{}")
        folder.write("inputs/0/photo.png", b"photo")
        assert folder.has("job.json") and folder.foreign() == ()
    with own(place) as folder:
        assert folder.names == ("job.json", "inputs/0/photo.png")
        folder.remove("inputs/0/photo.png")
        assert sorted(p.name for p in place.iterdir()) == [JOURNAL, "job.json"]
        assert folder.remove_all() == ()
    assert not place.exists() and place.parent.exists()


def test_what_is_another_s_stays(tmp_path: Path) -> None:
    with own(tmp_path / "kept") as folder:
        folder.write("inputs/0/photo.png", b"photo")
        (folder.path / "inputs" / "mine.txt").write_bytes(b"mine")
        (folder.path / "checkpoint-1-100.safetensors").write_bytes(b"mine")
        with pytest.raises(FileError, match="was not written by this"):
            folder.write("inputs/mine.txt", b"")
        assert folder.remove_all() == ("checkpoint-1-100.safetensors", "inputs")
    assert (folder.path / "inputs" / "mine.txt").read_bytes() == b"mine"
    assert not (folder.path / "inputs" / "0").exists() and not (folder.path / JOURNAL).exists()


@pytest.mark.parametrize("others", ["never", "later"])
def test_a_folder_with_something_in_it_is_refused(tmp_path: Path, others: str) -> None:
    (tmp_path / "thesis.txt").write_bytes(b"mine")
    with pytest.raises(FileError, match=r"new or empty; .* holds 'thesis\.txt'"), own(tmp_path, others=others):  # type: ignore[arg-type]
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("text", ["mine", '{"reverie": "mine"}', '{"wrote": "thesis.txt"}'])
def test_another_s_file_in_the_journal_s_place_is_no_journal(tmp_path: Path, text: str) -> None:
    (tmp_path / JOURNAL).write_text(text)
    with pytest.raises(FileError, match="holds"), own(tmp_path, others="always"):
        pass
    assert (tmp_path / JOURNAL).read_text() == text
    (tmp_path / JOURNAL).rename(tmp_path / "mine")
    (tmp_path / JOURNAL).symlink_to("mine")
    with pytest.raises(FileError, match="holds"), own(tmp_path, others="always"):
        pass
    assert (tmp_path / "mine").read_text() == text


def test_an_empty_folder_of_another_s_stays(tmp_path: Path) -> None:
    with pytest.raises(KeyError), own(tmp_path):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.png").write_bytes(b"mine")
    with own(tmp_path / "kept") as folder:
        folder.write("inputs/photo.png", b"photo")
        folder.write("preview.png", b"preview")
        (folder.path / "inputs" / "photo.png").unlink()
        (folder.path / "inputs").rmdir()
        (folder.path / "inputs").symlink_to(tmp_path / "mine", target_is_directory=True)
        (folder.path / "preview.png").unlink()
        (folder.path / "preview.png").symlink_to(tmp_path / "mine" / "photo.png")
        for name in ("inputs/photo.png", "preview.png"):
            with pytest.raises(FileError, match="is not replaced"):
                folder.write(name, b"again")
        folder.remove_all()
    assert (tmp_path / "mine" / "photo.png").read_bytes() == b"mine"


@pytest.mark.parametrize(
    "name", ["../photo.png", "/photo.png", "a/../../photo.png", "", ".", "a//b", "a\0b", 3, None, []]
)
def test_a_journal_that_names_what_lies_outside(tmp_path: Path, name: object) -> None:
    (tmp_path / "photo.png").write_bytes(b"mine")
    with own(tmp_path / "kept") as folder:
        folder.write("job.json", b"{}")
    with (tmp_path / "kept" / JOURNAL).open("a") as file:
        file.write(f"\n{json.dumps({'wrote': name})}\n[[[\n{'[' * 5000}")
    with own(tmp_path / "kept") as folder:
        assert folder.names == ("job.json",)
        folder.remove_all()
    assert (tmp_path / "photo.png").read_bytes() == b"mine"


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with own(tmp_path) as folder:
        folder.write("job.json", b"{}")
        with pytest.raises(FileError, match="another process works on"), own(tmp_path):
            pass


def test_what_a_run_wrote_beside_its_folder_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    compare = tmp_path / "cat-compare.png"

    def written(data: bytes) -> Path | None:
        with own(tmp_path / "kept", others="later") as folder, folder.beside(compare) as draft:
            folder.claim("job.json")
            draft.file.write(data)
        return draft.placed

    assert written(b"one") == compare and written(b"two") == compare
    compare.write_bytes(b"mine")
    assert written(b"three") == tmp_path / "cat-compare-2.png"
    assert compare.read_bytes() == b"mine"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mine=st.sets(NAMES, max_size=4), ours=st.sets(NAMES, max_size=4), rng=st.randoms(use_true_random=False))
def test_any_names(
    tmp_path_factory: pytest.TempPathFactory, mine: set[str], ours: set[str], rng: random.Random
) -> None:
    place = tmp_path_factory.mktemp("any")
    mine = {name for name in mine if len(name.encode()) < 256}
    for name in mine:
        (place / name).write_bytes(b"mine")
    with own(place, others="always") as folder:
        for name in sorted(ours, key=lambda _: rng.random()):
            if name in mine:
                with pytest.raises(FileError):
                    folder.write(name, b"ours")
            else:
                folder.write(name, b"ours")
        assert written_in(place) == ours - mine == set(folder.names)
        folder.remove_all()
    assert {path.name: path.read_bytes() for path in place.iterdir()} == dict.fromkeys(mine, b"mine")
