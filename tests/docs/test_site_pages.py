"""The pages that the site generates: plots of the benchmarks, and the reference."""

from __future__ import annotations

import json
import re
from pathlib import Path

from learn import measured, reference

ROOT = Path(__file__).parents[2]
PUBLIC = ROOT / "src" / "reverie" / "__init__.pyi"


def test_plots_show_what_was_measured() -> None:
    page = measured.page(ROOT / "benchmarks")
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    assert f"{results['crafts']['style_512_s']:.3g} s" in page
    shares = [float(share) for share in re.findall(r"--(?:share|thin|thick): ([\d.]+)%", page)]
    assert len(shares) > 60 and all(0 < share <= 100 for share in shares)
    assert page.count("<svg") == len(
        json.loads((ROOT / "benchmarks" / "starts.json").read_text(encoding="utf-8"))["each"]
    )


def test_a_longer_bar_is_a_larger_number() -> None:
    drawn = measured.bars("seconds", {"a < b": 1.0, "c": 4.0}, "s")
    assert re.findall(r"--share: ([\d.]+)%", drawn) == ["25.0", "100.0"]
    assert "a &lt; b" in drawn and "4 s" in drawn


def test_lines_go_where_the_numbers_say() -> None:
    drawn = measured.lines("title", {"photo": [(0, 0), (10, 5)], "instant": [(5, 2.5)]}, across="s", up="loss")
    (far,) = re.findall(r'<polyline points="[\d.]+,([\d.]+) [\d.]+,([\d.]+)"', drawn)
    assert float(far[0]) > float(far[1]), "upwards is larger"


def test_every_public_name_is_in_the_reference() -> None:
    pages = dict(reference.pages(PUBLIC))
    entries = re.findall(r"^\.\. auto\w+:: reverie\.(\w+)$", "\n".join(pages.values()), re.M)
    listed = PUBLIC.read_text(encoding="utf-8")
    rooms = re.findall(r"^from reverie import (\w+) as", listed, re.M)
    assert sorted(entries) == sorted(set(re.findall(r" as (\w+)$", listed, re.M)) - {"__version__", *rooms})
    assert all(f"[`{name}`](api/" in pages["api.md"] for name in entries)
