"""Peak memory of large pictures, each in a process of its own: `python -m benchmarks.memory RESULTS.json PAGE.md`.

And of every craft at five sizes in the least memory that it asks for, which the page shows; see `promises`.

`--quick` takes two steps a scale instead of all, `--scale 0.05` shrinks every side: for trying the script, not for
figures. Run it on an idle machine: the last figure is a ratio of times.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import reverie as rv
from benchmarks.promises import FEW, SIDES, every_run, figures, table
from benchmarks.speed import machine, photo, tiles_ratio
from reverie import styles
from reverie.cli import main as reverie
from reverie.engine.memory import parse_memory
from reverie.engine.precision import with_precision

GB = 2**30
Size = tuple[int, int]


def interpreter(folder: Path, size: Size, quick: bool) -> None:
    """Nothing but what every run has loaded."""
    rv.networks.load("dreamnet")


def style(folder: Path, size: Size, quick: bool) -> None:
    """A whole style transfer by the command, within 2.5 GB."""
    words = ["style", str(folder / PHOTO), "night-strokes", "--size", str(max(size)), "--memory", "2.5GB"]
    command(words, folder, quick)


def dream(folder: Path, size: Size, quick: bool) -> None:
    """A whole dream by the command, within 2 GB beyond what every run has loaded."""
    allowed = f"{(peak() + 2 * GB) / 2**20:.0f}MB"
    command(["dream", str(folder / PHOTO), "--size", str(max(size)), "--memory", allowed], folder, quick)


def vgg19(folder: Path, size: Size, quick: bool) -> None:
    """One value and gradient of a style objective with VGG-19's shape in bfloat16, planned for 4 GB."""
    network = with_precision(rv.networks.load("vgg19", weights="random", pooling="average"), "bfloat16")
    picture, painting = photo(*size), rv.read_image(styles.path("night-strokes"))
    wish = rv.content("relu4_2", like=picture) + 10 * rv.style(network.style_layers, like=painting)
    canvas, stage = rv.PixelCanvas(picture[..., :64, :64]), rv.Stage(size, 1)
    what = rv.Synthesis(wish, network, canvas, [stage], rv.Normalised())  # which keeps nothing: one evaluation
    rv.evaluate(wish, network, picture, executor=rv.plan(what, memory=parse_memory("4GB")).executor())


WORK: dict[str, tuple[Callable[[Path, Size, bool], None], Size]] = {
    "interpreter": (interpreter, (1, 1)),
    "style_3840x2160": (style, (2160, 3840)),
    "vgg19_evaluation_7680x4320": (vgg19, (4320, 7680)),
    "dream_6000x4000": (dream, (4000, 6000)),
}
LIMITS = {"style_3840x2160": 2.5, "vgg19_evaluation_7680x4320": 4.0, "dream_6000x4000": 2.0}
BEYOND = {"dream_6000x4000"}
"""Of which the interpreter's own memory is taken off."""
RATIO = 1.9
PHOTO = "photo.png"


def command(words: list[str], folder: Path, quick: bool) -> None:
    """Run a command in this process; only one that ends well has a figure."""
    few = ["--steps", "2"] if quick else []
    if code := reverie([*words, *few, "-o", str(folder / "out.png")]):
        sys.exit(code)


def peak() -> int:
    """The most bytes of memory that this process has held."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 2**10 for line in text.splitlines() if line.startswith("VmHWM"))


def size_of(name: str, scale: float) -> Size:
    """(H, W) of a work's picture."""
    height, width = WORK[name][1]
    return max(64, round(height * scale)), max(64, round(width * scale))


def peak_of(name: str, scale: float, *, quick: bool) -> float:
    """The peak of a work in a new process, GB; its photo is written here, so that this costs it nothing."""
    with tempfile.TemporaryDirectory() as folder:
        rv.write_image(Path(folder) / PHOTO, photo(*size_of(name, scale)))
        words = [sys.executable, "-m", "benchmarks.memory", "--work", name, folder, "--scale", str(scale)]
        told = subprocess.run([*words, *(["--quick"] if quick else [])], stdout=subprocess.PIPE, text=True, check=True)
    return float(json.loads(told.stdout.splitlines()[-1])["peak"]) / GB


def measured(scale: float, *, quick: bool) -> dict[str, dict[str, object]]:
    """Every figure with its limit."""
    own = peak_of("interpreter", scale, quick=quick)
    found: dict[str, dict[str, object]] = {}
    for name, limit in LIMITS.items():
        amount = peak_of(name, scale, quick=quick) - (own if name in BEYOND else 0)
        unit = "GB beyond the interpreter" if name in BEYOND else "GB"
        found[name] = {"measured": round(amount, 3), "limit": limit, "unit": unit, "ok": amount <= limit}
        print(f"{name}: {json.dumps(found[name])}", flush=True)
    side = (max(128, round(896 * scale)), max(128, round(1152 * scale)))
    ratio = tiles_ratio(side, max(64, round(512 * scale)))["ratio"]
    found["tiles_512_over_whole_1MP"] = {"measured": ratio, "limit": RATIO, "unit": "times", "ok": ratio <= RATIO}
    return {"interpreter": {"measured": round(own, 3), "unit": "GB"}, **found}


def main() -> None:
    """Measure all in turn, or do the work of one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="?", type=Path)
    parser.add_argument("page", nargs="?", type=Path)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--work", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        name, folder = given.work
        WORK[name][0](Path(folder), size_of(name, given.scale), given.quick)
        print(json.dumps({"peak": peak()}))
        return
    about = {"machine": machine(), "scale": given.scale, "all_steps": not given.quick}
    large = measured(given.scale, quick=given.quick)
    with tempfile.TemporaryDirectory() as folder:
        sides, few = ([max(64, round(side * given.scale)) for side in some] for some in (SIDES, FEW))
        rows = list(every_run(Path(folder), sides, few))
    text = json.dumps({**about, **large, "promises": figures(rows)}, indent=1)
    print(text)
    for path, content in ((given.results, text + "\n"), (given.page, table(rows))):
        if path:
            path.write_text(content, encoding="utf8")


if __name__ == "__main__":
    main()
