"""The folder of a job: a lock, copies, and one line for everything that cannot be."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reverie.cli import main, work
from reverie.errors import FileError
from reverie.jobs import Job, KeptRun, Source, begin, checkpoints, perform, read_state, reopen, resume, write_state
from reverie.jobs.events import Event, Stepped
from reverie.jobs.record import read_record
from reverie.pictures import read_image
from tests.jobs.kept_runs import prepared, uninterrupted

QUICK = ("dream", "photo.png", "--size", "48", "--octaves", "2", "--steps", "4", "--precision", "float32")
Told = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with a photo and a painting."""
    yield from prepared(tmp_path, monkeypatch)


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """`stop_after(n)`: Ctrl-C is pressed in the n-th step that follows; 0 for never."""
    return stopping(monkeypatch)


def stopping(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:

    def order(count: int) -> None:
        left = [count]

        def until_then(events: Iterator[Event]) -> Iterator[Event]:
            for event in events:
                yield event
                left[0] -= isinstance(event, Stepped)
                if isinstance(event, Stepped) and left[0] == 0:
                    signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(work, "perform", lambda *given, **more: until_then(perform(*given, **more)))
        monkeypatch.setattr(work, "resume", lambda *given, **more: until_then(resume(*given, **more)))

    return order


def run(*words: object) -> int:
    return main([*map(str, words)])


def refused(told: Told, *words: object) -> str:
    """The one line that refuses a command."""
    told.readouterr()
    assert run(*words) == 2
    out, err = told.readouterr()
    assert out == "" and err.startswith("reverie: ") and err.count("\n") == 1
    return err


@pytest.fixture(scope="module")
def stopped_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with what `stopped` says, and a copy of it."""
    place = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as here:
        for _ in prepared(place, here):
            uninterrupted(QUICK)
            stopping(here)(5)
            assert run(*QUICK, "-o", "o.png", "--checkpoint", "ck", "--checkpoint-every", 0) == 130
    return place, Path(shutil.copytree(place, tmp_path_factory.mktemp("copy") / "stopped"))


@pytest.fixture
def stopped(folder: Path, stopped_once: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A run stopped in `ck` after five of eight steps; the file it should write to o.png."""
    place, copy = stopped_once
    shutil.rmtree(place)
    shutil.copytree(copy, place)
    monkeypatch.chdir(place)
    return Path("whole.png").read_bytes()


@pytest.mark.bits
def test_stopped_and_resumed(stopped: bytes, capsys: Told) -> None:
    stop = read_record(Path("o.png")).stopped
    assert stop is not None and (stop.stage, stop.step) == (2, 1)
    Path("photo.png").rename("moved.png")  # wherever the inputs went
    Path("o.png").unlink()
    assert run("resume", "ck") == 0
    assert capsys.readouterr().err == "reverie: going on after stage 2, step 1.\n"
    assert Path("o.png").read_bytes() == stopped
    assert sorted(p.name for p in Path("ck").iterdir()) == [".reverie-journal", "job.json"]
    assert run("resume", "ck") == 0
    assert capsys.readouterr().out.startswith("the run in 'ck' is finished; its result went to '")
    assert run("resume", "ck", "--json") == 0
    assert json.loads(capsys.readouterr().out)["event"] == "finished"
    Path("moved.png").rename("photo.png")
    assert run(*QUICK, "-o", "p.png", "--checkpoint", "ck") == 0, "a finished job's folder is free again"


def test_resumed_elsewhere(stopped: bytes) -> None:
    Path("deep").mkdir()
    assert run("resume", "ck", "-o", "deep/other.png") == 0
    assert read_record(Path("deep/other.png")).inputs[0].path == "../photo.png"
    assert read_image("deep/other.png").equal(read_image("whole.png"))
    assert read_record(Path("o.png")).stopped is not None, "the first output is as it was"


def test_resumed_in_other_tiles(stopped: bytes, capsys: Told) -> None:
    """They stay, should it be killed once more, and the picture says so."""
    job = json.loads(Path("ck/job.json").read_text())
    assert (job["tile"], job["record"]["settings"]["tile"]) == (None, 0)
    assert "tile" in refused(capsys, "resume", "ck", "--tile", "-1")
    assert run("resume", "ck", "--tile", 16) == 0
    job = json.loads(Path("ck/job.json").read_text())
    assert (job["tile"], job["record"]["settings"]["tile"]) == (16, 0)
    assert read_record(Path("o.png")).settings["tile"] == 16
    assert (read_image("o.png") - read_image("whole.png")).abs().mean() < 1e-3, "to rounding"


def test_the_newest_is_damaged(stopped: bytes, capsys: Told) -> None:
    _, newer = sorted(Path("ck").glob("*.safetensors"))
    newer.write_bytes(newer.read_bytes().replace(b"\x3d", b"\x3e", 1))
    capsys.readouterr()
    assert run("resume", "ck") == 0
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 2 and "is damaged; going on from the checkpoint before" in err[0] and "step 4" in err[1]
    assert Path("o.png").read_bytes() == stopped


def test_both_are_damaged(stopped: bytes, capsys: Told) -> None:
    for path in Path("ck").glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    assert "every checkpoint in 'ck' is damaged" in refused(capsys, "resume", "ck")
    for path in Path("ck").glob("*.safetensors"):
        path.unlink()
    assert run("resume", "ck") == 0, "from the beginning"
    assert Path("o.png").read_bytes() == stopped


@pytest.mark.parametrize("words", [(*QUICK, "--seed", 1), ("dream", "noise", *QUICK[2:])])
def test_a_checkpoint_of_another_run(
    stopped: bytes, capsys: Told, stop_after: Callable[[int], None], words: tuple[object, ...]
) -> None:
    stop_after(2)
    assert run(*words, "-o", "p.png", "--checkpoint", "other") == 130
    (other,) = Path("other").glob("*.safetensors")
    other.replace(max(Path("ck").glob("*.safetensors")))
    assert "is a checkpoint of another run" in refused(capsys, "resume", "ck")


def test_a_checkpoint_of_another_version(stopped: bytes, capsys: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    path, job = max(Path("ck").glob("*.safetensors")), KeptRun.from_json(Path("ck/job.json").read_text())
    state = read_state(path, run=job.run)
    with monkeypatch.context() as newer:
        newer.setattr(checkpoints, "FORMAT", 2)
        write_state(path, state, run=job.run)
    assert "reads checkpoints of format 1; 'ck" in refused(capsys, "resume", "ck")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda t: t.replace('"seed": 0', '"seed": 1'), "is damaged"),
        (lambda t: t.replace('"format": 2', '"format": 3', 1), "reads runs of format 2; got 3"),
        (lambda t: t.replace('"name": "photo.png"', '"name": "../photo.png"'), "is damaged"),
        (lambda t: t[:200], "is damaged"),
        (lambda t: "[" * 100_000, "is damaged"),
        (lambda t: "null", "is damaged"),
    ],
)
def test_a_job_that_is_not_as_it_was_written(
    stopped: bytes, capsys: Told, change: Callable[[str], str], line: str
) -> None:
    text = Path("ck/job.json").read_text()
    Path("ck/job.json").write_text(change(text))
    assert line in refused(capsys, "resume", "ck")


def test_a_copy_that_is_not_as_it_was(stopped: bytes, capsys: Told) -> None:
    Path("ck/inputs/0/photo.png").write_bytes(b"else")
    assert "photo.png' is damaged; put the photo" in refused(capsys, "resume", "ck")
    Path("ck/inputs/0/photo.png").unlink()
    assert "cannot open" in refused(capsys, "resume", "ck")


def test_folders_that_cannot_be_used(stopped: bytes, capsys: Told) -> None:
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("")
    for name, line in (
        ("ck", "holds an unfinished run"),
        ("mine", "new or empty; 'mine' holds 'thesis.txt'"),
        ("photo.png", "cannot make 'photo.png'"),
        ("photo.png/ck", "cannot make"),
        ("n" * 300, "too long"),
    ):
        assert line in refused(capsys, *QUICK, "-o", "q.png", "--checkpoint", name)
    assert "holds no job" in refused(capsys, "resume", "mine")
    assert "holds no job" in refused(capsys, "resume", "nowhere")
    for seconds in ("-1", "nan", "inf", "x"):
        assert "--checkpoint-every" in refused(capsys, *QUICK, "--checkpoint", "new", "--checkpoint-every", seconds)
    assert not Path("new").exists() and not Path("q.png").exists()


def test_a_second_process_refuses_and_a_dead_one_does_not_block(stopped: bytes, capsys: Told) -> None:
    holder = subprocess.Popen(
        [
            sys.executable, "-c",
            "import sys, time; from pathlib import Path; from reverie.jobs import reopen\n"
            "with reopen(Path('ck')): print('mine', flush=True); time.sleep(60)",
        ],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None and holder.stdout.readline() == "mine\n"
    before = {p: p.read_bytes() for p in Path("ck").rglob("*") if p.is_file()}
    assert "another process works on 'ck'" in refused(capsys, "resume", "ck")
    assert "another process works on 'ck'" in refused(capsys, *QUICK, "-o", "q.png", "--checkpoint", "ck")
    assert {p: p.read_bytes() for p in Path("ck").rglob("*") if p.is_file()} == before
    holder.kill()
    holder.communicate()
    assert run("resume", "ck") == 0
    assert Path("o.png").read_bytes() == stopped


def test_what_was_wished_beside_the_picture_is_whole(folder: Path, stop_after: Callable[[int], None]) -> None:
    beside = ("--report", "--compare", "--save-every", 2)
    stop_after(0)
    assert run(*QUICK, *beside, "-o", "o.png") == 0
    files = {p: p.read_bytes() for p in Path().glob("o*.png")}
    assert len(files) == 7
    for path in files:
        path.unlink()
    stop_after(5)
    assert run(*QUICK, *beside, "-o", "o.png", "--checkpoint", "ck") == 130
    stop_after(0)
    assert run("resume", "ck") == 0
    assert {p: p.read_bytes() for p in Path().glob("o*.png")} == files


def test_long_runs_are_kept_without_asking(
    folder: Path, capsys: Told, monkeypatch: pytest.MonkeyPatch, stop_after: Callable[[int], None]
) -> None:
    assert run(*QUICK) == 0 and capsys.readouterr().err == "", "a short one is not"
    whole = Path("photo-dream.png").read_bytes()
    Path("photo-dream.png").unlink()
    monkeypatch.setattr(sys.modules["reverie.jobs.perform"], "LONG", 0.0)
    stop_after(6)
    assert run(*QUICK) == 130
    out, err = capsys.readouterr()
    assert "'reverie resume photo-dream.reverie' goes on" in err and err.count("\n") == 1
    assert "stopped at stage 2, step 2  'reverie resume photo-dream.reverie' goes on" in out
    stop_after(0)
    assert run(*QUICK) == 0, "another run takes another name, and says that the first is waiting"
    out, err = capsys.readouterr()
    assert out.startswith("photo-dream-2.png") and "an unfinished run lies in 'photo-dream.reverie'" in err
    assert run("resume", "photo-dream.reverie") == 0
    assert Path("photo-dream.png").read_bytes() == whole
    assert not list(Path().glob("*.reverie")), "gone once the picture is written"
    assert run(*QUICK, "-o", "photo-dream.png", "--dry-run") == 0
    assert not list(Path().glob("*.reverie"))


def test_a_stopped_replay_goes_on_to_where_it_was_to_stop(
    stopped: bytes, capsys: Told, stop_after: Callable[[int], None]
) -> None:
    stop_after(3)
    assert run("replay", "o.png", "-o", "again.png", "--checkpoint", "re") == 130
    stop_after(0)
    capsys.readouterr()
    assert run("resume", "re") == 0
    assert "same pixels" in capsys.readouterr().out
    assert read_record(Path("again.png")).stopped == read_record(Path("o.png")).stopped


def test_a_dream_from_noise_is_kept(folder: Path, stop_after: Callable[[int], None]) -> None:
    words = ("dream", "noise", *QUICK[2:])
    whole = uninterrupted(words)
    stop_after(3)
    assert run(*words, "-o", "o.png", "--checkpoint", "ck") == 130
    stop_after(0)
    assert run("resume", "ck") == 0
    assert Path("o.png").read_bytes() == whole


def test_the_network_has_changed(stopped: bytes, capsys: Told) -> None:
    kept = KeptRun.from_json(Path("ck/job.json").read_text())
    network = replace(kept.record.networks[0], sha256="0" * 64)
    record = kept.record.model_copy(update={"networks": (network,)})
    Path("ck/job.json").write_text(kept.model_copy(update={"record": record}).to_json())
    line = refused(capsys, "resume", "ck")
    assert "weights of dreamnet have changed" in line and "--anyway" not in line


def test_a_folder_left_without_a_job_disappears(folder: Path) -> None:
    record = read_record(Path("whole.png")) if uninterrupted(QUICK) else None
    assert record is not None
    source = Source(role="photo", name="photo.png", origin="photo.png")
    kept = KeptRun(job=Job(craft="dream"), record=record, output="o.png", sources=(source,), passing=True)
    with pytest.raises(FileError, match="cannot write to"), begin(Path("a/b"), kept, [Path("nothing")]):
        pass
    assert not Path("a/b").exists()
    with begin(Path("a/b"), kept, [Path("photo.png")]) as begun:
        begun.clean_up()
    assert not Path("a/b").exists()
    with pytest.raises(KeyError), begin(Path("a/b"), kept, [Path("photo.png")]):
        raise KeyError
    with reopen(Path("a/b")) as again:
        assert again.kept == kept and again.inputs() == {"photo": (Path("a/b/inputs/0/photo.png"),)}


def test_help(folder: Path, capsys: Told) -> None:
    assert run("resume", "--help") == 0
    out = capsys.readouterr().out
    assert "--output" in out and "--json" in out and "--save-every" not in out
    assert run("dream", "--help") == 0
    assert "--checkpoint-every" in capsys.readouterr().out
