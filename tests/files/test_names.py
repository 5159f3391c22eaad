"""Names reserved before any work, and files that take no other's place."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from reverie.errors import FileError
from reverie.files import adding, creating, numbered, replacing, reserve, write_bytes


def test_where_one_of_a_family_cannot_be_written_none_is_reserved(tmp_path: Path) -> None:
    def family(base: Path) -> tuple[Path, ...]:
        return base, base.with_name("n" * 300)

    with pytest.raises(FileError, match="too long"), reserve([tmp_path / "a.png"], family):
        pass
    assert not list(tmp_path.iterdir())


def put(path: Path, data: bytes = b"new") -> Path | None:
    with adding(path) as draft:
        draft.file.write(data)
    return draft.placed


def test_what_is_added_takes_a_number(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    assert put(path) == path
    assert put(path) == path, "the very same bytes are there already"
    path.write_bytes(b"another")
    assert put(path) == tmp_path / "cat-2.png"
    (tmp_path / "cat-3.png").symlink_to("nothing")
    assert put(path, b"third") == tmp_path / "cat-4.png"
    assert path.read_bytes() == b"another" and not (tmp_path / "nothing").exists()


def test_the_same_on_a_disk_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", no_links)
    test_what_is_added_takes_a_number(tmp_path)


def test_what_must_be_new_is_refused_where_something_lies(tmp_path: Path) -> None:
    path = tmp_path / "00000.png"
    path.write_bytes(b"another")
    with pytest.raises(FileError, match="there already"), creating(path) as draft:
        draft.file.write(b"new")
    assert path.read_bytes() == b"another" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["device", "fifo", "folder"])
@pytest.mark.parametrize("link", [False, True])
def test_what_is_no_plain_file_is_not_replaced(tmp_path: Path, kind: str, link: bool) -> None:
    path = tmp_path / "real.png"
    if kind == "device":
        path.symlink_to(os.devnull)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    if link:
        (tmp_path / "link.png").symlink_to(path)
        path = tmp_path / "link.png"
    before = path.stat()
    with pytest.raises(FileError, match=f"it is a {kind}") as caught:
        write_bytes(path, b"new")
    assert "\n" not in str(caught.value) and os.path.samestat(path.stat(), before)


def test_a_protected_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "read-only.png"
    path.write_bytes(b"old")
    path.chmod(0o444)
    with pytest.raises(FileError, match="protected against writing"), replacing(path) as draft:
        draft.file.write(b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def family(base: Path) -> list[Path]:
    return [base, base.with_name(f"{base.stem}-compare.png")]


def test_a_family_is_taken_as_a_whole(tmp_path: Path) -> None:
    cat = tmp_path / "cat.png"
    (tmp_path / "cat-compare.png").write_bytes(b"another")
    with reserve(numbered(cat), family) as first, reserve(numbered(cat), family) as second:
        assert [each.base.name for each in (first, second)] == ["cat-2.png", "cat-3.png"]
        with first.filling(first.base) as draft:
            draft.file.write(b"new")
        assert draft.placed == first.base
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cat-2.png", "cat-compare.png"]
    assert (tmp_path / "cat-2.png").read_bytes() == b"new"


def test_a_reserved_name_that_was_lost_takes_a_number(tmp_path: Path) -> None:
    with reserve(numbered(tmp_path / "cat.png")) as taken:
        taken.base.write_bytes(b"a user was quicker")
        with taken.filling(taken.base) as draft:
            draft.file.write(b"new")
        assert draft.placed == tmp_path / "cat-2.png"
    assert (tmp_path / "cat.png").read_bytes() == b"a user was quicker"


def test_what_a_killed_process_had_reserved_is_free(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from reverie.files import numbered, reserve\n"
        "with reserve(numbered(Path(sys.argv[1]))): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "cat.png")], check=False)
    assert (tmp_path / "cat.png").exists()
    with reserve(numbered(tmp_path / "cat.png")) as taken:
        assert taken.base == tmp_path / "cat.png"
    assert list(tmp_path.iterdir()) == []


def test_numbers() -> None:
    assert [p.name for p in islice(numbered(Path("a.b.png")), 3)] == ["a.b.png", "a.b-2.png", "a.b-3.png"]
