"""The worker's and the clerk's own work: the bits of the command line, strangers' files within limits."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reverie.cli import main
from reverie.errors import DiskFull, FileError, OutOfMemory, RecipeError
from reverie.queue.desk import Desk
from reverie.queue.entries import Entry, Order
from reverie.queue.folders import asked_of
from reverie.queue.home import Home
from reverie.queue.office import Office
from reverie.queue.questions import ask
from reverie.queue.quota import Quota, parse_bytes
from reverie.queue.store import Store
from reverie.queue.worker import doing, is_full
from tests.jobs.kept_runs import pictures

DREAM = {"size": 48, "steps": 6, "octaves": 1, "precision": "float32"}
WORDS = [word for name, value in DREAM.items() for word in (f"--{name}", str(value))]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A queue in which nobody works, beside a photo and a painting."""
    monkeypatch.setenv("REVERIE_HOME", str(tmp_path / "own"))
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path)
    home = Home(tmp_path / "a home").made()
    with closing(Store(home.journal)) as store:
        yield Desk(home, store, ask)


def ordered(desk: Desk, craft: str = "dream", settings: Any = DREAM, **inputs: Any) -> Entry:
    return desk.order(Order(craft, inputs, settings))[0]


def done(desk: Desk, entry: Entry, *, stop_after: int = 10**9) -> list[dict[str, Any]]:
    """Do a job here; what its worker says."""
    said: list[dict[str, Any]] = []
    steps = iter(range(10**9))
    asked = asked_of(entry, desk.home, desk.store)
    said.extend(doing(asked, lambda: next(steps) >= stop_after))
    return said


def made(said: list[dict[str, Any]]) -> bytes:
    assert said[-1]["kind"] == "ended", said[-1]
    return Path(said[-1]["written"][0]).read_bytes()


@pytest.mark.bits
def test_the_bits_of_the_command_line(desk: Desk) -> None:
    """The whole file, its record too: the inputs have their names again."""
    photo = desk.bring_file(Path("photo.png")).id
    said = done(desk, ordered(desk, photo=[photo]))
    assert main(["dream", "photo.png", *WORDS, "-o", "photo-dream.png"]) == 0
    assert made(said) == Path("photo-dream.png").read_bytes()
    assert {each["kind"] for each in said} >= {"began", "progress", "ended"} and said[-1]["stopped"] is False


@pytest.mark.bits
def test_stopped_and_gone_on_with_to_the_same_bits(desk: Desk) -> None:
    photo = desk.bring_file(Path("photo.png")).id
    entry = ordered(desk, photo=[photo])
    first = done(desk, entry, stop_after=2)
    assert first[-1]["stopped"] is True
    second = done(desk, entry)
    assert any("going on after stage 1, step 3" in each.get("message", "") for each in second)
    assert main(["dream", "photo.png", *WORDS, "-o", "photo-dream.png"]) == 0
    assert made(second) == Path("photo-dream.png").read_bytes()
    third = done(desk, entry)
    assert made(third) == made(second), "killed after the last step, before that was heard"


def test_a_preview_is_there_from_the_first_step(desk: Desk) -> None:
    entry = ordered(desk, photo=[desk.bring_file(Path("photo.png")).id])
    said = done(desk, entry)
    assert next(each for each in said if each["kind"] == "progress")["preview"] == 1
    assert desk.home.preview(entry.id).read_bytes().startswith(b"\xff\xd8")


def test_one_name_for_two_pictures(desk: Desk) -> None:
    (Path.cwd() / "other").mkdir()
    Path("night.jpg").replace("other/photo.png")  # a JPEG that calls itself a PNG
    Path("other/photo.png").replace("other/photo.jpg")
    first, second = (desk.bring_file(Path(name)) for name in ("photo.png", "other/photo.jpg"))
    assert (first.name, second.name) == ("photo.png", "photo.jpg")
    third = desk.bring_file(Path("photo.png"))
    assert third.id == first.id
    entry = ordered(desk, "instant", {"size": 64}, photo=[first.id], painting=[second.id, "mosaic"])
    job = json.loads(asked_of(entry, desk.home, desk.store)["job"])
    names = [Path(path).name for many in job["inputs"].values() for path in many]
    assert sorted(names) == ["mosaic.jpg", "photo.jpg", "photo.png"]


@pytest.mark.slow
def test_a_remix_finds_what_its_result_was_made_from(desk: Desk) -> None:
    words = ["--size", "64", "--steps", "1", "--precision", "float32", "-o", "styled.png"]
    assert main(["style", "photo.png", "mosaic", *words]) == 0
    result, photo = desk.bring_file(Path("styled.png")), desk.bring_file(Path("photo.png"))
    entry = ordered(desk, "remix", {"strength": 0.5}, result=[result.id])
    assert entry.plan.beside == (("photo.png", photo.id),)
    assert done(desk, entry)[-1]["kind"] == "ended"


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (DiskFull("x"), True), (OSError(28, "full"), True), (FileError("x"), False), (OSError(13, "no"), False),
        (RecipeError("x"), False),
    ],
)  # fmt: skip
def test_a_full_disk_is_told_from_its_cause(error: Exception, wanted: bool) -> None:
    outer = RecipeError("around it")
    outer.__cause__ = error
    assert is_full(error) is is_full(outer) is wanted


def test_a_quota_gives_up_what_can_be_made_again_and_nothing_else(desk: Desk) -> None:
    photo = desk.bring_file(Path("photo.png"))
    desk.small("picture", photo.id, photo.path, 64)
    desk.quota.largest = desk.quota.tidy() - 1
    desk.small("picture", photo.id, photo.path, 64)
    with pytest.raises(DiskFull, match="delete some results, or allow more with --quota"), desk.receiving():
        pass
    assert not list((desk.home.path / "small").iterdir()) and photo.path.exists()
    desk.quota.largest = 10**9
    with desk.receiving():
        pass
    assert Quota(desk.home, desk.store).used() > 0


@pytest.mark.parametrize("text", ["", "GB", "-", "1e999GB", "ten GB", "5", "5 XB"])
def test_amounts_that_are_none(text: str) -> None:
    with pytest.raises(RecipeError, match="an amount is a number"):
        parse_bytes(text)


# --- the clerk as a process ----------------------------------------------------------------------


def bomb(side: int) -> bytes:
    """A PNG of many black pixels in few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pack, rows = zlib.compressobj(9), bytes(1 + 3 * side)
    data = b"".join(pack.compress(rows) for _ in range(side)) + pack.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


LIMITED = """
import reverie.queue.clerk as clerk, reverie.queue.questions as questions
clerk.MEMORY, clerk.SECONDS = {memory}, {seconds}
def spin(_):
    while True:
        pass
if {spin}:
    questions.QUESTIONS["picture"] = spin
clerk.main()
"""


def asked_within(path: Path, *, memory: int = 2**30, seconds: int = 20, spin: bool = False) -> dict[str, Any]:
    """A clerk's answer about a picture, within limits."""
    program = LIMITED.format(memory=memory, seconds=seconds, spin=spin)
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as clerk:
        assert clerk.stdin is not None and clerk.stdout is not None
        words = {"number": 1, "ask": "picture", "path": str(path), "pixels": 10**9, "name": "a.png"}
        clerk.stdin.write(json.dumps(words).encode() + b"\n")
        clerk.stdin.flush()
        answer: dict[str, Any] = json.loads(clerk.stdout.readline())
        clerk.stdin.close()
    return answer


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits are Linux's")
def test_strangers_pictures_have_little_memory_and_time(tmp_path: Path) -> None:
    (tmp_path / "small.png").write_bytes(bomb(64))
    (tmp_path / "large.png").write_bytes(bomb(5000))
    assert asked_within(tmp_path / "small.png")["answer"]["width"] == 64
    assert "answer" in asked_within(tmp_path / "large.png"), "it is read in rows, and little kept"
    refused = asked_within(tmp_path / "large.png", memory=8 * 2**20)
    assert "memory" in refused["refusal"] and str(tmp_path) not in refused["refusal"]
    refused = asked_within(tmp_path / "small.png", seconds=1, spin=True)
    assert "memory or time" in refused["refusal"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are other ones there")
def test_a_clerk_that_dies_is_followed_by_another(tmp_path: Path) -> None:
    pictures(tmp_path)
    with closing(Office()) as office:
        assert office.ask("picture", path=str(tmp_path / "photo.png"), pixels=10**6)["width"] == 80
        with pytest.raises(RecipeError, match=r"^there is no craft 'x'"):
            office.ask("check", craft="x", settings={}, inputs={})
        clerk = office._clerk
        assert clerk is not None
        clerk.end()
        clerk.wait()
        assert office.ask("picture", path=str(tmp_path / "photo.png"), pixels=10**6)["height"] == 60


@pytest.mark.slow
def test_a_question_without_an_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("reverie.queue.office.PATIENCE", 0.01)
    with closing(Office()) as office, pytest.raises(OutOfMemory, match="took more than"):
        office.ask("catalogue")


def test_nothing_of_the_service_loads_pytorch() -> None:
    """It idles in little memory: measured, 70 MB."""
    program = (
        "import sys, reverie.studio.serve, reverie.queue.catalogue; from pathlib import Path\n"
        "heavy, about = {'torch', 'numpy', 'PIL'} & set(sys.modules), Path('/proc/self/status')\n"
        "text = about.read_text() if about.exists() else 'VmRSS: 0 kB'\n"
        "print(len(heavy), text.partition('VmRSS:')[2].split()[0])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy, kilobytes = map(int, said.stdout.split())
    assert heavy == 0 and kilobytes < 120_000
