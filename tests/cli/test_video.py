"""``reverie video``: a clip in, a film out, with its sound and times; stopped, killed and gone on with."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from reverie.clips import open_footage
from reverie.feedforward.johnson import draw_johnson, write_johnson
from reverie.jobs.record import read_record
from tests.cli.conftest import Run
from tests.clips.made_clips import panned, quarters, see_through, write_clip

QUICK = ("--precision", "float32", "--tile", "0")
OWN = ("video", "own", "clip.mp4", "mine.safetensors", *QUICK)
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def clip(folder: Path) -> Path:
    """A clip of 12 frames with sound, in the current folder, and a tiny style network."""
    write_johnson(folder / "mine.safetensors", draw_johnson(widths=(8, 16), blocks=1))
    return write_clip(folder / "clip.mp4", panned(12), sound="aac")


def hashes(path: str | Path) -> list[str]:
    """Digests of a film's frames."""
    return [hashlib.sha256(f.image.contiguous().numpy().data).hexdigest() for f in open_footage(Path(path)).frames()]


def test_a_clip_is_painted(reverie: Run, clip: Path) -> None:
    ended = reverie("video", "instant", clip.name, "night.jpg", *QUICK, "--to", 0.2)
    assert ended.code == 0 and ended.out.startswith("clip-night.mp4  64x48"), ended.err
    record = read_record(Path("clip-night.mp4"))
    assert (record.craft, [i.role for i in record.inputs]) == ("video instant", ["clip", "painting"])
    assert len(hashes("clip-night.mp4")) == 5


def test_a_clip_is_painted_by_a_network(reverie: Run, clip: Path) -> None:
    ended = reverie(*OWN)
    assert ended.code == 0 and ended.out.startswith("clip-mine.mp4  64x48"), ended.err
    film, source = open_footage(Path("clip-mine.mp4")), open_footage(clip)
    assert [f.time for f in film.frames()] == [f.time for f in source.frames()] and film.audio
    assert not Path("clip-mine.reverie").exists()
    assert reverie("replay", "clip-mine.mp4", "-o", "again.mp4").code == 0
    assert hashes("again.mp4") == hashes("clip-mine.mp4")
    assert reverie(*OWN).out.startswith("clip-mine-2.mp4")


@pytest.mark.parametrize("name", ["o.webm", "o.mkv", "o.gif", "o.apng", "frames"])
def test_what_it_is_written_as(reverie: Run, clip: Path, name: str) -> None:
    ended = reverie(*OWN, "--to", "0.25s", "-o", name)
    assert ended.code == 0, ended.err
    if name == "frames":
        assert sorted(p.name for p in Path(name).iterdir()) == [f"{n:05d}.png" for n in range(6)]
        assert read_record(Path("frames/00003.png")).frame == 3
    elif name == "o.gif":
        with Image.open(name) as image:
            assert isinstance(image, GifImageFile) and (image.n_frames, image.size) == (6, (64, 48))
    else:
        assert len(hashes(name)) == 6 and open_footage(Path(name)).size == (48, 64)


def test_a_page_and_a_comparison_beside_it(reverie: Run, clip: Path) -> None:
    ended = reverie(*OWN, "--compare", "--report", "-o", "o.mkv")
    assert ended.code == 0 and "also o-compare.mp4, o-report.html" in ended.out, ended.err
    compared, page = open_footage(Path("o-compare.mp4")), Path("o-report.html").read_text()
    assert compared.size == (48, 128) and len(hashes("o-compare.mp4")) == 12
    for word in ("warping error", "over ten frames", "sharpness", "flicker", "frame by frame", "<svg", "data:image"):
        assert word in page
    assert 'src="http' not in page and page.count("<img") == 12


def test_a_clip_is_dreamt_on(reverie: Run, clip: Path) -> None:
    words = ("--precision", "float32", "--size", 64, "--octaves", 2, "--steps", 2, "--frame-steps", 1)
    ended = reverie("video", "dream", clip.name, *words, "-o", "o.mp4")
    assert ended.code == 0, ended.err
    film, source = open_footage(Path("o.mp4")), open_footage(clip)
    changed = [(a.image - b.image).abs().mean() for a, b in zip(film.frames(), source.frames(), strict=True)]
    assert len(changed) == 12 and 0.01 < float(min(changed)) < float(max(changed)) < 0.3


def test_a_clip_is_restyled(reverie: Run, clip: Path) -> None:
    words = ("--precision", "float32", "--size", 64, "--steps", 2, "--frame-steps", 1, "--every", 6)
    assert reverie("video", "style", clip.name, "night.jpg", *words, "-o", "o.mp4").code == 0
    assert len(hashes("o.mp4")) == 2 and read_record(Path("o.mp4")).settings["consistency"] == 100


def test_sound_that_cannot_be_copied(reverie: Run, clip: Path) -> None:
    write_clip(clip.with_suffix(".mkv"), quarters(12), sound="pcm_s16le", sounding=2)
    own = ("video", "own", "clip.mkv", "mine.safetensors", *QUICK, "--every", 4)
    ended = reverie(*own, "-o", "o.mp4")
    assert ended.code == 0 and "is encoded as aac" in ended.err
    with av.open("o.mp4") as film:
        sound = [(p.pts or 0) * p.time_base for p in film.demux(audio=0) if p.size]
        assert film.streams.audio[0].codec_context.name == "aac" and 1.9 < float(sound[-1]) < 2.1
    ended = reverie(*own, "--from", 0.25, "-o", "o.mkv")
    assert ended.code == 0 and "encoded" not in ended.err
    with av.open("o.mkv") as film:
        assert film.streams.audio[0].codec_context.name == "pcm_s16le"
        times = [float((p.pts or 0) * p.time_base) for p in film.demux(audio=0) if p.size]
        assert 0 <= times[0] < 0.1 and 1.6 < times[-1] < 1.8


def test_times_that_vary_and_a_turned_picture(reverie: Run, clip: Path) -> None:
    wanted = [0, 40, 80, 200, 210, 300]
    write_clip(clip.with_suffix(".mov"), quarters(), times=wanted, base=Fraction(1, 1000), turned=-90)
    assert reverie("video", "own", "clip.mov", "mine.safetensors", *QUICK, "-o", "o.mp4").code == 0
    film = open_footage(Path("o.mp4"))
    assert film.size == (64, 48) and [round(float(f.time) * 1000) for f in film.frames()] == wanted


@pytest.mark.parametrize(("source", "name"), [("clip.apng", "o.webm"), ("clip.webm", "o.apng"), ("clip.apng", "out")])
def test_transparency_is_kept(reverie: Run, clip: Path, source: str, name: str) -> None:
    """From every kind of clip that has it into every kind that can have it."""
    codec, pixels = ("apng", "rgba") if source.endswith("apng") else ("libvpx-vp9", "yuva420p")
    write_clip(clip.with_name(source), see_through(4), codec=codec, pixels=pixels)
    ended = reverie("video", "own", source, "mine.safetensors", *QUICK, "-o", name)
    assert ended.code == 0, ended.err
    for number, frame in enumerate(open_footage(Path(name)).frames()):
        assert frame.alpha is not None
        found = [float(frame.alpha[0, 0, y, x]) for y, x in ((20, 4 * number + 12), (2, 2), (44, 30))]
        assert found == pytest.approx([1, 0, 0.5], abs=0.04)
    assert number == 3


def test_an_odd_size_and_sound_that_ends_early(reverie: Run, clip: Path) -> None:
    """Codecs take even sizes only; the film is as long as its pictures."""
    odd = [frame[:, :63] for frame in quarters(12, (49, 64))]
    write_clip(clip.with_suffix(".mkv"), odd, codec="ffv1", pixels="bgr0", sound="aac", sounding=0.2)
    assert reverie("video", "own", "clip.mkv", "mine.safetensors", *QUICK, "-o", "o.mp4").code == 0
    film = open_footage(Path("o.mp4"))
    assert film.size == (50, 64) and len(list(film.frames())) == 12
    with av.open("o.mp4") as container:
        sound = [float((p.pts or 0) * p.time_base) for p in container.demux(audio=0) if p.size]
    assert 0.1 < sound[-1] < 0.3


def test_what_is_refused(reverie: Run, clip: Path) -> None:
    Path("text.mp4").write_text("a line\n" * 40)
    Path("full").mkdir()
    Path("full/other.txt").write_text("mine")
    for words, said in (
        (("text.mp4",), "no film that can be read"),
        (("missing.mp4",), "cannot open"),
        ((clip.name, "-o", "o.avi"), "a film ends in .mp4"),
        ((clip.name, "-o", clip.name), "name another --output"),
        ((clip.name, "-o", "full"), "holds something already"),
        ((clip.name, "--from", "soon"), "as in 3s or 1:02.5"),
        ((clip.name, "--from", "9"), "lies behind it"),
        ((clip.name, "--weights", "1,2"), "one for each painting"),
    ):
        name, *rest = words
        ended = reverie("video", "instant", name, "night.jpg", *QUICK, *rest)
        assert (ended.code, ended.err.count("\n")) == (2, 1) and said in ended.err, ended.err
    made = {"clip.mp4", "mine.safetensors", "full", "text.mp4"}
    assert {p.name for p in Path().iterdir()} == {*made, "night.jpg", "photo.png", "wave.jpg"}


def after_saves(process: subprocess.Popen[str], count: int) -> None:
    """Wait until a run that tells in JSON has saved so many chunks."""
    assert process.stdout is not None
    saved = 0
    for line in process.stdout:
        saved += json.loads(line)["event"] == "saved"
        if saved == count:
            return
    raise AssertionError("it ended before")


def long_clip(folder: Path) -> None:
    write_clip(folder / "clip.mp4", panned(160, step=1), sound="aac")
    write_johnson(folder / "mine.safetensors", draw_johnson(widths=(8, 16), blocks=1))


signals = pytest.mark.skipif(sys.platform == "win32", reason="signals are other ones there")


@signals
def test_killed_and_gone_on_with(reverie: Run, start: Start, folder: Path) -> None:
    """The film is the same, to the byte, and found by its name."""
    long_clip(folder)
    process = start(*OWN, "-o", "o.mp4", "--json")
    after_saves(process, 1)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not Path("o.mp4").exists() and Path("o.reverie/preview.m3u8").exists()
    assert reverie("resume", "o.mp4").code == 0
    assert reverie(*OWN, "-o", "whole.mp4").code == 0
    assert hashes("o.mp4") == hashes("whole.mp4") and len(hashes("o.mp4")) == 160
    assert not Path("o.reverie").exists()


WORDS = [OWN, ("video", "dream", "clip.mp4", "--size", "48", "--octaves", "1", "--steps", "1", "--frame-steps", "1",
               "--precision", "float32", "--tile", "0")]  # fmt: skip


FORKING = """
import json, os, signal, sys, time
import av, cv2, torch
from reverie.cli import main
from reverie.jobs import perform
for line in sys.stdin:
    words, seconds = json.loads(line)
    pid, until, code = os.fork(), time.monotonic() + seconds, None
    if not pid:
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        os._exit(main(words))
    while time.monotonic() < until:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            break
        time.sleep(0.005)
    else:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    print(json.dumps(code), flush=True)
"""


@pytest.fixture
def forked(folder: Path) -> Iterator[Callable[[tuple[str, ...], float], int | None]]:
    """Run commands in processes that begin with all modules loaded, from one that does nothing else: a hundred of
    them in minutes. Returns the exit code, or None where it has not ended in so many seconds, and is killed.
    """
    how = {**os.environ, "OMP_NUM_THREADS": "1"}
    ends = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", FORKING], text=True, env=how, **ends) as server:  # type: ignore[call-overload]
        assert server.stdin is not None and server.stdout is not None

        def run(words: tuple[str, ...], seconds: float) -> int | None:
            server.stdin.write(json.dumps([words, seconds]) + "\n")
            server.stdin.flush()
            code: int | None = json.loads(server.stdout.readline())
            return code

        yield run
        server.stdin.close()


@signals
@pytest.mark.slow
@pytest.mark.parametrize("words", WORDS)
def test_killed_a_hundred_times(
    forked: Callable[[tuple[str, ...], float], int | None], folder: Path, words: tuple[str, ...]
) -> None:
    """Fifty times each, at random moments, again and again in one run: every film is the same."""
    long_clip(folder)
    began = time.monotonic()
    assert forked((*words, "-o", "whole.mp4"), 600) == 0
    seconds, wanted = time.monotonic() - began, hashes("whole.mp4")
    chance, kills, on_the_way = random.Random(0), 0, 0
    while kills < 50:
        for _ in range(5):  # times that this film is killed
            again = ("resume", "o.mp4") if Path("o.reverie/job.json").exists() else (*words, "-o", "o.mp4")
            on_the_way += len(list(Path("o.reverie").glob("chunks/*.mp4"))) > 0
            code = forked(again, chance.uniform(0, 0.6 * seconds))
            assert code in (None, 0)
            if code == 0:
                break
            kills += 1
        if not Path("o.mp4").exists():
            assert forked(("resume", "o.mp4"), 600) == 0
        assert hashes("o.mp4") == wanted and not Path("o.reverie").exists()
        Path("o.mp4").unlink()
    assert on_the_way > 10


@signals
@pytest.mark.slow
def test_stopped_it_leaves_what_is_done(reverie: Run, start: Start, folder: Path) -> None:
    long_clip(folder)
    assert reverie(*OWN, "-o", "whole.mp4").code == 0
    process = start(*OWN, "-o", "o.mp4", "--json")
    after_saves(process, 1)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=100)
    last = json.loads(out.splitlines()[-1])
    assert process.returncode == 130 and last["event"] == "stopped"
    assert 40 < len(hashes("o.mp4")) < 160
    assert reverie("resume", "o.reverie").code == 0
    assert hashes("o.mp4") == hashes("whole.mp4")


@signals
@pytest.mark.slow
def test_a_full_disk_pauses_it(reverie: Run, start: Start, folder: Path) -> None:
    """As where a quota ends: a file may not grow past some kilobytes."""
    long_clip(folder)
    limited = ("import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
               "resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, resource.RLIM_INFINITY));"
               "from reverie.cli import main; sys.exit(main())")  # fmt: skip
    ended = subprocess.run([sys.executable, "-c", limited, *OWN, "-o", "o.mp4"], capture_output=True, text=True)
    assert ended.returncode == 2 and "The run is paused; 'reverie resume o.reverie'" in ended.stderr, ended.stderr
    assert not Path("o.mp4").exists()
    assert reverie("resume", "o.mp4").code == 0 and len(hashes("o.mp4")) == 160


def cut_clip(folder: Path) -> None:
    """A clip of four scenes."""
    scenes = [panned(count, step=1, seed=count) for count in (30, 60, 16, 54)]
    write_clip(folder / "clip.mp4", [frame for scene in scenes for frame in scene], sound="aac")
    write_johnson(folder / "mine.safetensors", draw_johnson(widths=(8, 16), blocks=1))


@pytest.mark.slow
@pytest.mark.parametrize("words", WORDS)
def test_workers_make_the_same_film(reverie: Run, folder: Path, words: tuple[str, ...]) -> None:
    """Of cuts and chunks, to the byte; the record in it says nothing of them."""
    cut_clip(folder)
    assert reverie(*words, "-o", "o.mp4").code == 0
    one = Path("o.mp4").read_bytes()
    Path("o.mp4").unlink()
    assert reverie(*words, "-o", "o.mp4", "--workers", 2).code == 0
    assert Path("o.mp4").read_bytes() == one and not Path("o.reverie").exists()


@signals
@pytest.mark.slow
@pytest.mark.parametrize("words", WORDS)
def test_workers_killed_and_gone_on_with(reverie: Run, start: Start, folder: Path, words: tuple[str, ...]) -> None:
    cut_clip(folder)
    assert reverie(*words, "-o", "whole.mp4").code == 0
    process = start(*words, "-o", "o.mp4", "--workers", "2", "--json")
    after_saves(process, 2)
    victim = next(p for p in tree_of(process.pid) if b"spawn_main" in Path(f"/proc/{p}/cmdline").read_bytes())
    os.kill(victim, signal.SIGKILL)  # its segment is made by another
    after_saves(process, 1)
    process.kill()
    process.communicate()
    assert reverie("resume", "o.mp4").code == 0
    assert hashes("o.mp4") == hashes("whole.mp4") and not Path("o.reverie").exists()


def test_workers_are_for_one_file(reverie: Run, clip: Path) -> None:
    ended = reverie(*OWN, "-o", "frames", "--workers", 2)
    assert ended.code == 2 and "are made by one process" in ended.err and not Path("frames").exists()


def tree_of(process: int) -> list[int]:
    """A process and those it started."""
    started = [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return [process, *(each for child in started for each in tree_of(child))]


def resident(process: int) -> int:
    """Megabytes of a process in memory."""
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[0]) // 1024


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="memory is read as Linux tells it")
@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(start: Start, folder: Path) -> None:
    """Over 10,000 frames: the peak after a tenth of them is the peak at their end, to a few megabytes."""
    frames = panned(50, (32, 48), step=1)
    write_clip(folder / "clip.mp4", [*frames, *frames[::-1]] * 100)
    write_johnson(folder / "mine.safetensors", draw_johnson(widths=(8, 16), blocks=1))
    process = start(*OWN, "-o", "o.mp4", "--json")
    assert process.stdout is not None
    peaks = {}
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "step" and event["frame"] in (1000, 5000, 9900):
            peaks[event["frame"]] = sum(map(resident, tree_of(process.pid)))
    assert process.wait() == 0 and 100 < peaks[9900] < peaks[1000] + 40, peaks
    print(peaks)


def test_a_dry_run_leaves_nothing(reverie: Run, clip: Path) -> None:
    ended = reverie("video", "instant", clip.name, "night.jpg", "--dry-run")
    assert ended.code == 0 and not list(Path().glob("clip-*"))
