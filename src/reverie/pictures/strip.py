"""Strips of pictures for notebooks and pages: side by side, or one at a time by a slider."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

from torch import Tensor

from reverie.errors import PictureError
from reverie.pictures.resize import resize
from reverie.pictures.sheets import check_captions, single_pictures
from reverie.pictures.write import jpeg_bytes

_STYLE = """
.reverie-strip { margin: 1em 0; }
.reverie-strip .all { display: flex; gap: .75em; align-items: flex-end; }
.reverie-strip img { display: block; width: 100%; height: auto; border-radius: 3px; }
.reverie-strip .name, .reverie-strip label { font-size: .875em; line-height: 1.4; font-variant-numeric: tabular-nums; }
.reverie-strip .name { display: block; margin-top: .25em; text-align: center; }
.reverie-strip.led .all { max-width: 30em; }
.reverie-strip.led .all > div { flex: 1 1 100%; max-width: none; }
.reverie-strip.led .name { display: none; }
.reverie-strip label { display: flex; flex-wrap: wrap; align-items: center; gap: 0 .75em; max-width: 34em; }
.reverie-strip input { flex: 1 1 10em; height: 2.75em; margin: 0; accent-color: var(--color-brand-primary, #8a3b12); }
.reverie-strip output { flex: 0 0 auto; min-width: 5em; }
.reverie-strip [hidden] { display: none; }
@media (max-width: 40em) {
  .reverie-strip .all { flex-wrap: wrap; }
  .reverie-strip:not(.led) .all > div { flex: 1 1 40%; }
}
"""

_SCRIPT = """
for (const strip of document.querySelectorAll(".reverie-strip.slides:not(.led)")) {
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
    """Pictures side by side with captions underneath; or, by a slider, one at a time.

    A notebook shows it when it is the value of a cell. The HTML needs nothing from elsewhere; where scripts do not run,
    pictures that a slider leads through stand side by side, too.

    Args:
        pictures: each (B, 3, H, W) sRGB [0, 1], of any size; a batch counts as B pictures.
        height: of each picture in pixels, where there is room; those of the first by default.
        captions: one line for each picture; a slider needs them.
        slider: what changes from picture to picture, e.g. ``layer``; side by side if not given.
        start: the picture that a slider shows first, counted from 0.

    Raises:
        PictureError: no pictures, another number of captions, or no such picture to start with.

    Example:
        >>> Strip([torch.rand(2, 3, 60, 80)], captions=["0.5", "1"], slider="strength")
        Strip of 2 pictures: 0.5, 1
    """

    def __init__(
        self,
        pictures: Sequence[Tensor],
        *,
        height: int | None = None,
        captions: Sequence[str] | None = None,
        slider: str | None = None,
        start: int = 0,
    ) -> None:
        singles = single_pictures(pictures)
        high = height or singles[0].shape[2]
        self._pictures = [resize(p.detach().float().cpu(), (high, _width(p, high))).clamp(0, 1) for p in singles]
        self._captions = [""] * len(singles) if captions is None and slider is None else list(captions or ())
        self._slider, self._start = slider, start
        check_captions(self._captions, len(singles))
        if not 0 <= start < len(singles):
            raise PictureError(f"a strip starts with one of its {len(singles)} pictures, from 0; got {start}")

    def __repr__(self) -> str:
        names = ", ".join(filter(None, self._captions))
        return f"Strip of {len(self._pictures)} pictures{': ' if names else ''}{names}"

    def _repr_html_(self) -> str:
        pictures = "".join(map(self._shown, self._pictures, self._captions))
        kind, dial = ("reverie-strip", "") if self._slider is None else ("reverie-strip slides", self._dial())
        return f'<figure class="{kind}"><style>{_STYLE}</style><div class="all">{pictures}</div>{dial}</figure>'

    def _dial(self) -> str:
        most = len(self._captions) - 1
        return (
            f'<label hidden>{html.escape(self._slider or "")} <input type="range" min="0" max="{most}"'
            f' value="{self._start}"><output></output></label><script>{_SCRIPT}</script>'
        )

    def _shown(self, picture: Tensor, caption: str) -> str:
        data = base64.b64encode(jpeg_bytes(picture, quality=92)).decode("ascii")
        (height, width), told = picture.shape[2:], html.escape(f"{self._slider or ''} {caption}".strip())
        image = f'<img src="data:image/jpeg;base64,{data}" alt="{told}" width="{width}" height="{height}">'
        name = f'<span class="name">{html.escape(caption)}</span>' if caption else ""
        return f'<div style="flex: {width} 1 0; max-width: {width}px">{image}{name}</div>'


def _width(picture: Tensor, height: int) -> int:
    return max(1, round(height * picture.shape[3] / picture.shape[2]))
