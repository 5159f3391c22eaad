"""Judge pictures by eye: fixed pairs of photo and painting, yesterday's and today's results side by side, shuffled.

    python -m benchmarks.pictures make FOLDER         # in yesterday's checkout, then in today's
    python -m benchmarks.pictures judge YESTERDAY TODAY SHEETS
    python -m benchmarks.pictures compare YESTERDAY TODAY SHEETS

`make` paints every pair by the code as it is. `judge` writes a sheet for each pair: the photo, the painting and the
results A and B in an order drawn by lot, whole and a detail at 400 %. Look first; `SHEETS/key.json` says which was
today's, and gives the measures of each. `compare` hides nothing: a sheet for each group of pairs, and a table of the
measures' means. `--pairs FILE.json` takes photos and paintings of your own, as in `PAIRS`;
`--squeezenet FILE` names the weights that faces are compared by.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import skimage.data
import torch
import torch.nn.functional as F
from torch import Tensor

import reverie as rv
from reverie import styles
from reverie.crafts.registry import find
from reverie.networks import Network
from reverie.pictures import painting_size, resize, scaled, size_of, srgb_to_oklab

SIZE = 384
_DETAIL = 96  # pixels of a side, shown at 400 %
_FAR = 0.02  # OKLab: nearer to a colour of the painting is that colour
_COLOURS = 4096
_WIDTH, _QUALITY = 1120, 64  # of the sheets of `compare`
MEASURES = {
    "fine_chroma": "fine colour",
    "the_paintings": "the paintings' own",
    "foreign_colours": "foreign colours, %",
    "face_distance": "faces' distance",
    "turned_edges": "turned edges",
}
"""What `compare` tells, and its headings."""


@dataclass(frozen=True)
class Pair:
    """A photo to paint.

    Attributes:
        name: of its sheet.
        photo: a file, or the name of a photograph of scikit-image's.
        painting: a file, or a sample style.
        face: left, top, right and bottom of a face, as shares of the photo; empty where there is none.
        craft: by which it is painted.
        settings: of the craft, where they are not the usual ones.
        group: with which it is compared.
    """

    name: str
    photo: str
    painting: str
    face: tuple[float, ...] = ()
    craft: str = "style"
    settings: Mapping[str, Any] = field(default_factory=dict)
    group: str = "pairs"

    def read(self) -> tuple[Tensor, Tensor]:
        """Read the photo and the painting."""
        return _photo(self.photo), rv.read_image(_painting(self.painting))


_FACE = (0.35, 0.13, 0.53, 0.35)
PORTRAITS, PLACES, PRINTS = "portraits", "places-and-things", "prints"
PAIRS = (
    Pair("portrait, night", "astronaut", "night-strokes", _FACE, group=PORTRAITS),
    Pair("portrait, facets", "astronaut", "facets", _FACE, group=PORTRAITS),
    Pair("portrait, watercolour", "astronaut", "watercolour", _FACE, group=PORTRAITS),
    Pair("portrait, glass", "astronaut", "stained-glass", _FACE, group=PORTRAITS),
    Pair("portrait, at once", "astronaut", "night-strokes", _FACE, "instant", group=PORTRAITS),
    Pair("cat, pointillist", "chelsea", "pointillist", group=PLACES),
    Pair("coffee, mosaic", "coffee", "mosaic", group=PLACES),
    Pair("rocket, night", "rocket", "night-strokes", group=PLACES),
    Pair("rocket, woodcut", "rocket", "woodcut-wave", group=PLACES),
    Pair("rocket, at once", "rocket", "palette-knife", craft="instant", group=PLACES),
    Pair("portrait, engraving", "astronaut", "engraving", _FACE, group=PRINTS),
    Pair("cat, engraving", "chelsea", "engraving", group=PRINTS),
    Pair("coffee, ink", "coffee", "ink-wash", group=PRINTS),
    Pair("rocket, ink", "rocket", "ink-wash", group=PRINTS),
)


def _photo(name: str) -> Tensor:
    path = Path(name)
    if path.suffix:
        return rv.read_image(path)
    return torch.from_numpy(getattr(skimage.data, name)()).permute(2, 0, 1)[None].float() / 255


def _painting(name: str) -> Path:
    return Path(name) if Path(name).suffix else styles.path(name)


def read_pairs(file: Path | None) -> Sequence[Pair]:
    """Return the pairs of a file, or the usual ones."""
    return PAIRS if file is None else [Pair(**values) for values in json.loads(file.read_text(encoding="utf8"))]


def painted(pair: Pair) -> Tensor:
    """Paint a pair by the code as it is."""
    photo, painting = pair.read()
    craft = find(pair.craft)
    settings = craft.checked({"size": SIZE, **pair.settings})
    if pair.craft == "instant":
        return rv.recipes.instant(photo, painting, settings)  # type: ignore[arg-type]
    *_, last = rv.recipes.style(photo, painting, settings)  # type: ignore[arg-type]
    return last.image


# --- measures --------------------------------------------------------------------------------------


def fine_chroma(picture: Tensor) -> float:
    """Measure the spread of colour above half the Nyquist frequency, in thousandths of OKLab."""
    chroma = srgb_to_oklab(picture)[0, 1:].double()
    spectrum = torch.fft.fft2(chroma, norm="ortho")
    down, across = (torch.fft.fftfreq(n, dtype=torch.float64) for n in chroma.shape[1:])
    high = torch.maximum(down.abs()[:, None], across.abs()) > 0.25
    return 1000 * float((spectrum.abs().pow(2) * high).sum() / chroma[0].numel()) ** 0.5


def foreign_colours(picture: Tensor, painting: Tensor) -> float:
    """Measure the share of pixels whose colour is no colour of the painting, in percent."""
    generator = torch.Generator().manual_seed(0)

    def drawn(x: Tensor) -> Tensor:
        colours = srgb_to_oklab(x)[0].flatten(1).T
        return colours[torch.randint(len(colours), (_COLOURS,), generator=generator)][:, 1:]

    nearest = torch.cdist(drawn(picture), drawn(painting)).amin(1)
    return 100 * float((nearest > _FAR).float().mean())


def face_distance(judge: Network, face: Tensor, painted_face: Tensor) -> float:
    """Compare two faces by SqueezeNet's middle features: 0 the same, 1 nothing in common."""
    layers = ("fire3", "fire5", "fire7")
    maps = [judge(scaled(x, (160, 160)), layers) for x in (face, painted_face)]
    each = [
        1 - F.cosine_similarity(*(F.normalize(m[k] - m[k].mean((2, 3), True), dim=1) for m in maps)) for k in layers
    ]
    return float(torch.stack([x.mean() for x in each]).mean())


def turned_edges(face: Tensor, painted_face: Tensor) -> float:
    """Compare the directions of edges, where the photo has some: 0 the same, 1 right angles."""
    spread = [_structure(scaled(x, (64, 64))) for x in (face, painted_face)]
    weights = spread[0].norm(dim=1)
    return float(((1 - F.cosine_similarity(*spread, dim=1)) / 2 * weights).sum() / weights.sum())


def _structure(picture: Tensor) -> Tensor:
    """Return the doubled direction of the edges at each place, (1, 2, h, w), as long as they are strong."""
    light = srgb_to_oklab(picture)[:, :1]
    across, down = light[..., 1:-1, 2:] - light[..., 1:-1, :-2], light[..., 2:, 1:-1] - light[..., :-2, 1:-1]
    return F.avg_pool2d(torch.cat([across.pow(2) - down.pow(2), 2 * across * down], 1), 5, 1)


def measured(pair: Pair, picture: Tensor, judge: Network | None) -> dict[str, float]:
    """Measure a result: its grain beside the painting's own, its colours, its likeness."""
    photo, painting = pair.read()
    height, width = size_of(picture)
    painting = resize(painting, painting_size(size_of(painting), height * width)).clamp(0, 1)
    found = {
        "fine_chroma": fine_chroma(picture),
        "the_paintings": fine_chroma(painting),
        "foreign_colours": foreign_colours(picture, painting),
    }
    if pair.face:
        faces = [part(scaled(x, size_of(picture)), pair.face) for x in (photo, picture)]
        found["turned_edges"] = turned_edges(*faces)
        if judge is not None:
            found["face_distance"] = face_distance(judge, *faces)
    return {name: round(value, 3) for name, value in found.items()}


def part(picture: Tensor, shares: Sequence[float]) -> Tensor:
    """Cut out a box given in shares of the picture."""
    height, width = size_of(picture)
    left, top, right, bottom = shares
    return picture[..., int(top * height) : int(bottom * height), int(left * width) : int(right * width)]


# --- sheets ----------------------------------------------------------------------------------------


def sheet(pair: Pair, results: Sequence[Tensor]) -> Tensor:
    """Arrange photo, painting and two results, each above a detail of it."""
    photo, painting = pair.read()
    size = size_of(results[0])
    whole = [scaled(photo, size), painting, *results]
    left, top, right, bottom = pair.face or (0.5, 0.5, 0.5, 0.5)
    at = int((top + bottom) / 2 * size[0]), int((left + right) / 2 * size[1])
    details = [x if x is painting else _enlarged(x, at) for x in whole]
    captions = ["photo", "painting", "A", "B"]
    return rv.pictures.contact_sheet([*whole, *details], columns=4, captions=captions * 2, width=1680)


def _enlarged(picture: Tensor, at: tuple[int, int]) -> Tensor:
    """Cut out a detail about a place, each pixel as 4 x 4."""
    slices = [
        slice(start := max(0, min(place - _DETAIL // 2, length - _DETAIL)), start + _DETAIL)
        for place, length in zip(at, size_of(picture), strict=True)
    ]
    return F.interpolate(picture[(..., *slices)], scale_factor=4, mode="nearest")


def make(folder: Path, pairs: Sequence[Pair]) -> None:
    """Paint all pairs into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for pair in pairs:
        rv.write_image(folder / f"{pair.name}.png", painted(pair))
        print(pair.name, flush=True)


def judge(before: Path, after: Path, sheets: Path, pairs: Sequence[Pair], squeezenet: Path | None) -> None:
    """Write a sheet for each pair, and the key to them."""
    sheets.mkdir(parents=True, exist_ok=True)
    network = None if squeezenet is None else rv.networks.load("squeezenet1_1", weights=squeezenet)
    lot, key = random.Random(0), []
    for pair in pairs:
        results = [rv.read_image(folder / f"{pair.name}.png") for folder in (before, after)]
        today = lot.randrange(2)
        shown = results if today else results[::-1]
        rv.write_image(sheets / f"{pair.name}.png", sheet(pair, shown))
        each = dict(zip(("yesterday", "today"), (measured(pair, x, network) for x in results), strict=True))
        key.append({"pair": asdict(pair)["name"], "today": "AB"[today], **each})
    (sheets / "key.json").write_text(json.dumps(key, indent=1) + "\n", encoding="utf8")


def compare(before: Path, after: Path, sheets: Path, pairs: Sequence[Pair], squeezenet: Path | None) -> None:
    """Write a sheet for each group of pairs, photo, painting, before and after in a row, and print a table of means."""
    sheets.mkdir(parents=True, exist_ok=True)
    network = None if squeezenet is None else rv.networks.load("squeezenet1_1", weights=squeezenet)
    print("| | pairs | " + " | ".join(MEASURES.values()) + " |\n" + "|---" * (2 + len(MEASURES)) + "|")
    for group in dict.fromkeys(pair.group for pair in pairs):
        shown, rows = list[Tensor](), list[list[dict[str, float]]]()
        for pair in (p for p in pairs if p.group == group):
            results = [rv.read_image(folder / f"{pair.name}.png") for folder in (before, after)]
            photo, painting = pair.read()
            shown += [scaled(photo, size_of(results[0])), painting, *results]
            rows.append([measured(pair, x, network) for x in results])
        captions = ["photo", "painting", "before", "after"] * len(rows)
        sheet = rv.pictures.contact_sheet(shown, columns=4, captions=captions, width=_WIDTH, ground="light")
        rv.write_image(sheets / f"quality-{group}.webp", sheet, quality=_QUALITY)
        print(f"| {group} | {len(rows)} | " + " | ".join(_change(rows, name) for name in MEASURES) + " |")


def _change(rows: Sequence[Sequence[Mapping[str, float]]], name: str) -> str:
    """Return the means of a measure before and after, over the pairs that have it."""
    found = [[x[name] for x in row] for row in rows if name in row[0]]
    return " → ".join(f"{sum(x) / len(x):.3g}" for x in zip(*found, strict=True)) or "–"


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("do", choices=("make", "judge", "compare"))
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--squeezenet", type=Path)
    a = parser.parse_args()
    if a.do == "make":
        make(a.folders[0], read_pairs(a.pairs))
    else:
        (judge if a.do == "judge" else compare)(*a.folders, read_pairs(a.pairs), a.squeezenet)


if __name__ == "__main__":
    main()
