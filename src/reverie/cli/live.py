"""``reverie live``: paint what a camera sees, shown in a page on this machine."""

from __future__ import annotations

import json
import threading
import time
import webbrowser
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import numpy as np
from PIL import Image
from torch import Tensor

from reverie.cli.codes import DONE
from reverie.errors import RecipeError, reason_of
from reverie.motion.live import LiveFrame

LOOPBACK = "127.0.0.1"
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Reverie, live</title>
<style>body{margin:0;background:#111;color:#ccc;font:15px system-ui;text-align:center}
img{max-width:100vw;max-height:94vh}</style>
<img src="/stream" alt="what the camera sees, painted"><p id="pace"></p>
<script>setInterval(async()=>{const f=await(await fetch('/facts')).json();
pace.textContent=`${f.frames_per_second} frames/s`},1000)</script></html>"""
_JPEG = 85


@dataclass(eq=False)
class Shown:
    """The last painted frame, for whoever looks.

    Attributes:
        frames, paintings: how many there were, and how many were painted anew.
    """

    frames: int = 0
    paintings: int = 0
    _jpeg: bytes = b""
    _times: deque[float] = field(default_factory=lambda: deque(maxlen=30))
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _ended: bool = False

    def show(self, made: LiveFrame) -> None:
        """Show a frame."""
        jpeg = _jpeg_of(made.image)
        with self._changed:
            self._jpeg, self.frames = jpeg, self.frames + 1
            self.paintings += made.fresh
            self._times.append(time.monotonic())
            self._changed.notify_all()

    def end(self) -> None:
        """Show no more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def after(self, number: int) -> tuple[int, bytes] | None:
        """Wait for a frame after that of a number; None once there is no more."""
        with self._changed:
            self._changed.wait_for(lambda: self.frames > number or self._ended)
            return (self.frames, self._jpeg) if self.frames > number else None

    def facts(self) -> dict[str, float]:
        """Return how many frames there were, and how fast they come."""
        times = list(self._times)
        pace = (len(times) - 1) / max(times[-1] - times[0], 1e-6) if len(times) > 1 else 0.0
        return {"frames": self.frames, "paintings": self.paintings, "frames_per_second": round(pace, 1)}


def show_live(frames: Iterator[LiveFrame], *, port: int, browser: bool) -> int:
    """Show frames in a page as they are painted, until they end or Ctrl-C; return the exit code.

    Args:
        frames: as they come.
        port: 0 takes a free one.
        browser: whether the page is opened.
    Raises:
        RecipeError: the port is taken.
    """
    shown = Shown()
    with _served(shown, port) as server:
        address = f"http://{LOOPBACK}:{server.server_address[1]}/"
        print(f"painting live at {address}  (Ctrl-C ends it)", flush=True)
        if browser:
            threading.Timer(0.2, webbrowser.open, [address]).start()
        try:
            for made in frames:
                shown.show(made)
        finally:
            shown.end()
            server.shutdown()
    pace = shown.facts()["frames_per_second"]
    print(f"{shown.frames} frames, {shown.paintings} of them painted anew, {pace} a second")
    return DONE


def _page_of(shown: Shown) -> type[BaseHTTPRequestHandler]:
    """Return what answers a browser."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = (self.headers.get("Host") or "").rsplit(":", 1)[0]
            if host not in (LOOPBACK, "localhost"):  # another site's name that leads here
                self.send_error(403)
            elif self.path == "/":
                self._send("text/html; charset=utf-8", _PAGE.encode())
            elif self.path == "/facts":
                self._send("application/json", json.dumps(shown.facts()).encode())
            elif self.path == "/stream":
                self._stream()
            else:
                self.send_error(404)

        def _send(self, kind: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            number = 0
            while (found := shown.after(number)) is not None:
                number, jpeg = found
                try:
                    self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + jpeg + b"\r\n")
                except OSError:  # nobody looks any more
                    return

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Page


def _served(shown: Shown, port: int) -> ThreadingHTTPServer:
    """Serve the page on this machine only.

    Raises:
        RecipeError: the port is taken.
    """
    try:
        server = ThreadingHTTPServer((LOOPBACK, port), _page_of(shown))
    except (OSError, OverflowError) as error:
        raise RecipeError(f"port {port} cannot be used: {reason_of(error)}; name another --port.") from error
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _jpeg_of(image: Tensor) -> bytes:
    pixels = image[0].permute(1, 2, 0).mul(255).round().clamp(0, 255).byte().numpy()
    file = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=_JPEG)
    return file.getvalue()
