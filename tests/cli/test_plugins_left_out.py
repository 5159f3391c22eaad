"""What other packages add: what cannot be used costs one line, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder of installed packages: one with a craft, one whose module is missing, one with a damaged preset."""
    entries = {
        "negative": "[reverie.crafts]\nnegative = negative_craft:negative\n",
        "gone": "[reverie.crafts]\ngone = gone_craft:gone\n",
        "spoilt": "[reverie.presets]\nspoilt = spoilt_presets\n",
    }
    for name, text in entries.items():
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(text)
    (tmp_path / "negative_craft.py").write_text(
        "import reverie as rv\n"
        "@rv.craft(summary='Turn a photo into its negative.', makes=rv.Still)\n"
        "def negative(photo: rv.Photo, settings: rv.Settings = rv.Settings()):\n"
        "    return 1 - photo\n"
    )
    (tmp_path / "spoilt_presets").mkdir()
    (tmp_path / "spoilt_presets" / "__init__.py").write_text("")
    (tmp_path / "spoilt_presets" / "bad.json").write_text("{")
    return tmp_path


def run(package: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command in a process that finds the packages."""
    paths = os.pathsep.join([str(package), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-m", "reverie", *words], capture_output=True, text=True, timeout=100, check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip


def test_a_craft_that_is_missing_is_one_line(package: Path) -> None:
    ended = run(package, "--help")
    assert ended.returncode == 0 and " negative " in ended.stdout and " gone " not in ended.stdout
    assert ended.stderr == "reverie: the plugin of 'gone' is left out: there is no module 'gone_craft'\n"


def test_a_preset_that_is_damaged_is_one_line(package: Path) -> None:
    ended = run(package, "presets")
    assert ended.returncode == 0 and "night-oil" in ended.stdout
    assert "reverie: the preset 'bad' is left out: the preset is damaged: it is not whole JSON." in ended.stderr
    assert ended.stderr.count("\n") == 2, "a line for each package that cannot be used"


@pytest.mark.slow
def test_a_craft_of_another_package_makes_and_replays(package: Path, folder: Path) -> None:
    made = run(package, "negative", str(folder / "photo.png"), "-o", str(folder / "o.png"))
    assert made.returncode == 0 and made.stdout.split()[0].endswith("o.png")
    again = run(package, "replay", str(folder / "o.png"), "-o", str(folder / "again.png"))
    assert again.returncode == 0 and "same pixels" in again.stdout
