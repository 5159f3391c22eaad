"""Clips: brought like pictures, looked at within the same limits, and for the crafts that take one."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reverie.client import Client, Refusal
from reverie.clips import has_video
from reverie.queue import brought
from reverie.queue.home import Home
from reverie.queue.office import Office
from reverie.queue.store import Store
from tests.studio import driven_studio
from tests.studio.conftest import Studio, png

if not has_video():
    pytest.skip("clips need the extra 'video'", allow_module_level=True)
from tests.cli.test_video import hashes
from tests.clips.made_clips import panned, quarters, write_clip

SUFFIXES = {".mp4": "libx264", ".mov": "libx264", ".mkv": "libx264", ".webm": "libvpx-vp9"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a second of a texture that moves."""
    return write_clip(tmp_path_factory.mktemp("clips") / "a street.mp4", panned(12))


def facts(studio: Studio, id: str) -> dict[str, Any]:
    with closing(studio.client._open("GET", f"/pictures/{id}", None)) as answer:
        return dict(json.load(answer))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_a_clip_is_says_its_content(studio: Studio, tmp_path: Path, suffix: str) -> None:
    path = write_clip(tmp_path / f"clip{suffix}", panned(12), codec=SUFFIXES[suffix])
    found = facts(studio, studio.client.bring(path.read_bytes(), "street.jpg"))
    assert (found["name"], found["width"], found["height"]) == (f"street{suffix}", 64, 48)
    assert found["seconds"] == pytest.approx(0.5, abs=0.05)


def test_a_gif_is_a_clip_if_it_moves(studio: Studio) -> None:
    frames = [Image.fromarray(frame) for frame in panned(4)]
    for many, moves in ((frames, True), (frames[:1], False)):
        memory = io.BytesIO()
        many[0].save(memory, "gif", save_all=True, append_images=many[1:], duration=100)
        found = facts(studio, studio.client.bring(memory.getvalue(), "loop.gif"))
        assert (found["seconds"] is not None) is moves and found["width"] == 64


def test_its_first_frame_is_its_small_picture(studio: Studio, tmp_path: Path) -> None:
    id = studio.client.bring(write_clip(tmp_path / "quarters.mp4", quarters()))
    with closing(studio.client._open("GET", f"/pictures/{id}/small?side=32", None)) as answer:
        small = np.asarray(Image.open(io.BytesIO(answer.read())).convert("RGB")).astype(float)
    corners = [small[y, x].argmax() for y, x in ((4, 4), (4, 28), (20, 4))]
    assert small.shape == (24, 32, 3) and corners == [0, 1, 2] and small[14, 28].max() < 40


def test_orders_of_films(studio: Studio, clip: Path) -> None:
    """A clip where a clip is due, and nowhere else; the result is a film."""
    id, photo = studio.client.bring(clip), studio.client.bring(png(), "cat.png")
    done = studio.client.wait(studio.client.order("video instant", {"clip": id, "painting": "mosaic"})["id"])
    assert done["state"] == "done" and done["title"] == "a street-mosaic"
    crafts = {each["name"]: each for each in studio.client.crafts()}
    assert next(each["kind"] for each in crafts["video dream"]["inputs"]) == "clip"
    for craft, inputs, words in (
        ("video dream", {"clip": photo}, "takes a clip, and 'cat.png' is a picture"),
        ("dream", {"photo": id}, "takes a picture, and 'a street.mp4' is a clip"),
        ("video dream", {"clip": "/etc"}, "give the id of a clip"),
        ("video dream", {}, "needs a CLIP"),
    ):
        with pytest.raises(Refusal, match=words):
            studio.client.order(craft, inputs)


@pytest.mark.parametrize(
    "body",
    [b"\0\0\0\x20ftypisom" + b"x" * 4000, b"\x1a\x45\xdf\xa3webm" + bytes(99), b"\0\0\0\x20ftypheic" + bytes(99)],
    ids=["mp4", "webm", "heic"],
)
def test_what_only_looks_like_one_is_refused(studio: Studio, body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        studio.client.bring(body, "clip.mp4")
    assert refused.value.code == 400 and str(studio.service.desk.home.path) not in str(refused.value)


def test_frames_have_so_many_pixels(studio: Studio, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brought, "FRAME", 3000)
    with pytest.raises(Refusal, match="got 64x48"):
        studio.client.bring(clip.read_bytes() + b"\0", "other.mp4")


def test_a_journal_from_before_clips(tmp_path: Path) -> None:
    """An earlier Reverie's journal is taken over as it is."""
    home = Home(tmp_path).made()
    with closing(Store(home.journal)) as store:
        store.database._connection.execute("ALTER TABLE files DROP COLUMN seconds")
    with closing(Store(home.journal)) as store:
        assert store.files(brought=True) == []


@pytest.mark.slow
def test_the_clerk_reads_clips_within_its_limits(clip: Path) -> None:
    with closing(Office()) as office:
        found = office.ask("brought", path=str(clip), pixels=10**6, name="street.mp4")
    assert (found["suffix"], found["width"], found["height"]) == (".mp4", 64, 48)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="the worker is found in /proc")
def test_a_film_that_is_killed_is_the_same_film(tmp_path: Path) -> None:
    """The worker is killed when chunks are done, later the service: frame for frame what the command line makes."""
    clip, settings = write_clip(tmp_path / "long.mp4", panned(400)), {"size": 64, "precision": "float32"}
    with driven_studio.studio(tmp_path / "a home") as running:
        client = Client(running.address.rstrip("/"))
        job = client.order("video instant", {"clip": clip, "painting": "mosaic"}, settings)["id"]
        _after(client, job, 0.3)
        os.kill(running.worker(), signal.SIGKILL)
        _after(client, job, 0.6)
        running.kill()
        running.again()
        done = client.wait(job)
        assert done["state"] == "done"
        (tmp_path / "film.mp4").write_bytes(client.result(done["results"][0]))
    words = ["video", "instant", str(clip), "mosaic", "--size", "64", "--precision", "float32", "-o", "whole.mp4"]
    one = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "reverie", *words], cwd=tmp_path, env=one, check=True)
    assert hashes(tmp_path / "film.mp4") == hashes(tmp_path / "whole.mp4")
    assert len(hashes(tmp_path / "film.mp4")) == 400


def _after(client: Client, job: str, progress: float) -> None:
    """Wait until a job is so far."""
    while (found := client.job(job))["progress"] < progress:
        assert found["state"] in ("queued", "running"), "it is over already"
        time.sleep(0.05)
