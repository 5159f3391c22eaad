"""Segments of a film, made apart: the same chunks as those of a film that one process makes."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from pathlib import Path

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
from reverie.recipes.parts.film import scenes
from tests.clips.made_clips import panned, write_clip

QUICK = {"precision": "float32", "tile": 0, "keyframes": 4}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A film of a clip with a cut."""
    clip = write_clip(tmp_path / "clip.mp4", [*panned(40, step=1), *panned(65, step=1, seed=1)])
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
    assert isinstance(made, MadeChunk) and (made.begin, made.frames, made.size) == (half, 48, (48, 64))
    assert made.last == Fraction(95, 24) and len(list(open_footage(tmp_path / "w.mkv").frames())) == 48
    assert said[1:] == [SegmentDone(beyond=False)]
    assert list(maker.made(Segment(3 * half, 4 * half), None)) == [SegmentDone(beyond=True)]


def test_scenes_are_the_segments_of_what_follows_itself(job: Job) -> None:
    clip = open_footage(Path(job.inputs["clip"][0]))
    found = list(scenes(clip.frames(), Parting(Fraction(2), at_cuts=True)))
    assert found == [Segment(Fraction(0), Fraction(40, 24)), Segment(Fraction(40, 24))]
    assert list(scenes(clip.frames(), Parting(Fraction(8), at_cuts=True))) == [Segment(Fraction(0))]  # too short
