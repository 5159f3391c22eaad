"""`reverie atlas`: a page, its record, and a run that is stopped and goes on."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Run

QUICK = ("--layers", "relu1_1,relu2_1", "--steps", "2", "--precision", "float32")


def test_a_page(reverie: Run) -> None:
    ended = reverie("atlas", "dreamnet", *QUICK, "--photos", ".", "--grid", "2")
    assert ended.code == 0 and ended.out.startswith("dreamnet-atlas.html") and "64 channels of 2 layers" in ended.out
    page = Path("dreamnet-atlas.html").read_text()
    assert '<!-- {"schema":' in page.replace('schema": ', 'schema":') and '"craft": "atlas"' in page
    assert "photo.png" not in page.split("<!-- {")[0]  # what is looked through is nobody's business
    assert not list(Path().glob("*.reverie"))
    assert reverie("atlas", "dreamnet", *QUICK).out.startswith("dreamnet-atlas-2.html")


def test_what_makes_no_sense_is_one_line(reverie: Run) -> None:
    ended = reverie("atlas", "dreamnet", *QUICK, "-o", "atlas.png")
    assert ended.code == 2 and ".html" in ended.err and len(ended.err.splitlines()) == 1
    assert reverie("atlas", "dreamnet", "--layers", "relu9_9").code == 2
