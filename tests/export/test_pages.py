"""The page: its files, and a real Chromium that paints with it."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reverie import styles
from reverie.errors import PictureError, RecipeError
from reverie.export import Exported, export_page
from reverie.export.page import ABOUT, ASSETS
from reverie.export.runtime import FILES
from reverie.feedforward import load_instant
from reverie.feedforward.instant import KEPT, LAYERS
from reverie.feedforward.painting import decode, encode, targets_of
from reverie.files import JOURNAL
from reverie.networks import load
from reverie.objectives import PICTURE
from reverie.recipes.upscale import UpscaleSettings, upscale
from tests.export.driven_chromium import Browser, browser, missing, served

WEB = Path(__file__).parents[2] / "src" / "reverie" / "export" / "web"
STEPS = 2
"""Of 1/255: a page's pixels are that near to Python's."""


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """A folder with files named as the runtime's."""
    folder = tmp_path / "runtime"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def copying(enlarging: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    """No export for each page: the file that is there."""

    def written(spec: object, path: Path, **_: object) -> Exported:
        shutil.copy(enlarging.path, path)
        return Exported(path, "superres-x2", enlarging.bytes, {}, (), (), True)

    monkeypatch.setattr("reverie.export.page.write_onnx", written)


@pytest.mark.usefixtures("copying")
def test_a_folder_that_needs_nothing_else(tmp_path: Path, stand_in: Path, enlarging: Exported) -> None:
    folder = tmp_path / "site"
    made = export_page("superres", folder, runtime=stand_in)
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {JOURNAL, *ASSETS, ABOUT, "model/paint.onnx", *(f"runtime/{name}" for name in FILES)}
    assert made.bytes == sum((folder / name).stat().st_size for name in found - {JOURNAL})
    about = json.loads((folder / ABOUT).read_text())
    assert about["kind"] == "enlarge" and about["factor"] == 2
    assert about["models"] == {"paint": {"path": "model/paint.onnx", "bytes": enlarging.bytes}}
    assert len(about["check"]["means"]) == 3 * 4 * 4 and 0 < np.mean(about["check"]["means"]) < 1


@pytest.mark.usefixtures("copying")
def test_a_page_written_again_leaves_nothing_of_the_old_one(
    tmp_path: Path, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reverie.export.page.check_of", lambda *_: {})
    folder = tmp_path / "site"
    export_page("instant", folder, runtime=stand_in)
    (folder / "mine.txt").write_text("my own")
    assert (folder / "model/manner.onnx").is_file() and list((folder / "styles").iterdir())
    told = json.loads((folder / ABOUT).read_text())
    (folder / ABOUT).write_text(json.dumps(told | {"files": [*told["files"], "../beside.txt"]}))
    (tmp_path / "beside.txt").write_text("of somebody else")
    export_page("superres", folder, runtime=stand_in)
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {JOURNAL, *ASSETS, ABOUT, "mine.txt", "model/paint.onnx", *(f"runtime/{name}" for name in FILES)}
    assert (tmp_path / "beside.txt").is_file()


@pytest.mark.usefixtures("copying")
def test_other_people_s_folders_are_left_alone(tmp_path: Path, stand_in: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    for taken in (tmp_path / "mine", tmp_path / "mine" / "letter.txt"):
        with pytest.raises(PictureError, match=r"new or empty; .* holds|cannot make"):
            export_page("superres", taken, runtime=stand_in)
    assert [f.name for f in (tmp_path / "mine").iterdir()] == ["letter.txt"]
    with pytest.raises(RecipeError, match="makes maps"):
        export_page("dreamnet", tmp_path / "new", runtime=stand_in)
    assert not (tmp_path / "new").exists()


def test_the_page_asks_nobody_else() -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', (WEB / "index.html").read_text())[1]  # type: ignore[index]
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    assert rules["default-src"] == ["'none'"] and rules["connect-src"] == ["'self'"]
    assert rules["script-src"] == ["'self'", "'wasm-unsafe-eval'"] and rules["style-src"] == ["'self'"]
    for name in ASSETS:
        text = (WEB / name).read_text(encoding="utf8")
        assert not re.search(r"https?://|(src|href)=[\"']//", text), name
        assert not re.search(r"style=|onclick=|<script>|eval\(|innerHTML", text), name


def test_all_that_can_be_used_is_named() -> None:
    """Every control has words of its own, and every id that the script uses is there."""
    html, script = (WEB / "index.html").read_text(), (WEB / "main.js").read_text()
    ids = set(re.findall(r'id="([\w-]+)"', html))
    assert set(re.findall(r'at\("([\w-]+)"\)', script)) <= ids
    for kind in re.findall(r"<input[^>]*>", html):
        name = re.search(r'id="([\w-]+)"', kind)[1]  # type: ignore[index]
        assert f'for="{name}"' in html, name
    assert all(words.strip() for words in re.findall(r"<button[^>]*>([^<]*)</button>", html))
    assert '<html lang="en">' in html and 'role="status"' in html


def contrast(one: str, other: str) -> float:
    """WCAG's ratio of two colours."""

    def luminance(colour: str) -> float:
        wide = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
        linear = [
            v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4
            for v in (int(wide[i : i + 2], 16) / 255 for i in (0, 2, 4))
        ]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_words_stand_out() -> None:
    names = ("paper", "wall", "ink", "soft", "accent", "on-accent")
    found = {name: re.findall(rf"--{name}: (#\w+)", (WEB / "page.css").read_text()) for name in names}
    schemes = list(zip(*found.values(), strict=True))
    assert len(schemes) == 2
    for paper, wall, ink, soft, accent, on_accent in schemes:
        assert min(contrast(a, b) for a in (ink, soft) for b in (paper, wall)) > 4.5
        assert contrast(accent, on_accent) > 4.5 and contrast(accent, paper) > 4.5


# --- a real browser ----------------------------------------------------------------------------


def pictured(window: Browser) -> Any:
    """The result's pixels (H, W, 3), as the canvas has them."""
    address = window.run("return document.getElementById('result').toDataURL('image/png')")
    with Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))) as file:
        return np.asarray(file.convert("RGB")).astype(float)


def paint_file(window: Browser, path: Path) -> Any:
    """Choose a picture, and wait for what becomes of it."""
    window.run("delete document.getElementById('status').dataset.milliseconds")
    window.type("#file", str(path))
    window.until("document.getElementById('status').dataset.milliseconds")
    return pictured(window)


def scene(path: Path, size: tuple[int, int], *, style: str = "watercolour") -> torch.Tensor:
    """A real picture as a PNG file, and as a tensor of what it holds."""
    with Image.open(styles.path(style)) as file:
        image = file.convert("RGB").resize((size[1], size[0]), Image.Resampling.LANCZOS)
    image.save(path)
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float() / 255


def grain(count: int) -> torch.Tensor:
    """The page's noise: mulberry32, and Box & Muller's normal numbers."""
    state, uniform = 1, np.empty(count + count % 2)
    for i in range(len(uniform)):
        state = (state + 0x6D2B79F5) & 0xFFFFFFFF
        t = (state ^ (state >> 15)) * (1 | state) & 0xFFFFFFFF
        t = ((t + ((t ^ (t >> 7)) * (61 | t) & 0xFFFFFFFF)) & 0xFFFFFFFF) ^ t
        uniform[i] = (t ^ (t >> 14)) / 2**32
    radius, angle = np.sqrt(-2 * np.log(1 - uniform[::2])), 2 * np.pi * uniform[1::2]
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return torch.from_numpy(pairs.reshape(-1)[:count]).float()


def painted(photo: torch.Tensor, painting: torch.Tensor) -> Any:
    """What Python's engine makes with the page's noise, (H, W, 3) of 0 to 255."""
    network = load(pooling="average", padding="replicate")
    found = encode(network, photo, KEPT, 0)
    targets = targets_of(encode(network, painting, (PICTURE, *LAYERS), 0, keep=()).seen)
    h, w = found.maps[KEPT[0]].shape[2:]
    parts = grain(85 * h * w).split([4**k * h * w for k in range(4)])
    noises = [part.view(1, 1, h * 2**k, w * 2**k) for k, part in enumerate(parts)]
    return 255 * decode(load_instant(), found, targets, noises, 0)[0].permute(1, 2, 0).numpy()


@pytest.fixture
def ready(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Pages, written for real; npm's package is kept between runs of the tests as it is for users."""
    absent = [*missing(), *(["npm"] if shutil.which("npm") is None else [])]
    if absent:
        pytest.skip(
            f"NOT TESTED IN A BROWSER: {', '.join(absent)} is missing"
            " (Debian: apt-get install chromium chromium-driver npm)"
        )

    def page(network: str) -> Path:
        folder = tmp_path_factory.mktemp("page") / network
        export_page(network, folder)
        return folder

    return page


def test_requests_are_told_from_the_browser_s_own() -> None:
    """What a network log says of a page's requests."""
    started = {"params": {"url": "http://a/x", "initiator": "http://a"}}
    assert requests_of({"events": [started, {"params": {"url": "http://b/"}}]}, "http://a/") == {"http://a/x"}


def requests_of(log: dict[str, Any], origin: str) -> set[str]:
    """The addresses that a page and its workers asked for, as Chromium's own network log has them."""
    given = [event.get("params", {}) for event in log["events"]]
    return {p["url"] for p in given if "url" in p and p.get("initiator", "").rstrip("/") == origin.rstrip("/")}


@pytest.mark.slow
def test_chromium_paints_what_python_paints(ready: Callable[[str], Path], tmp_path: Path) -> None:
    folder, log = ready("instant"), tmp_path / "net.json"
    photo = scene(tmp_path / "photo.png", (192, 256))
    painting = scene(tmp_path / "painting.png", (160, 200), style="stained-glass")
    with served(folder) as address:
        with browser(tmp_path / "profile", f"--log-net-log={log}") as window:
            window.open(address)
            assert window.until("document.body.dataset.ready") == "wasm"
            assert "one thread" in window.run("return document.getElementById('status').textContent")
            paint_file(window, tmp_path / "photo.png")
            window.run("delete document.getElementById('status').dataset.milliseconds")
            window.type("#painting", str(tmp_path / "painting.png"))
            window.until("document.getElementById('status').dataset.milliseconds")
            made = pictured(window)
            gap = np.abs(made - painted(photo, painting))
            assert made.shape == (192, 256, 3)
            print(f"at most {gap.max():.3f}, mean {gap.mean():.4f} of 1/255")
            assert gap.max() <= STEPS and gap.mean() < 0.5, f"at most {gap.max():.2f}, mean {gap.mean():.3f} of 1/255"
            window.click("#original")
            assert np.abs(pictured(window) - 255 * photo[0].permute(1, 2, 0).numpy()).max() <= 1
            assert window.complaints() == []
            widths = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
            window.shot(tmp_path / "phone.png", 390, 844, mobile=True)
            wide, room = window.run(widths)
            assert wide <= room, "nothing sticks out on a phone"
        asked = requests_of(json.loads(log.read_text()), address)
        assert any(url.endswith("ort-wasm-simd-threaded.wasm") for url in asked), "the worker's requests are seen"
        assert all(url.startswith((address, "blob:" + address)) for url in asked), asked


@pytest.mark.slow
def test_chromium_enlarges_and_films(ready: Callable[[str], Path], tmp_path: Path) -> None:
    folder = ready("superres")
    photo = scene(tmp_path / "photo.png", (120, 180))
    with served(folder) as address, browser(tmp_path / "profile") as window:
        window.open(address)
        window.until("document.body.dataset.ready")
        made = paint_file(window, tmp_path / "photo.png")
        wanted = 255 * upscale(photo, UpscaleSettings(factor=2, precision="float32"))[0].permute(1, 2, 0).numpy()
        assert made.shape == (240, 360, 3) and np.abs(made - wanted).max() <= 1
        window.run("delete document.getElementById('status').dataset.milliseconds")
        window.click("#camera")  # Chromium's own pretended one
        window.until("/a second/.test(document.getElementById('status').textContent)")
        one = pictured(window)
        window.until("!document.getElementById('shoot').hidden")
        assert max(one.shape) == 512 and one.std() > 10, "a film of 256 pixels, enlarged"
        window.click("#shoot")
        window.until("!/second/.test(document.getElementById('status').textContent) && "
                     "/ ms/.test(document.getElementById('status').textContent)")  # fmt: skip
        assert max(pictured(window).shape) > 512 and window.run("return document.getElementById('shoot').hidden")
        (tmp_path / "broken.png").write_bytes(b"no picture")
        window.type("#file", str(tmp_path / "broken.png"))
        window.until("/no picture that/.test(document.getElementById('status').textContent)")
        assert window.complaints() == []
