"""Measure instant: the style distance of its pictures against that of full runs of ``reverie style``.

    python training/report_instant.py [--weights FILE] [--size 384] [--sheet FILE.png] [--write]

Twelve pairs of a photo and a painting, neither photo seen in training; half the paintings were. The distance is the
default objective of ``reverie style``, without content: relative Wasserstein-2 of moments at five layers. Content is
the other term of that objective. The ratio of distances is the goal: at most 2. Full runs begin with what instant
paints, and end lower the better it is; runs that begin with the photo are given beside them.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor

import reverie as rv
from reverie.feedforward.instant import load_instant, read_instant
from reverie.pictures import contact_sheet, fit, read_image, scaled, size_of, write_image
from reverie.recipes.instant import painter

CARD = Path(__file__).parents[1] / "src/reverie/feedforward/instant.md"
PHOTOS = ("lion", "tubingen", "golden_gate", "cornell")
KNOWN = ("starry_night_google", "mondrian", "the_scream")
HELD_OUT = ("udnie", "wave_kanagawa", "feathers")
PAIRS = [(p, KNOWN[(i + j) % 3] if j == 0 else HELD_OUT[(i + j) % 3]) for i, p in enumerate(PHOTOS) for j in (0, 1)]
PAIRS += [(p, (KNOWN if i % 2 else HELD_OUT)[(i + 2) % 3]) for i, p in enumerate(PHOTOS)]


def distances(photo: Tensor, painting: Tensor, result: Tensor) -> tuple[float, float]:
    """Style and content of a result, as ``reverie style`` measures them."""
    network = rv.networks.load(pooling="average", padding="replicate")
    style = rv.style(network.style_layers, like=painting)
    _, terms, _ = rv.evaluate(style + rv.content(network.content_layer, like=photo), network, result)
    return float(terms["style"]), float(terms["content"])


def measured(photo: Tensor, painting: Tensor, weights: Path | None) -> tuple[dict[str, float], list[Tensor]]:
    """The figures of one pair, and the two results."""
    decoder = load_instant() if weights is None else read_instant(weights)
    ours = painter([painting], decoder=decoder).paint(photo)
    *_, last = rv.recipes.style(photo, painting, rv.StyleSettings(size=max(size_of(photo))))
    *_, other = rv.recipes.style(photo, painting, rv.StyleSettings(size=max(size_of(photo)), start="photo"))
    (mine, kept), (full, its), (plain, _) = (distances(photo, painting, x) for x in (ours, last.image, other.image))
    figures = {"style": mine, "full": full, "ratio": mine / full, "from_photo": plain, "ratio_from_photo": mine / plain}
    figures |= {"content": kept, "full_content": its}
    return {key: round(value, 4) for key, value in figures.items()}, [ours, last.image]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    material = Path(__file__).parents[2] / "shared/pictures"
    parser.add_argument("--pictures", type=Path, default=material, help="a folder with photos/ and paintings/")
    parser.add_argument("--weights", type=Path, help="other weights of instant's shape")
    parser.add_argument("--size", type=int, default=384, help="longer side, in pixels")
    parser.add_argument("--pairs", type=int, default=len(PAIRS), help="only so many of them")
    parser.add_argument("--sheet", type=Path, help="also write the results side by side")
    parser.add_argument("--write", action="store_true", help="into the card")
    a = parser.parse_args()
    if not a.pictures.is_dir():
        print(f"SKIPPED: there are no pictures at {a.pictures}", file=sys.stderr)
        return 0
    table, shown, names = {}, [], []
    for photo_name, painting_name in PAIRS[: a.pairs]:
        photo = read_image(a.pictures / f"photos/{photo_name}.jpg")
        photo = scaled(photo, fit(size_of(photo), longer=a.size)).clamp(0, 1)
        painting = read_image(a.pictures / f"paintings/{painting_name}.jpg")
        row, results = measured(photo, painting, a.weights)
        name = f"{photo_name} x {painting_name}{'' if painting_name in KNOWN else ' (held out)'}"
        table[name] = row
        shown += [painting, *results]
        names += [painting_name, f"instant, {row['style']}", f"style, {row['full']}"]
        print(name, row, file=sys.stderr, flush=True)
    summary: dict[str, float] = {"pairs": len(table), "size": a.size}
    for kind in ("ratio", "ratio_from_photo"):
        ratios = [row[kind] for row in table.values()]
        summary |= {f"mean_{kind}": round(mean(ratios), 2), f"largest_{kind}": max(ratios)}
    text = json.dumps(summary | {"each": table}, indent=1)
    print(text)
    if a.sheet:
        write_image(a.sheet, contact_sheet(shown, captions=names, columns=6))
    if a.write:
        head, _, _ = CARD.read_text(encoding="utf8").partition("<!-- figures -->")
        CARD.write_text(f"{head}<!-- figures -->\n```json\n{text}\n```\n", encoding="utf8")
    return 0


if __name__ == "__main__":
    torch.set_grad_enabled(True)
    sys.exit(main())
