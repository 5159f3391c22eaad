"""``reverie live``: a page on this machine shows a clip as it is painted."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from reverie.cli import main
from reverie.motion import measured
from reverie.motion.live import painted_live
from tests.clips.made_clips import panned, write_clip
from tests.motion.test_between import Rough, clip


def test_a_clip_is_shown_live(folder: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    write_clip(folder / "clip.mp4", panned(90, step=1), rate=10)
    words = ("--file", "clip.mp4", "--size", "64", "--no-browser")
    process = start("live", "instant", "night.jpg", *words)
    assert process.stdout is not None
    found = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
    assert found is not None
    page = urllib.request.urlopen(found[0]).read().decode()
    assert "/stream" in page and "http://" not in page
    with urllib.request.urlopen(f"{found[0]}stream") as stream:
        seen = stream.read(30_000)
    assert seen.count(b"--frame\r\nContent-Type: image/jpeg") >= 2 and b"\xff\xd8\xff" in seen
    facts = json.loads(urllib.request.urlopen(f"{found[0]}facts").read())
    assert facts["frames"] >= 2 and facts["paintings"] < facts["frames"]
    stranger = urllib.request.Request(found[0], headers={"Host": "example.org"})
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(stranger)
    process.terminate()
    process.communicate()


def test_no_camera(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["live", "instant", "night.jpg", "--camera", "99", "--no-browser"]) == 2
    assert "camera 99 gives no picture" in capsys.readouterr().err


def test_a_painting_follows_the_motion() -> None:
    frames, painter = clip(24, step=1.0), Rough()
    made = list(painted_live(frames, painter, longest=8))
    assert len(made) == 24 and painter.painted == sum(each.fresh for each in made) <= 6
    own = [painter.between(frame.image) for frame in frames]
    versions = zip(frames, own, made, strict=True)
    table = measured({"source": f.image, "own": o, "made": m.image} for f, o, m in versions)
    assert sum(table["made"]["short"]) < sum(table["own"]["short"]) / 2
