"""A strip's slider in a real browser: by keyboard, for screen readers, and where scripts do not run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reverie.pictures import Strip
from tests.export.driven_chromium import browser, missing, served

SHOWN = "[...document.images].filter(i => i.offsetParent).map(i => i.alt)"


@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason=f"{missing()} missing (Debian: apt-get install chromium chromium-driver)")
def test_a_slider_leads_through_pictures(tmp_path: Path) -> None:
    greys = [torch.full((1, 3, 20, 30), i / 3) for i in range(3)]
    strip = Strip(greys, height=120, captions=["a", "b < c", "d"], slider="layer", start=1)
    page = f"<!doctype html><title>strip</title>{strip._repr_html_()}"
    (tmp_path / "index.html").write_text(page, encoding="utf-8")
    with served(tmp_path) as address, browser(tmp_path / "profile") as window:
        window.open(address)
        assert window.run(f"return {SHOWN}") == ["layer b < c"]
        window.press("Tab", "Right")
        assert window.run(f"return {SHOWN}") == ["layer d"]
        window.press("Right", "Left", "Left", "Left")
        assert window.run(f"return {SHOWN}") == ["layer a"]
        dial = "document.activeElement"
        told = window.run(f"return [{dial}.type, {dial}.getAttribute('aria-valuetext'), {dial}.labels[0].innerText]")
        assert told[:2] == ["range", "a"] and "layer" in told[2]
        assert all("favicon" in line for line in window.complaints())
        window.ask("POST", "/goog/cdp/execute", cmd="Emulation.setScriptExecutionDisabled", params={"value": True})
        window.open(address)
        window.ask("POST", "/goog/cdp/execute", cmd="Emulation.setScriptExecutionDisabled", params={"value": False})
        assert len(window.run(f"return {SHOWN}")) == 3
        assert window.run("return document.querySelector('label').offsetParent === null")
