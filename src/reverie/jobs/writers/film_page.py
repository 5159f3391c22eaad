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
SOURCE, RESULT, SINGLE = "source", "result", "frame by frame"
_CLASSES = {SOURCE: "source", RESULT: "result", SINGLE: "single"}
_WIDE, _HIGH, _LEFT, _TOP, _BELOW = 460, 170, 46, 12, 24
_JPEG = 88
_STYLE = """
:root { color-scheme: light dark; --page: #fff; --text: #1d1d1f; --dim: #63636b; --line: #dcdce0; --source: #7a7a85;
  --result: #00795c; --single: #c2410c }
@media (prefers-color-scheme: dark) { :root { --page: #17171a; --text: #e8e8ea; --dim: #a0a0aa; --line: #3a3a41;
  --source: #a5a5b0; --result: #35c79d; --single: #ff9159 } }
* { box-sizing: border-box }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 74rem; margin: 0 auto; padding: 1.5rem 1rem 3rem;
  color: var(--text); background: var(--page) }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .5rem; overflow-wrap: anywhere }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .4rem } h3 { font-size: 1rem; margin: 1.4rem 0 .2rem }
.lead { font-size: 1.1rem; max-width: 46rem; margin: 0 0 1.2rem } .note { color: var(--dim); max-width: 46rem }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)); gap: .5rem;
  margin: 0 0 1rem } figure { margin: 0 } figure img { display: block; width: 100%; height: auto; border-radius: 3px }
figcaption { color: var(--dim); font-size: .85rem } .wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums } th { font-weight: 600; vertical-align: bottom }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid var(--line); line-height: 1.3 }
th:first-child, td:first-child { text-align: left; padding-left: 0; white-space: nowrap }
.mark { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .45em }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; color: var(--dim); font-size: .85rem }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); gap: 0 2rem }
svg { display: block; width: 100%; max-width: 36rem; height: auto; overflow: visible } svg text { font-size: 12px;
  fill: var(--dim) } .grid { stroke: var(--line) } polyline { fill: none; stroke-width: 1.8; stroke-linejoin: round }
.source { stroke: var(--source) } .result { stroke: var(--result) } .single { stroke: var(--single) }
.mark.source { background: var(--source) } .mark.result { background: var(--result) }
.mark.single { background: var(--single) }
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
        single: the same over its first frames, with frames painted one by one; empty where there are none.
        shown: captions and frames, by version.
        pace: frames a second.
    """
    parts = [f"<h1>{escape(title)}</h1>", f'<p class="lead">{escape(summary(table, single))}</p>']
    parts += [_figures(caption, versions) for caption, versions in shown]
    parts += ["<h2>The whole clip</h2>", _table(table), _plots(table, pace)]
    if single:
        count = len(next(iter(single.values()))["sharpness"])
        parts += [f"<h2>The first {count} frames, beside each painted for itself</h2>", _table(single)]
        parts.append(_plots(single, pace))
    parts.append(f'<h2>What is measured</h2><p class="note">{_EXPLAINED}</p>')
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<title>{escape(title)}</title><style>{_STYLE}</style>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{"".join(parts)}</body></html>\n'


_EXPLAINED = (
    "Warping error: the mean difference of a frame from an earlier one (the last, or that ten frames before)"
    " carried along the source's flow, where nothing is hidden; colours are in [0, 1]. The source's own is the"
    " floor: what noise and resampling leave. Sharpness: the standard deviation of the Laplacian; paint has more"
    " edges than the source. Flicker: the root of the power in the upper half of the frequencies of the brightness"
    " at fixed places."
)


def summary(table: Measures, single: Measures) -> str:
    """Say in a sentence or two how steady and how sharp the film is.

    Example:
        >>> row = {"short": [0.02], "long": [], "sharpness": [0.1], "spectrum": [0.0]}
        >>> summary({"source": row, "result": {**row, "short": [0.03]}}, {})
        'From frame to frame the film changes 1.5 times as much as its source.'
    """
    floor, error = (_mean(table[name]["short"]) for name in (SOURCE, RESULT))
    if not floor or error is None:
        return "The film has a single frame, or does not move."
    said = f"From frame to frame the film changes {error / floor:.2g} times as much as its source."
    if SINGLE not in single:
        return said
    alone, ours = (_mean(single[name]["short"]) for name in (SINGLE, RESULT))
    sharp, sharper = (_mean(single[name]["sharpness"]) for name in (RESULT, SINGLE))
    if alone and ours and sharp and sharper:
        said += f" It is {alone / ours:.2g} times as steady as if each frame were painted for itself,"
        said += f" and {100 * sharp / sharper:.0f} % as sharp."
    return said


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _flicker(spectrum: Sequence[float]) -> float:
    return float(np.sqrt(np.sum(spectrum[len(spectrum) // 2 :])))


def _table(measures: Measures) -> str:
    """Return the means of each version as a table."""
    rows = [f"<tr><td>{_mark(name)}{escape(name)}</td>{_cells(row)}</tr>" for name, row in measures.items()]
    names = ("", "warping error", "over ten frames", "sharpness", "flicker")
    head = "".join(f"<th>{name}</th>" for name in names)
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def _cells(row: Mapping[str, Sequence[float]]) -> str:
    values = [*(_mean(row[kind]) for kind in ("short", "long", "sharpness")), _flicker(row["spectrum"])]
    return "".join(f"<td>{'–' if value is None else f'{value:.4f}'}</td>" for value in values)


def _mark(name: str) -> str:
    return f'<span class="mark {_CLASSES[name]}"></span>'


def _figures(caption: str, versions: Mapping[str, Tensor]) -> str:
    """Return the versions of a frame side by side, each with its name."""
    made = (
        f"<figure>{_inline(image, name)}<figcaption>{escape(f'{name}, {caption}')}</figcaption></figure>"
        for name, image in versions.items()
    )
    return f'<div class="row">{"".join(made)}</div>'


def _inline(image: Tensor, name: str) -> str:
    """Return a picture that holds its own bytes."""
    pixels = image[0].permute(1, 2, 0).mul(255).round().clamp(0, 255).byte().numpy()
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=_JPEG)
    address = f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
    return f'<img alt="{escape(name)}" width="{pixels.shape[1]}" height="{pixels.shape[0]}" src="{address}">'


def _plots(measures: Measures, pace: float) -> str:
    """Return the curves of all kinds, each with its title, after a key."""
    kinds = {
        "Warping error, from frame to frame": "short",
        "Warping error, over ten frames": "long",
        "Sharpness": "sharpness",
    }
    key = "".join(f"<span>{_mark(name)}{escape(name)}</span>" for name in measures)
    drawn = [
        (title, _plot({name: row[kind] for name, row in measures.items()}, "frame"))
        for title, kind in kinds.items()
        if any(len(row[kind]) > 1 for row in measures.values())
    ]
    power = {name: np.sqrt(row["spectrum"]).tolist() for name, row in measures.items()}
    drawn.append(("Flicker, by frequency", _plot(power, f"up to {pace / 2:.3g} Hz")))
    plots = "".join(f"<section><h3>{title}</h3>{svg}</section>" for title, svg in drawn)
    return f'<p class="key">{key}</p><div class="plots">{plots}</div>'


def _plot(lines: Mapping[str, Sequence[float]], axis: str) -> str:
    """Return curves as an SVG drawing, the axis upwards from 0."""
    top = max((max(values) for values in lines.values() if values), default=0.0) or 1.0
    low = _HIGH - _BELOW
    drawn = []
    for share in (0.0, 0.5, 1.0):
        y = low - (low - _TOP) * share
        drawn.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDE}"/>')
        drawn.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share * top:.2g}</text>')
    for name, values in lines.items():
        last = max(len(values) - 1, 1)
        points = " ".join(
            f"{_LEFT + (_WIDE - _LEFT) * i / last:.1f},{low - (low - _TOP) * value / top:.1f}"
            for i, value in enumerate(values)
        )
        drawn.append(f'<polyline class="{_CLASSES[name]}" points="{points}"><title>{escape(name)}</title></polyline>')
    drawn.append(f'<text x="{_WIDE}" y="{_HIGH - 6}" text-anchor="end">{escape(axis)}</text>')
    return f'<svg viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-label="{escape(axis)}">{"".join(drawn)}</svg>'
