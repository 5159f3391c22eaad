"""The guide's code runs as it stands, and all documented code type-checks strictly."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "guide").glob("*.md"))
LONGEST = 140  # lines: a page
DECLARATIONS = """
import reverie as rv

rv.InstantSettings(strength=0.8)
rv.DreamSettings(size=512, layers=("relu5_2",))
rv.StyleSettings()
rv.TextureSettings(size=64)
rv.UpscaleSettings(factor=3)
rv.TrainStyleSettings()
total: rv.Objective = sum([rv.energy("a"), rv.channel("b", 1)], start=rv.objectives.ZERO)
"""


def code_of(page: Path) -> str:
    """A page's Python, its lines where they stand in the page."""
    text = page.read_text(encoding="utf8")
    out = [""] * len(text.splitlines())
    for block in re.finditer(r"```python\n(.*?)```", text, re.S):
        first = text[: block.start(1)].count("\n")
        for number, line in enumerate(block[1].splitlines()):
            out[first + number] = line
    return "\n".join(out) + "\n"


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the photographs that the pages read, which is the current one."""
    for name, load in (("cat", skimage.data.chelsea), ("coffee", skimage.data.coffee)):
        Image.fromarray(load()).resize((96, 64)).save(tmp_path / f"{name}.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_a_page_runs(page: Path, photos: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(compile(code_of(page), page.name, "exec", dont_inherit=True), {"__name__": "guide"})


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_a_page_is_a_page(page: Path) -> None:
    text = page.read_text(encoding="utf8")
    assert len(text.splitlines()) <= LONGEST
    assert max(map(len, text.splitlines())) <= 130
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (page.parent / link).exists(), link


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "guide" / "README.md").read_text(encoding="utf8")
    assert all(f"({page.name})" in index for page in PAGES if page.name != "README.md")


@pytest.mark.slow
def test_documented_code_is_typed(tmp_path: Path) -> None:
    """The README's and the guide's, by mypy --strict and without a plugin of pydantic's."""
    from mypy import api

    (tmp_path / "declarations.py").write_text(DECLARATIONS, encoding="utf8")
    for page in [ROOT / "README.md", *PAGES]:
        name = f"page_{page.parent.name}_{page.stem}.py".replace("-", "_")
        (tmp_path / name).write_text(code_of(page), encoding="utf8")
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\nstrict = True\n[mypy-torch.*]\nfollow_imports = silent\n", encoding="utf8")
    files = sorted(str(path) for path in tmp_path.glob("*.py"))
    said, wrong, _ = api.run(["--config-file", str(config), "--cache-dir", str(tmp_path / "cache"), *files])
    assert not wrong
    assert said.startswith("Success"), said
