"""Debian's Chromium, driven through its chromedriver over plain HTTP; no package is needed for that."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--force-color-profile=srgb",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)
KEYS = {
    "Control": "\ue009", "Alt": "\ue00a", "Shift": "\ue008", "Enter": "\ue007", "Tab": "\ue004", "Space": " ",
    "Escape": "\ue00c", "Left": "\ue012", "Up": "\ue013", "Right": "\ue014", "Down": "\ue015", "Delete": "\ue017",
}  # fmt: skip
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def missing() -> list[str]:
    """The programs that are not here."""
    return [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]


@dataclass(frozen=True)
class Browser:
    """One window."""

    address: str

    def ask(self, method: str, path: str, **body: Any) -> Any:
        data = json.dumps(body).encode() if method == "POST" else None
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=180) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise RuntimeError(json.load(error)["value"]["message"]) from None

    def open(self, address: str) -> None:
        self.ask("POST", "/url", url=address)

    def run(self, script: str, *args: object) -> Any:
        return self.ask("POST", "/execute/sync", script=script, args=list(args))

    def until(self, script: str, seconds: float = 120) -> Any:
        end = time.monotonic() + seconds
        while not (found := self.run(f"return {script}")):
            status = self.run("return document.getElementById('status')?.textContent")
            assert time.monotonic() < end, f"waited for {script}; the page says: {status}"
            time.sleep(0.1)
        return found

    def find(self, selector: str) -> str:
        found = self.ask("POST", "/element", using="css selector", value=selector)
        return str(found[_ELEMENT])

    def click(self, selector: str) -> None:
        self.ask("POST", f"/element/{self.find(selector)}/click")

    def type(self, selector: str, text: str) -> None:
        """Type into an element; a path, into one that takes files."""
        self.ask("POST", f"/element/{self.find(selector)}/value", text=text)

    def press(self, *keys: str) -> None:
        """Press keys one after the other; those of one text such as ``"Control+Enter"`` together."""
        steps: list[dict[str, str]] = []
        for each in keys:
            held = [KEYS.get(name, name) for name in (each.split("+") if len(each) > 1 else [each])]
            steps += [{"type": "keyDown", "value": name} for name in held]
            steps += [{"type": "keyUp", "value": name} for name in reversed(held)]
        self.ask("POST", "/actions", actions=[{"type": "key", "id": "keyboard", "actions": steps}])

    def draw(self, selector: str, points: Sequence[tuple[float, float]]) -> None:
        """Draw over an element with the mouse held down, from point to point in shares of its width and height."""
        box = self.run(
            "const b = document.querySelector(arguments[0]).getBoundingClientRect();"
            " return [b.x, b.y, b.width, b.height]", selector
        )  # fmt: skip
        places = [(round(box[0] + x * box[2]), round(box[1] + y * box[3])) for x, y in points]
        moves = [{"type": "pointerMove", "x": x, "y": y, "duration": 60, "origin": "viewport"} for x, y in places]
        down, up = {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}
        steps = [moves[0], down, *moves[1:], up]
        self.ask("POST", "/actions", actions=[{"type": "pointer", "id": "mouse", "actions": steps}])

    def shot(self, path: Path, width: int, height: int, *, mobile: bool = False) -> None:
        """The whole window as a PNG, at this size."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.ask("POST", "/goog/cdp/execute", cmd="Emulation.setDeviceMetricsOverride", params=metrics)
        path.write_bytes(base64.b64decode(self.ask("GET", "/screenshot")))

    def requested(self) -> list[str]:
        """The addresses that were asked for since the last time."""
        entries = self.ask("POST", "/se/log", type="performance")
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        """What the console says is wrong, since the last time."""
        entries = self.ask("POST", "/se/log", type="browser")
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]


@contextlib.contextmanager
def browser(folder: Path, *more: str) -> Iterator[Browser]:
    """A fresh window, its profile in a folder; more flags of Chromium's may be given."""
    port = _free_port()
    driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    base = f"http://127.0.0.1:{port}"
    try:
        _wait_for(base)
        options = {"args": [*FLAGS, f"--user-data-dir={folder}", *more], "binary": shutil.which("chromium")}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"}}
        session = Browser(base).ask("POST", "/session", capabilities={"alwaysMatch": wanted})
        window = Browser(f"{base}/session/{session['sessionId']}")
        try:
            yield window
        finally:
            window.ask("DELETE", "")
    finally:
        driver.terminate()
        driver.wait(10)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """A folder on a port of this machine, as ``python -m http.server`` shows it."""
    handler = partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(base: str) -> None:
    for _ in range(100):
        try:
            Browser(base).ask("GET", "/status")
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("chromedriver did not start")
