"""The page of measures of a film: one HTML file, whose pictures and plots are in it."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from PIL import Image
from torch import Tensor

Measures = Mapping[str, Mapping[str, Sequence[float]]]
"""By version and kind: values frame by frame."""
_COLOURS = {"source": "#888", "result": "#0a7", "frame by frame": "#d53"}
_WIDE, _HIGH, _LEFT = 720, 160, 48
_JPEG = 88
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; color: #222;
  background: #fff }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: .2rem .8rem; text-align: right }
th:first-child, td:first-child { text-align: left } tr + tr { border-top: 1px solid #ddd }
figure { display: flex; gap: 4px; margin: 0 0 .3rem; flex-wrap: wrap } figure img { flex: 1 1 20rem; min-width: 0;
  width: 30% } figcaption { width: 100%; color: #666 } svg { max-width: 100% } .note { color: #666 }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd } tr + tr { border-color: #444 } }
"""


def film_page(
    title: str,
    table: Measures,
    single: Measures,
    *,
    shown: Sequence[tuple[str, Mapping[str, Tensor]]],
    pace: float,
) -> str:
    """Return the page as HTML.

    Args:
        title: of the page.
        table: measures of source and result, over the whole clip.
        single: the same over its first frames, with frames painted one by one.
        shown: captions and frames, by version.
        pace: frames a second.
    """
    parts = [
        f"<h1>{escape(title)}</h1>",
        *(_figure(caption, versions) for caption, versions in shown),
        "<h2>The whole clip</h2>",
        _table(table),
        "<h3>Warping error from frame to frame</h3>",
        _plot({name: row["short"] for name, row in table.items()}, "frame"),
        "<h3>Flicker: brightness at fixed places, its power by frequency</h3>",
        _plot({name: np.sqrt(row["spectrum"]).tolist() for name, row in table.items()}, f"up to {pace / 2:.3g} Hz"),
    ]
    if single:
        count = len(next(iter(single.values()))["sharpness"])
        parts += [f"<h2>The first {count} frames, and each painted for itself</h2>", _table(single)]
        parts += [_plot({name: row["short"] for name, row in single.items()}, "frame")]
    parts.append(f'<p class="note">{_EXPLAINED}</p>')
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    head += f"<style>{_STYLE}</style>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{"".join(parts)}</body></html>\n'


_EXPLAINED = (
    "Warping error: the mean difference of a frame from an earlier one (the last, or that ten frames before)"
    " carried along the source's flow, where nothing is hidden; colours are in [0, 1]. The source's own is the"
    " floor: what noise and resampling leave. Sharpness: the standard deviation of the Laplacian. Flicker: the"
    " root of the power in the upper half of the frequencies."
)


def _table(measures: Measures) -> str:
    """Return the means of each version as a table."""
    rows = [
        f"<tr><td>{escape(name)}</td>{''.join(f'<td>{value}</td>' for value in _means(row))}</tr>"
        for name, row in measures.items()
    ]
    names = ("", "warping error", "over ten frames", "sharpness", "flicker")
    return f"<table><tr>{''.join(f'<th>{name}</th>' for name in names)}</tr>{''.join(rows)}</table>"


def _means(row: Mapping[str, Sequence[float]]) -> list[str]:
    spectrum = row["spectrum"]
    values = [float(np.mean(row[kind])) if row[kind] else None for kind in ("short", "long", "sharpness")]
    values.append(float(np.sqrt(np.sum(spectrum[len(spectrum) // 2 :]))))
    return ["–" if value is None else f"{value:.4f}" for value in values]


def _figure(caption: str, versions: Mapping[str, Tensor]) -> str:
    images = "".join(f'<img alt="{escape(name)}" src="{_inline(image)}">' for name, image in versions.items())
    return f"<figure>{images}<figcaption>{escape(caption)}: {', '.join(map(escape, versions))}</figcaption></figure>"


def _inline(image: Tensor) -> str:
    """Return a picture as an address that holds it."""
    pixels = image[0].permute(1, 2, 0).mul(255).round().clamp(0, 255).byte().numpy()
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=_JPEG)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _plot(lines: Mapping[str, Sequence[float]], axis: str) -> str:
    """Return curves as an SVG drawing."""
    top = max((max(values) for values in lines.values() if values), default=0.0) or 1.0
    drawn, legend = [], []
    for number, (name, values) in enumerate(lines.items()):
        colour, last = _COLOURS.get(name, "#46c"), max(len(values) - 1, 1)
        points = " ".join(
            f"{_LEFT + (_WIDE - _LEFT) * i / last:.1f},{_HIGH - 20 - (_HIGH - 30) * value / top:.1f}"
            for i, value in enumerate(values)
        )
        drawn.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{points}"/>')
        legend.append(f'<text x="{_LEFT + 8 + 110 * number}" y="14" fill="{colour}">{escape(name)}</text>')
    frame = f'<path d="M{_LEFT} 10V{_HIGH - 20}H{_WIDE}" fill="none" stroke="#aaa"/>'
    most = f'<text x="2" y="18" fill="#888">{top:.3g}</text>'
    below = f'<text x="{_WIDE - 90}" y="{_HIGH - 4}" fill="#888">{escape(axis)}</text>'
    inside = "".join([frame, *drawn, *legend, most, below])
    return f'<svg viewBox="0 0 {_WIDE} {_HIGH}" width="{_WIDE}" font-size="12">{inside}</svg>'
