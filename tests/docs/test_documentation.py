"""The documentation leads somewhere, and its drawing of the house is the house's."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import check  # noqa: E402 (beside the pages, no package)
import draw_rooms  # noqa: E402

ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf8")


@pytest.mark.parametrize("page", check.pages(ROOT), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_page_is_right(page: Path) -> None:
    assert [*check.problems(page)] == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[there](page.md), [here](#a-title), [in there](page.md#a-title), [far](https://example.org)\n", ""),
        ("see `src/reverie/errors.py`, `engine/plan.py` and `docs/decisions/`\n", ""),
        ("`mine/thing.py`:\n\n```python\nx = 1\n```\n\nwhich is in `mine/`\n", ""),
        ("[gone](other.md)\n", "the link 'other.md' leads nowhere"),
        ("[gone](page.md#another)\n", "the link 'page.md#another' leads nowhere"),
        ('<img src="gone.jpg" alt="">\n', "the link 'gone.jpg' leads nowhere"),
        ("look into `engine/plans.py`\n", "there is no 'engine/plans.py'"),
        ("```python\nx = = 1\n```\n", "a block is no Python: invalid syntax: x = = 1\n"),
    ],
)
def test_what_is_wrong_is_found(text: str, wrong: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# A title\n\n{text}", encoding="utf8")
    assert [*check.problems(page)] == ([wrong] if wrong else [])


def test_the_drawing_is_of_this_house() -> None:
    assert draw_rooms.with_drawing(ARCHITECTURE, draw_rooms.rooms()) == ARCHITECTURE, "run 'make docs'"


def test_every_room_is_described() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", ARCHITECTURE, re.M)) == set(draw_rooms.rooms())


def test_arrows_that_follow_from_others_are_left_out(tmp_path: Path) -> None:
    for room, text in {"a": "", "b": "from reverie.a import x", "c": "from reverie import a\nimport reverie.b"}.items():
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text(text, encoding="utf8")
    (tmp_path / "c" / "deep.py").write_text(
        "from reverie.b.deep import y\nfrom reverie.errors import E", encoding="utf8"
    )
    rooms = draw_rooms.rooms(tmp_path)
    assert rooms == {"a": set(), "b": {"a"}, "c": {"a", "b"}}
    assert re.findall(r"\w --> \w", draw_rooms.drawn(rooms)) == ["b --> a", "c --> b"]
