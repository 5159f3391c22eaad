"""One picture over a Ray cluster, from the command line: the pixels are those of tiles done here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import reverie as rv
from reverie.engine import Plan, Synthesis
from reverie.engine.runs import run_of
from reverie.jobs import machines
from reverie.jobs.machines import Machines, _for_each
from reverie.jobs.record import read_record
from reverie.pictures import read_image
from reverie.recipes import StyleSettings
from reverie.recipes.style import style_synthesis
from tests.cli.conftest import QUICK, Run
from tests.conftest import MakePicture

Start = Callable[..., subprocess.Popen[str]]
CLUSTER = ("--cluster", "local", "--workers", "2")
SMALL = ("--size", "176", "--steps", "2", "--octaves", "1", "--precision", "float32")


def tiles_of(plan: Plan) -> int:
    height, width = plan.size
    return -(-height // plan.tile) * -(-width // plan.tile)


@pytest.fixture
def style(make_picture: MakePicture) -> Synthesis:
    """A small style transfer, not run."""
    settings = StyleSettings(size=400, steps=2, precision="float32", start="photo")
    return style_synthesis(make_picture(0, 300, 400), [make_picture(1, 64, 64)], settings)


def planned(what: Synthesis, *, workers: int, **given: object) -> Plan:
    settings = StyleSettings(size=400, steps=2, precision="float32", **given)
    pytest.importorskip("ray")
    return Machines("local", workers).plan(run_of(what), settings)


@pytest.mark.parametrize(
    "workers", [pytest.param(2, marks=pytest.mark.slow), 4, pytest.param(6, marks=pytest.mark.slow)]
)
def test_each_worker_gets_a_tile(style: Synthesis, workers: int) -> None:
    assert tiles_of(planned(style, workers=workers)) >= workers


def test_one_worker_is_no_reason_to_cut(style: Synthesis) -> None:
    assert planned(style, workers=1).tile == 0


def test_a_chosen_tile_is_taken(style: Synthesis) -> None:
    assert planned(style, workers=2, tile=64).tile == 64
    assert planned(style, workers=2, tile=0).tile == 0


def test_workers_of_one_machine_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setattr(machines, "resident", lambda: 2**30)
    assert Machines("local", 4)._memory("5GB") == 2 * 2**30
    assert Machines("far:6379", 4)._memory("5GB") == 5 * 2**30


def test_the_largest_tile_of_which_each_has_one() -> None:
    assert _for_each(1, (3000, 4000)) == 2048
    assert _for_each(4, (3000, 4000)) == 2048
    assert _for_each(8, (3000, 4000)) == 1024
    assert _for_each(1000, (300, 400)) == 128


def test_without_ray_one_line_says_what_to_install(reverie: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    ended = reverie("dream", "photo.png", *QUICK, "--cluster", "local")
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert "pip install 'reverie-dream[cluster]'" in ended.err


def test_a_plan_starts_no_cluster(reverie: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setattr(machines, "join_workers", lambda *a, **k: pytest.fail("it was joined"))
    ended = reverie("dream", "photo.png", "--size", 600, "--cluster", "local", "--workers", 4, "--dry-run", "--json")
    plan = json.loads(ended.out)
    assert ended.code == 0 and plan["tile"] in (256, 384)


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_the_pixels_are_those_of_tiles(reverie: Run) -> None:
    ray = pytest.importorskip("ray")
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    ended = reverie("dream", "photo.png", *SMALL, *CLUSTER, "-o", "o.png")
    assert (ended.code, ended.err) == (0, "")
    assert not ray.is_initialized()
    assert handlers == [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    assert read_record(Path("o.png")).settings["tile"] == 128
    assert reverie("replay", "o.png", "-o", "here.png").code in (0, 3)
    assert (read_image("o.png") - read_image("here.png")).abs().mean() < 1e-3, "to rounding"


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_stopped_on_a_cluster_and_resumed_on_one(reverie: Run, start: Start) -> None:
    pytest.importorskip("ray")
    words = ("style", "photo.png", "night.jpg", "--size", "176", "--steps", "12", "--precision", "float32", *CLUSTER)
    assert reverie(*words, "-o", "whole.png").code == 0
    process = start(*words, "-o", "o.png", "--checkpoint", "ck", "--checkpoint-every", "0", "--json")
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "step":
            break
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (143, "")
    assert json.loads(out.splitlines()[-1])["event"] == "stopped"
    assert reverie("resume", "ck", *CLUSTER).code == 0
    assert torch.equal(read_image("o.png"), read_image("whole.png"))


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_a_killed_driver_goes_on_on_the_cluster(start: Start) -> None:
    pytest.importorskip("ray")
    words = ("dream", "photo.png", "--size", "300", "--octaves", "1", "--steps", "12", "--precision", "float32")
    process = start(*words, *CLUSTER, "-o", "o.png", "--checkpoint", "ck", "--checkpoint-every", "0", "--json")
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "step":
            break
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert "going on in tiles of 128 px" in out and rv.read_image("o.png").shape[3] == 300
