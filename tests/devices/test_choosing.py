"""Choosing a device and a precision: by measurement, remembered, and refused in one line where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie.cli.devices import show
from reverie.engine import devices, precision, suited
from reverie.engine.suited import Pace
from reverie.errors import OutOfMemory, RecipeError
from reverie.jobs.job import Job
from reverie.jobs.perform import perform
from reverie.jobs.record import read_record
from reverie.jobs.replay import on_devices_here, replayed
from reverie.networks import Network
from tests.conftest import MakePicture
from tests.standin import NAME, watched

THERE = torch.device(NAME, 0)
QUICK = {"size": 48, "steps": [1], "octaves": 1, "precision": "float32"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and a folder of its own, and quick probes."""
    monkeypatch.setenv("REVERIE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(suited, "_LARGE", (64, 96))
    monkeypatch.setattr(precision, "_SIZE", (48, 64))
    return tmp_path / "home"


@pytest.fixture
def with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose only accelerator is the stand-in."""
    monkeypatch.setattr(devices, "KINDS", (NAME,))
    monkeypatch.setattr(devices, "_count", lambda kind: int(kind == NAME))


def test_without_accelerators_the_processor_is_taken_unmeasured(
    tiny: Network, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_count", lambda _: 0)
    assert suited.suited(tiny, 10**9, 1e6) == devices.CPU
    assert not home.exists()


@pytest.mark.usefixtures("with_one")
def test_small_pictures_are_not_worth_a_start(tiny: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    paces = {devices.CPU: Pace(0.0, 0.001, 1e-6), THERE: Pace(2.0, 0.002, 1e-8)}
    monkeypatch.setattr(suited, "pace_of", lambda _, device: paces[device])
    assert suited.suited(tiny, 64 * 64, 40) == devices.CPU
    assert suited.suited(tiny, 1024 * 1024, 40) == THERE


@pytest.mark.usefixtures("with_one")
def test_the_pace_is_measured_once(tiny: Network, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = suited.pace_of(tiny, THERE)
    assert min(first.start, first.step, first.pixel) >= 0
    monkeypatch.setattr(suited, "measured", lambda *_: pytest.fail("it was measured again"))
    assert suited.pace_of(tiny, THERE) == first
    (kept,) = json.loads((home / "devices.json").read_text())
    assert "standin:0 Stand-in" in kept
    (home / "devices.json").write_text('{"damaged": [1]}')
    monkeypatch.setattr(suited, "measured", lambda *_: first)
    assert suited.pace_of(tiny, THERE) == first


def test_precisions_of_an_accelerator(tiny: Network) -> None:
    there = tiny.with_precision(torch.float32, device=NAME)
    found = precision.tried(there)
    assert [each.candidate.name for each in found] == ["float32", "bfloat16", "float16"]
    assert found[0].cosine == pytest.approx(1, abs=1e-4) and precision.probe(there).name in dict.fromkeys(
        each.candidate.name for each in found if each.faithful
    )
    assert precision.with_precision(tiny, "float16", device=THERE).dtype == torch.float16
    with pytest.raises(RecipeError, match="precision is auto, float32 or bfloat16; got 'float16'"):
        precision.with_precision(tiny, "float16")
    with pytest.raises(RecipeError, match="bfloat16 or float16 on standin:0; got 'tf32'"):
        precision.with_precision(tiny, "tf32", device=THERE)


def test_a_precision_that_a_device_lacks_is_left_out(tiny: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    real = precision._gradient

    def gradient(network: Network, picture: Tensor, layers: tuple[str, ...]) -> Tensor:
        if network.dtype == torch.bfloat16:
            raise RuntimeError("not implemented for 'BFloat16'")
        return real(network, picture, layers)

    monkeypatch.setattr(precision, "_gradient", gradient)
    found = precision.tried(tiny.with_precision(torch.float32, device=NAME))
    assert [each.candidate.name for each in found] == ["float32", "float16"]


@pytest.mark.usefixtures("with_one")
def test_reverie_devices(tiny: Network, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("reverie.cli.devices.load", lambda **_: tiny)
    assert show(json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["device"] for each in found] == ["cpu", "standin:0"]
    assert found[1]["memory"] == 2**30 and found[1]["precisions"][0]["name"] == "float32"
    assert show(json=False) == 0
    assert "Stand-in" in capsys.readouterr().out


def test_memory_is_limited_and_lifted() -> None:
    try:
        devices.limit_memory(THERE, 12345)
        assert devices.allowed_on(THERE) == 12345
    finally:
        devices.limit_memory(THERE, None)
    assert devices.allowed_on(THERE) > 2**28


def test_the_record_names_the_device_and_replays_elsewhere(make_picture: MakePicture) -> None:
    rv.write_image("photo.png", make_picture(1, 40, 48))
    job = Job(craft="dream", inputs={"photo": "photo.png"}, settings={**QUICK, "device": NAME}, output="out.png")
    list(perform(job))
    record = read_record(Path("out.png"))
    assert (record.accelerator, record.settings["device"]) == ("Stand-in", "standin:0")
    assert replayed(Path("out.png")).settings["device"] == "standin:0"
    settings, (note,) = on_devices_here({**record.settings, "device": "cuda:3"})
    assert settings["device"] == "auto" and note == "made on cuda:3, which is not here: pixels may differ a little."


def test_a_device_whose_memory_runs_out_is_one_line(make_picture: MakePicture) -> None:
    rv.write_image("photo.png", make_picture(1, 40, 48))
    job = Job(craft="upscale", inputs={"photo": "photo.png"}, settings={"device": NAME}, output="out.png")
    with watched() as ledger:
        held = ledger.live
    with watched(limit=held + 2**16), pytest.raises(OutOfMemory, match="the device's memory ran out; try"):
        list(perform(job))
    assert not Path("out.png").exists()
