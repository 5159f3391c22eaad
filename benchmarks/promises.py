"""Whether `--memory` is kept: what was allowed, planned and measured for every craft, each run in its own process.

Each run is first asked for in too little. It is refused before any work, and the message names an amount that would do;
with that amount the run has to end well within it. `python -m benchmarks.memory` makes the whole table;
`python -m benchmarks.promises RESULTS.json PAGE.md --crafts zoom --sides 384 640` makes some of its rows anew and
leaves the others.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import reverie as rv
from benchmarks.speed import photo
from reverie.feedforward.johnson import draw_johnson, write_johnson

SIDES = (192, 384, 640, 1024, 1536)
"""Pixels of the longer side of results."""
FEW = (384, 1024)
"""The same for crafts with more pictures or other settings."""
TILES = ("0", "256")
"""What is asked of tiles: none, or some of a side."""
FIRST = 300  # MB that are asked for at first: a little more than the interpreter's own
_ASKED = 5  # times for a larger amount: reading, the start and the run may each refuse
_RAISED = re.compile(r"--memory (\d+)MB")

_DREAM = ("dream", "photo.jpg", "--steps", "1", "--octaves", "1")
_STYLE = ("style", "photo.jpg", "painting.jpg", "--steps", "1")

CRAFTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "dream": ("dream", "photo.jpg", "--steps", "1", "--octaves", "2"),
        "zoom": ("zoom", "photo.jpg", "--frames", "2", "--frame-steps", "1", "--steps", "1", "--octaves", "1"),
        "style": _STYLE,
        "texture": ("texture", "painting.jpg", "--steps", "1"),
        "instant": ("instant", "photo.jpg", "painting.jpg"),
        "instant, custom network": ("instant", "photo.jpg", "--network", "own.safetensors"),
        "upscale": ("upscale", "small.jpg", "--factor", "2"),
    }
)
"""At every size."""
VARIANTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "dream, masked, enlarged": (*_DREAM, "--mask", "mask.png", "--upscale", "2"),
        "dream, guided, compared": (*_DREAM, "--guide", "painting.jpg", "--compare"),
        "dream, like another": (*_DREAM, "--like", "painting.jpg"),
        "style, from the photo, masked": (*_STYLE, "--start", "photo", "--mask", "mask.png"),
        "style, two paintings, palette": (*_STYLE[:3], "photo.jpg", *_STYLE[3:], "--colour", "palette"),
        "style, L-BFGS": (*_STYLE, "--optimiser", "lbfgs"),
        "instant, masked": ("instant", "photo.jpg", "painting.jpg", "--mask", "mask.png"),
        "video instant": ("video", "instant", "clip", "painting.jpg"),
        "video dream": ("video", "dream", "clip", "--steps", "1", "--octaves", "1"),
    }
)
"""At few sizes."""


_FRAMES = ("zoom", "video instant", "video dream")
"""Those that make a folder of frames."""


@dataclass(frozen=True)
class Kept:
    """How a run kept to its memory.

    Attributes:
        craft, size, tile: which run; the longer side of what it makes, or is made from, in pixels.
        allowed, planned, measured: MB; what the message named, what was planned with that, and the most the process
            held.
    """

    craft: str
    size: int
    tile: str
    allowed: int
    planned: int
    measured: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Kept:
        """A row as `figures` gives it."""
        return cls(*(row[name] for name in ("craft", "size", "tile", "allowed", "planned", "measured")))

    @property
    def ok(self) -> bool:
        """Whether the promise was kept."""
        return self.measured <= self.allowed


def every_run(folder: Path, sides: Sequence[int] = SIDES, few: Sequence[int] = FEW) -> Iterator[Kept]:
    """All crafts at all sizes, then the variants."""
    yield from runs(folder, CRAFTS, sides)
    yield from runs(folder, VARIANTS, few)


def runs(folder: Path, crafts: Iterable[str], sides: Sequence[int], tiles: Sequence[str] = TILES) -> Iterator[Kept]:
    """Each craft at each size and tile, in a folder with its files; what is no larger than a tile is not cut."""
    least = dict.fromkeys(((craft, tile) for craft in crafts for tile in tiles), FIRST)
    for side in sides:
        lay_out(folder, side)
        for craft, tile in least:
            if not (craft == "upscale" and tile == "0") and side > int(tile):
                found = kept(folder, craft, side, tile, least[craft, tile])
                least[craft, tile] = found.allowed
                yield found


def lay_out(folder: Path, side: int) -> None:
    """The files that the commands name; photo and clip are half again as large as the results."""
    picture = photo(side, side * 3 // 2)
    rv.write_image(folder / "photo.jpg", picture)
    rv.write_image(folder / "small.jpg", photo(side * 3 // 4, side))
    rv.write_image(folder / "painting.jpg", photo(640, 768).flip(3))
    (folder / "clip").mkdir(exist_ok=True)
    for number in range(10):
        rv.write_image(folder / "clip" / f"{number}.png", picture.roll(4 * number, 3))
    rv.write_image(folder / "mask.png", (picture.mean(1, keepdim=True) > 0.5).float().expand(1, 3, -1, -1))
    write_johnson(folder / "own.safetensors", draw_johnson())


def kept(folder: Path, craft: str, side: int, tile: str, amount: int = 1) -> Kept:
    """A run in the least memory that is said to do.

    Args:
        folder: with the files of `lay_out`.
        craft, side, tile: which run.
        amount: MB that are asked for first.
    Raises:
        RuntimeError: it was refused without a remedy, or again and again, or it failed.
    """
    words = [*{**CRAFTS, **VARIANTS}[craft], *(["--tile", tile] if tile else [])]
    words += ["--size", str(side)] if craft != "upscale" else []
    for _ in range(_ASKED):
        with tempfile.TemporaryDirectory(dir=folder) as out:
            there = str(Path(out) / ("frames" if craft in _FRAMES else "out.png"))
            ended = run(folder, [*words, "--memory", f"{amount}MB", "-o", there])
        if ended["code"] == 0:
            return Kept(craft, side, tile, amount, _megabytes(ended["planned"]), _megabytes(ended["peak"]))
        raised = _RAISED.search(str(ended["said"]))
        if raised is None or int(raised[1]) <= amount:
            break
        amount = int(raised[1])
    raise RuntimeError(f"{craft} at {side} px, --tile '{tile}', --memory {amount}MB: {ended['said']}")


def _megabytes(amount: float) -> int:
    return round(amount / 2**20)


def run(folder: Path, words: Sequence[str]) -> dict[str, float]:
    """A command in a process of its own: its code, what it planned and the most it held, bytes, and what it said."""
    told = subprocess.run([sys.executable, "-c", _RUN, *words], cwd=folder, capture_output=True, text=True)
    if told.returncode:
        raise RuntimeError(told.stderr)
    return {**json.loads(told.stdout.splitlines()[-1]), "said": told.stderr.strip()}


_RUN = """
import json, sys
from pathlib import Path
from reverie.cli import main
from reverie.jobs.machines import Machines
planned, plan = [0], Machines.plan
Machines.plan = lambda *given: (planned.append((made := plan(*given)).peak), made)[1]
code = main(sys.argv[1:])
peak = next(l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith("VmHWM")).split()[1]
print("\\n" + json.dumps({"code": code, "planned": planned[-1], "peak": int(peak) * 1024}))
"""


def table(rows: Sequence[Kept]) -> str:
    """The runs as a page."""
    lines = [
        f"| {row.craft} | {row.size} | {row.tile} | {row.allowed} | {row.planned} | {row.measured} |" for row in rows
    ]
    return "\n".join(
        [
            "# How much memory a run takes",
            "",
            "`--memory 900MB` is a promise: the whole process stays below it, or the run is refused before any work,"
            " and the message says what would do. Here each craft was given little more than the least: what a refusal"
            " named, at this size or at a smaller one. Tile 0 is the whole picture at once. `--dry-run` shows the plan"
            " of any run. Megabytes; written by `python -m benchmarks.memory`.",
            "",
            "| craft | longer side | tile | allowed | planned | measured |",
            "|---|---:|---:|---:|---:|---:|",
            *lines,
            "",
        ]
    )


def figures(rows: Sequence[Kept]) -> list[dict[str, object]]:
    """The runs as plain values."""
    return [{**asdict(row), "ok": row.ok} for row in rows]


def renewed(results: Path, crafts: Sequence[str], sides: Sequence[int], tiles: Sequence[str]) -> list[Kept]:
    """The rows in a file of results, those of some crafts measured anew and written there one by one."""
    told = json.loads(results.read_text(encoding="utf8"))
    rows = {(row["craft"], row["size"], row["tile"]): Kept.of(row) for row in told.get("promises", ())}
    with tempfile.TemporaryDirectory() as folder:
        for row in runs(Path(folder), crafts, sides, tiles):
            print(row, flush=True)
            rows[row.craft, row.size, row.tile] = row
            told["promises"] = figures(in_order(rows.values()))
            results.write_text(json.dumps(told, indent=1) + "\n", encoding="utf8")
    return in_order(rows.values())


def in_order(rows: Iterable[Kept]) -> list[Kept]:
    """By craft, size and tile."""
    known = [*CRAFTS, *VARIANTS]
    return sorted(rows, key=lambda row: (known.index(row.craft), row.size, int(row.tile)))


def main() -> None:
    """Measure some rows anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("page", type=Path)
    parser.add_argument("--crafts", nargs="+", choices=[*CRAFTS, *VARIANTS], default=list(CRAFTS))
    parser.add_argument("--sides", nargs="+", type=int, default=SIDES)
    parser.add_argument("--tiles", nargs="+", default=TILES)
    given = parser.parse_args()
    rows = renewed(given.results, given.crafts, given.sides, given.tiles)
    given.page.write_text(table(rows), encoding="utf8")


if __name__ == "__main__":
    main()
