"""The studio's page as files: small, strict, and with words for everything in two languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reverie.crafts.registry import crafts
from reverie.jobs.presets import presets
from reverie.queue.declared import craft_card
from tests.export.test_pages import contrast

PAGE = Path(__file__).parents[2] / "src" / "reverie" / "studio" / "page"
SCRIPTS = sorted(PAGE.glob("*.js"))
FIRST = ("index.html", "page.css", "parts.css", "theme.js")


def test_the_page_asks_nobody_else() -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', (PAGE / "index.html").read_text())[1]  # type: ignore[index]
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    assert rules["default-src"] == ["'none'"]
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == ["'self'"]
    for path in (*SCRIPTS, *PAGE.glob("*.css"), PAGE / "index.html"):
        text = path.read_text(encoding="utf8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|(src|href)=[\"']//|@import", text), path.name
        assert not re.search(
            r"style=|onclick=|<script>|eval\(|innerHTML|outerHTML|insertAdjacent|document\.write", text
        ), path


def test_the_first_page_is_small() -> None:
    """Everything that is there before anything is chosen: the page, its scripts, and samples as small pictures."""
    texts = sum(
        path.stat().st_size for path in (*SCRIPTS, *(PAGE / name for name in FIRST)) if path.name != "chinese.js"
    )
    small = sum(path.stat().st_size for path in (*PAGE.glob("presets/*"), *PAGE.glob("samples/*-small.*")))
    assert texts < 135_000 and texts + small < 300_000
    assert all(len(path.read_text().splitlines()) <= 400 for path in SCRIPTS)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_import_what_there_is(path: Path) -> None:
    """Every name that a script imports is exported by the other, and every script is reached."""
    text = path.read_text(encoding="utf8")
    for names, other in re.findall(r'import \{ ([^}]+) \} from "\./([\w.]+)"', text):
        theirs = (PAGE / other).read_text(encoding="utf8")
        for name in names.split(", "):
            assert re.search(rf"export (async )?(const|function|class|let) [^;=(]*\b{name}\b", theirs), (
                f"{name} of {other}"
            )
            assert len(re.findall(rf"\b{name}\b", text)) > 1, f"{name} is imported for nothing"
    assert "import" in text or "export" in text or path.name == "theme.js"


def test_words_stand_out() -> None:
    text = (PAGE / "page.css").read_text()
    names = ("paper", "wall", "card", "ink", "soft", "accent", "on-accent", "second")
    found = {name: re.findall(rf"--{name}: (#\w+)", text) for name in names}
    schemes = list(zip(*found.values(), strict=True))
    assert len(schemes) == 3 and schemes[1] == schemes[2], "dark by the system is dark by choice"
    for paper, wall, card, ink, soft, accent, on_accent, second in schemes:
        assert min(contrast(a, b) for a in (ink, soft) for b in (paper, wall, card)) > 4.5
        assert contrast(accent, on_accent) > 4.5 and contrast(accent, paper) > 4.5 and contrast(second, paper) > 3


def test_the_page_s_own_words_are_chinese_too() -> None:
    text = (PAGE / "chinese.js").read_text(encoding="utf8")
    words, titles, inputs, settings, looks = (
        set(re.findall(r'(?m)(?:^|[,{] )\s*"?([^":{},\n][^":\n]*?)"?: [\["]', part))
        for part in re.split(r"export const \w+ = \{", text)[1:]
    )
    said = {
        each for path in SCRIPTS for each in re.findall(r'\bt\("((?:[^"\\]|\\.)*)"', path.read_text(encoding="utf8"))
    }
    quoted = set(re.findall(r'"((?:[^"\\]|\\.)*)":', text))
    assert not said - quoted, "words of the page"
    assert words and titles and looks
    cards = [craft_card(craft) for craft in crafts().values()]
    for known, kind in ((settings, "settings"), (inputs, "inputs")):
        there = {each["name"] for card in cards for each in card[kind]}
        assert known <= there, f"words for {kind} that are gone"
        assert len(known) > 0.75 * len(there), f"most {kind} have words; the others are shown in English"


def test_presets_have_pictures() -> None:
    """Every picture is a preset's; one without is shown by its name until ``make gallery`` makes it."""
    pictures = {path.stem for path in (PAGE / "presets").iterdir()}
    assert pictures <= set(presets()) and len(pictures) > len(presets()) / 2
