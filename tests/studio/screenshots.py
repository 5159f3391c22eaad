"""Take the studio's pictures for the documentation: `python -m tests.studio.screenshots docs/pictures/studio`.

A real Chromium before a real service; needs `chromium` and `chromium-driver`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image

from tests.export.driven_chromium import Browser, browser, missing
from tests.studio.driven_studio import Studio, studio
from tests.studio.test_studio_journeys import ALONG, made, opened, prepared, set_to, sized

WIDE, NARROW, PHONE = (1440, 900), (1100, 900), (390, 844)


def page(window: Browser, served: Studio) -> None:
    """A painting beside its photo."""
    prepared(window, "style", size=512)
    window.click("[data-key=style-night-strokes]")
    made(window)
    window.click("[data-tool=compare]")


def film(window: Browser, served: Studio) -> None:
    """A film beside its clip."""
    prepared(window, "video instant", size=288)
    window.click("[data-key=style-night-strokes]")
    made(window)
    window.click("[data-tool=compare]")
    films = "[...document.querySelectorAll('#player, #original')]"
    window.until(f"{films}.every((each) => !each.hidden && each.readyState > 2 && each.currentTime > 0)")
    window.run(f"{films}.forEach((each) => each.pause())")


def mask(window: Browser, served: Studio) -> None:
    """A mask at work."""
    prepared(window, "dream")
    window.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    window.run("document.querySelector('[data-paint=mask]').scrollIntoView({ block: 'center' })")
    window.click("[data-paint=mask]")
    window.until("document.querySelector('dialog .over-photo')")
    window.draw(".over-photo", [(0.3, 0.27), (0.34, 0.42), (0.45, 0.52), (0.6, 0.55), (0.66, 0.42), (0.7, 0.35)])


def grid(window: Browser, served: Studio) -> None:
    """Two dials, six pictures."""
    prepared(window, "instant", size=288)
    window.click("[data-key=style-watercolour]")
    window.click("#grid")
    for axis, dial, values in (("X", "strength", "0.3, 0.6, 1"), ("Y", "stroke", "0.6, 1.5")):
        window.run(ALONG, axis, dial, values)
    window.click("#make-grid")
    window.until("document.querySelectorAll('table.grid td img').length === 6")
    window.until("[...document.querySelectorAll('table.grid td img')].every((each) => each.naturalWidth)")
    window.run("document.querySelector('table.grid').scrollIntoView({ block: 'center' })")


def phone(window: Browser, served: Studio) -> None:
    """A small screen in the dark."""
    window.click("#theme")
    prepared(window, "instant", "coffee")
    set_to(window, size=384)
    window.run("document.querySelector('[data-key=style-mosaic]').scrollIntoView({ block: 'center' })")
    window.click("[data-key=style-mosaic]")
    made(window)
    window.run("document.getElementById('picture').scrollIntoView({ block: 'center' })")


SHOTS: Mapping[str, tuple[Callable[[Browser, Studio], None], tuple[int, int]]] = {
    "page": (page, WIDE), "film": (film, WIDE), "mask": (mask, WIDE), "grid": (grid, NARROW), "phone": (phone, PHONE)
}  # fmt: skip


def main(folder: Path, *names: str) -> None:
    """Take them all, or those that are named."""
    if absent := missing():
        raise SystemExit(f"{', '.join(absent)} is missing (Debian: chromium, chromium-driver).")
    with tempfile.TemporaryDirectory() as room, studio(Path(room) / "home") as served:
        for name, (shown, size) in ((name, SHOTS[name]) for name in names or SHOTS):
            with browser(Path(room) / name, "--lang=en-GB") as window:
                sized(window, *size, mobile=size is PHONE)
                opened(window, served)
                shown(window, served)
                shot = Path(room) / f"{name}.png"
                window.shot(shot, *size, mobile=size is PHONE)
                with Image.open(shot) as taken:
                    taken.save(folder / f"{name}.webp", quality=82)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
