"""Segments of a film, made apart: the same chunks as those of a film that one process makes."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from reverie.clips import open_footage
from reverie.crafts.registry import find
from reverie.engine.films import FilmRun, FilmStep, Segment
from reverie.feedforward.johnson import draw_johnson, write_johnson
from reverie.jobs.inputs import find_files, load
from reverie.jobs.job import Job
from reverie.jobs.segments import FramesMade, MadeChunk, SegmentDone, SegmentMaker
from reverie.motion import Parting
from reverie.recipes.parts.film import piece, samples, scenes
from tests.clips.made_clips import panned, write_clip

SIZE = 32, 48
QUICK = {"precision": "float32", "tile": 0, "keyframes": 4}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A film of a clip with a cut."""
    clip = write_clip(tmp_path / "clip.mp4", [*panned(40, SIZE, 1), *panned(65, SIZE, 1, seed=1)])
    write_johnson(tmp_path / "mine.safetensors", draw_johnson(widths=(8, 16), blocks=1))
    inputs = {"clip": str(clip), "network": str(tmp_path / "mine.safetensors")}
    return Job(craft="video own", inputs=inputs, settings=QUICK, output=str(tmp_path / "o.mkv"))


def run_of(job: Job) -> FilmRun:
    craft = find(job.craft)
    run = craft.make(load(craft, find_files(craft, job.inputs)).values, craft.checked(job.settings))
    assert isinstance(run, FilmRun)
    return run


def frames_of(steps: object) -> list[FilmStep]:
    return [step for step in steps if isinstance(step, FilmStep)]  # type: ignore[attr-defined]


def test_segments_are_made_apart(job: Job) -> None:
    run = run_of(job)
    plan = run.planned(tile=0)
    whole, frames = frames_of(run.steps(plan)), run.begun(plan, None)
    apart = [list(frames(None, segment)) for segment in islice(run.segments(), 4)]
    assert [len(each) for each in apart] == [48, 48, 9, 0]
    assert [step.number for step in whole if step.kept is not None] == [48, 96]
    for one, other in zip(whole, [step for each in apart for step in each], strict=True):
        assert one.frame.time == other.frame.time and torch.equal(one.image, other.image)


def test_a_worker_tells_of_its_chunks(job: Job, tmp_path: Path) -> None:
    maker, half = SegmentMaker(job, tmp_path / "w.mkv"), Fraction(2)
    said = [each for each in maker.made(Segment(half, 2 * half), None) if not isinstance(each, FramesMade)]
    made = said[0]
    assert isinstance(made, MadeChunk) and (made.begin, made.frames, made.size) == (half, 48, SIZE)
    assert made.last == Fraction(95, 24) and len(list(open_footage(tmp_path / "w.mkv").frames())) == 48
    assert said[1:] == [SegmentDone(beyond=False)]
    assert list(maker.made(Segment(3 * half, 4 * half), None)) == [SegmentDone(beyond=True)]


def test_samples_lie_all_over_a_clip(tmp_path: Path) -> None:
    """One for 16 frames, 8 to 24 of them; of large frames pieces, each elsewhere, no more pixels in all."""
    scenes = [np.full((48, 64, 3), 40 + 10 * number, np.uint8) for number in range(20) for _ in range(16)]
    footage = open_footage(write_clip(tmp_path / "a.mkv", scenes, codec="ffv1", pixels="bgr0"))
    found = [round(float(image.mean()) * 255) for image in samples(footage, (48, 64))]
    assert found == [40 + 10 * number for number in range(20)]
    assert len(samples(footage.taken(end=1), (48, 64))) == 8
    large = torch.arange(2160 * 3840, dtype=torch.float32).view(1, 1, 2160, 3840)
    pieces = [piece(large, number, 250_000) for number in range(24)]
    assert all(0.7 * 250_000 < each.numel() <= 250_000 for each in pieces)
    corners = torch.tensor([[int(each[0, 0, 0, 0]) // 3840, int(each[0, 0, 0, 0]) % 3840] for each in pieces])
    assert len(corners.unique(dim=0)) == 24
    for along, most in ((0, 2160 - 352), (1, 3840 - 640)):
        assert corners[:, along].float().histc(4, 0, most).min() >= 4


def test_scenes_are_the_segments_of_what_follows_itself(job: Job) -> None:
    clip = open_footage(Path(job.inputs["clip"][0]))
    found = list(scenes(clip.frames(), Parting(Fraction(2), at_cuts=True)))
    assert found == [Segment(Fraction(0), Fraction(40, 24)), Segment(Fraction(40, 24))]
    assert list(scenes(clip.frames(), Parting(Fraction(8), at_cuts=True))) == [Segment(Fraction(0))]  # too short
