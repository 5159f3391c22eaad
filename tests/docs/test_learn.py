"""The chapters: each has exercises with solutions, its Chinese page runs the same code, and all of it runs."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "learn").glob("[0-9]*.md"))
CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", re.S | re.M)
SOLUTION = ":tags: [hide-cell]\n"


def cells(page: Path) -> list[str]:
    """The code of a chapter, cell by cell."""
    return [match[1].removeprefix(SOLUTION) for match in CELL.finditer(page.read_text(encoding="utf8"))]


def chinese(page: Path) -> Path:
    """The Chinese page of a chapter."""
    return ROOT / "zh" / page.name


def test_there_are_as_many_as_are_promised() -> None:
    assert len(CHAPTERS) >= 14
    assert [page.name for page in CHAPTERS] == [page.name for page in sorted((ROOT / "zh").glob("[0-9]*.md"))]
    index = (ROOT / "learn" / "index.md").read_text(encoding="utf8")
    assert all(f"\n{page.stem}\n" in index for page in CHAPTERS)


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.stem)
def test_a_chapter_ends_in_exercises_that_check_themselves(page: Path) -> None:
    text = page.read_text(encoding="utf8")
    exercises = text.partition("## Exercises")[2]
    solutions = CELL.findall(exercises)
    assert len(solutions) == len(re.findall(r"^\*\*\d\.\*\* ", exercises, re.M)) >= 2
    for solution in solutions:
        assert solution.startswith(SOLUTION) and "assert " in solution
    assert max(len(line) for line in text.splitlines() if not line.startswith("$$")) <= 130


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.stem)
def test_the_chinese_page_is_the_same_chapter(page: Path) -> None:
    text = chinese(page).read_text(encoding="utf8")
    assert cells(chinese(page)) == cells(page), "the same code, so that it runs once for both"
    for pattern in (r"^#+ ", r"^\$\$", r"\]\(([^)]+)\)"):
        ours, theirs = (re.findall(pattern, t, re.M) for t in (page.read_text(encoding="utf8"), text))
        assert len(ours) == len(theirs), pattern
    prose = CELL.sub("", text)
    assert len(re.findall(r"[一-鿿]", prose)) > 250


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.stem)
def test_code_is_python(page: Path) -> None:
    for code in cells(page):
        ast.parse(code)


@pytest.mark.slow
@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.stem)
def test_a_chapter_runs(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(page.parent)
    names: dict[str, Any] = {"__name__": page.stem}
    for number, code in enumerate(cells(page)):
        exec(compile(code, f"{page.name}, cell {number}", "exec", dont_inherit=True), names)
