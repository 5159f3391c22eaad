"""`reverie visualize`: one declaration, from the words to the file, its figures and its record."""

from __future__ import annotations

import json
from pathlib import Path

from reverie.jobs.record import read_record
from reverie.pictures import read_picture
from tests.cli.conftest import QUICK, Run


def test_a_channel(reverie: Run) -> None:
    ended = reverie("visualize", "dreamnet", "relu4_2:7", *QUICK, "-o", "v.png")
    assert ended.code == 0 and ended.out.startswith("v.png  64x64")
    assert "relu4_2:7: activation" in ended.out and "at most on photos" in ended.out
    record = read_record(Path("v.png"))
    assert record.craft == "visualize" and record.settings["units"] == ["relu4_2:7"]
    assert '"photos": ' in record.to_json() and '"activation": ' in record.to_json()
    assert "same pixels" in reverie("replay", "v.png").out


def test_a_sheet_is_named_after_its_units(reverie: Run) -> None:
    ended = reverie("visualize", "dreamnet", "relu2_1:0..3", "class:castle", *QUICK, "--json")
    assert ended.code == 0
    end = json.loads(ended.out.splitlines()[-1])
    assert end["output"] == "dreamnet-relu2_1-0-3-class-castle.png"
    assert [u["unit"] for u in end["figures"]["units"]] == [*(f"relu2_1:{i}" for i in range(4)), "class:castle"]
    assert {"rank", "probability"} <= end["figures"]["units"][-1].keys()
    assert read_picture(end["output"]).size[1] > 3 * 64


def test_transparency_and_photos(reverie: Run) -> None:
    assert reverie("visualize", "dreamnet", "relu5_3:100", *QUICK, "--transparent", "-o", "t.png").code == 0
    assert read_picture("t.png").alpha is not None
    assert reverie("visualize", "dreamnet", "relu3_2", *QUICK, "--photo", "photo.png", "-o", "c.png").code == 0
    assert read_picture("c.png").size == (48, 64)
    assert "same pixels" in reverie("replay", "c.png").out


def test_a_cppn_at_any_size(reverie: Run) -> None:
    words = ["visualize", "dreamnet", "relu3_2:11", *QUICK, "--canvas", "cppn", "--size", 300, "-o", "large.png"]
    assert reverie(*words).code == 0
    assert read_picture("large.png").size == (300, 300)


def test_what_makes_no_sense_is_one_line(reverie: Run) -> None:
    for words, reason in (
        (["dreamnet", "relu4-2:7"], "did you mean 'relu4_2'"),
        (["dreamnet", "relu4_2:999"], "channels 0 to 255"),
        (["dreamnot", "relu4_2:7"], "dreamnot"),
        (["dreamnet"], "UNIT"),
    ):
        ended = reverie("visualize", *words)
        assert ended.code == 2 and reason in ended.err and len(ended.err.splitlines()) == 1, ended.err
