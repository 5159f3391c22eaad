"""Which wishes dreams grant: `python -m benchmarks.wishes RESULTS.json SHEET.webp SQUEEZENET`.

Each class is dreamt of from noise and on three photos, with the defaults, and SqueezeNet (the file of its weights),
which had no part in it, ranks the class among the thousand: 1 is what it sees first. The sheet shows all dreams from
noise, each with its rank.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import skimage.data
import torch
import torch.nn.functional as F
from torch import Tensor

import reverie as rv
from reverie.networks import Network, find_class
from reverie.recipes.dream import DreamSettings, dream
from reverie.recipes.parts.variety import WISHES

MORE = (
    "peacock", "giant panda", "koala", "otter", "bee", "black widow", "school bus", "steam locomotive", "balloon",
    "volcano", "teapot", "acoustic guitar", "grand piano", "violin", "umbrella",
)  # fmt: skip
ALL = (*WISHES, *MORE)
PHOTOS = ("chelsea", "coffee", "rocket")
SIZE = 192  # pixels; all of it takes nine minutes of one core
_SEEN = 224  # pixels that SqueezeNet was trained with


def dreamt(wish: str, photo: Tensor | None) -> Tensor:
    """Dream of a class, with the defaults."""
    settings = DreamSettings.model_validate({"class_name": [wish], "size": SIZE})
    *_, last = dream(photo, settings)
    return last.image


def rank(judge: Network, picture: Tensor, index: int) -> int:
    """Return the place of a class among all that the judge sees, 1 the first."""
    shown = F.interpolate(picture, (_SEEN, _SEEN), mode="bilinear")
    with torch.no_grad():
        scores = judge(shown, ["classes"])["classes"].mean((2, 3))[0]
    return 1 + int((scores > scores[index]).sum())


def summary(ranks: dict[str, list[int]]) -> dict[str, float]:
    """Return the shares of wishes granted: in the first five from noise, and on two photos of three."""
    noise = [each[0] <= 5 for each in ranks.values()]
    photos = [sum(r <= 5 for r in each[1:]) >= 2 for each in ranks.values()]
    return {
        "wishes": len(ranks),
        "from_noise": round(sum(noise) / len(noise), 3),
        "on_photos": round(sum(photos) / len(photos), 3),
    }


def main(target: Path, sheet: Path, weights: Path) -> None:
    """Dream of all wishes, and write their ranks, from noise and on each photo, and the sheet."""
    judge = rv.networks.load("squeezenet1_1", weights=weights)
    names = rv.networks.load()
    photos = [torch.from_numpy(getattr(skimage.data, p)()).permute(2, 0, 1)[None].float() / 255 for p in PHOTOS]
    ranks: dict[str, list[int]] = {}
    shown: list[Tensor] = []
    captions: list[str] = []
    for wish in ALL:
        dreams = [dreamt(wish, photo) for photo in (None, *photos)]
        ranks[wish] = [rank(judge, x, find_class(names, wish)) for x in dreams]
        shown.append(dreams[0])
        captions.append(f"{wish} {ranks[wish][0]}")
        print(wish, ranks[wish], flush=True)
    found = {"size": SIZE, "photos": PHOTOS, **summary(ranks), "ranks": ranks}
    target.write_text(json.dumps(found, indent=1) + "\n", encoding="utf8")
    rv.write_image(sheet, rv.pictures.contact_sheet(shown, columns=10, captions=captions, width=1200), quality=40)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
