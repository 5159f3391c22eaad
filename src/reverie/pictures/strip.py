"""Strips of pictures that a slider leads through, in a notebook or on a page."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

from torch import Tensor

from reverie.errors import PictureError
from reverie.pictures.sheets import check_captions, single_pictures
from reverie.pictures.write import jpeg_bytes

_STYLE = """
.reverie-strip { margin: 1em 0; }
.reverie-strip .all { display: flex; flex-wrap: wrap; gap: .75em; }
.reverie-strip .all > div { flex: 0 1 auto; }
.reverie-strip img { display: block; max-width: 100%; height: auto; border-radius: 3px; }
.reverie-strip.led img { width: min(100%, 30rem); }
.reverie-strip .name, .reverie-strip output { font-size: .875em; font-variant-numeric: tabular-nums; }
.reverie-strip.led .name { display: none; }
.reverie-strip label { display: flex; flex-wrap: wrap; align-items: center; gap: 0 .75em; max-width: 30rem; }
.reverie-strip input { flex: 1 1 10em; height: 2.75em; margin: 0; accent-color: var(--color-brand-primary, #8a3b12); }
.reverie-strip output { flex: 0 0 auto; min-width: 5em; }
.reverie-strip [hidden] { display: none; }
"""

_SCRIPT = """
for (const strip of document.querySelectorAll(".reverie-strip:not(.led)")) {
  const all = [...strip.querySelectorAll(".all > div")], [dial] = strip.getElementsByTagName("input");
  const [told] = strip.getElementsByTagName("output");
  const show = () => {
    all.forEach((each, number) => { each.hidden = number !== Number(dial.value); });
    told.textContent = all[dial.value].textContent.trim();
    dial.setAttribute("aria-valuetext", told.textContent);
  };
  dial.addEventListener("input", show);
  dial.closest("label").hidden = false;
  strip.classList.add("led");
  show();
}
"""


class Strip:
    """Pictures that a slider leads through, one at a time; side by side where scripts do not run.

    A notebook shows it when it is the value of a cell. The HTML needs nothing from elsewhere.

    Args:
        pictures: each (B, 3, H, W) sRGB [0, 1], of any size; a batch counts as B pictures.
        captions: one line for each picture.
        label: what changes from picture to picture, e.g. ``layer``.
        start: the picture that is shown first, counted from 0.

    Raises:
        PictureError: no pictures, another number of captions, or no such picture to start with.

    Example:
        >>> Strip([torch.rand(2, 3, 60, 80)], captions=["0.5", "1"], label="strength")
        Strip of 2 pictures by strength: 0.5, 1
    """

    def __init__(self, pictures: Sequence[Tensor], *, captions: Sequence[str], label: str, start: int = 0) -> None:
        self._pictures = single_pictures(pictures)
        check_captions(captions, len(self._pictures))
        self._captions, self._label, self._start = list(captions), label, start
        if not 0 <= start < len(self._pictures):
            raise PictureError(f"a strip starts with one of its {len(captions)} pictures, from 0; got {start}")

    def __repr__(self) -> str:
        return f"Strip of {len(self._captions)} pictures by {self._label}: {', '.join(self._captions)}"

    def _repr_html_(self) -> str:
        pictures = "".join(map(self._shown, self._pictures, self._captions))
        label = html.escape(self._label)
        return (
            f'<figure class="reverie-strip"><style>{_STYLE}</style><div class="all">{pictures}</div>'
            f'<label hidden>{label} <input type="range" min="0" max="{len(self._captions) - 1}" value="{self._start}">'
            f"<output></output></label><script>{_SCRIPT}</script></figure>"
        )

    def _shown(self, picture: Tensor, caption: str) -> str:
        data = base64.b64encode(jpeg_bytes(picture, quality=92)).decode("ascii")
        told = html.escape(f"{self._label} {caption}")
        height, width = picture.shape[2:]
        image = f'<img src="data:image/jpeg;base64,{data}" alt="{told}" width="{width}" height="{height}">'
        return f'<div>{image}<span class="name">{html.escape(caption)}</span></div>'
