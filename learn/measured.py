"""The page of benchmarks: `benchmarks/*.json` as plots, each a table with bars or a drawing of lines."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Rows = Mapping[str, float]
Curve = Sequence[tuple[float, float]]
WIDTH, HEIGHT = 320, 200
LEFT, RIGHT, TOP, BOTTOM = 34, 12, 24, 34


def page(folder: Path) -> str:
    """Write the page in Markdown.

    Args:
        folder: of the JSON files.
    """
    read = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}
    machine = read["results"]["machine"]
    return "\n\n".join(
        [
            "# Benchmarks",
            "What Reverie costs, as `make bench` measured it and wrote it into `benchmarks/`; the plots are drawn from "
            f"those files when this page is built. The machine is small: {machine['threads']} threads of an "
            f"{machine['processor']} processor, PyTorch {machine['torch']}, no graphics card. On yours the "
            "seconds will be others; ratios travel better.",
            *seconds(read),
            *plain(read["results"]),
            *memory(read["memory"]),
            *controls(read["terms"]),
            *beginnings(read["starts"]),
            *films(read["video"]),
            "How one picture is spread over several machines, and what that costs, is on a [page of its "
            "own](../docs/scaling.md).",
        ]
    )


def seconds(read: Mapping[str, Any]) -> Iterator[str]:
    """How long a picture takes."""
    crafts, own = read["results"]["crafts"], read["custom_style"]["photo"]
    yield "## Seconds for a picture of 512 pixels"
    yield bars(
        "seconds, all of one picture",
        {
            "a style network of one's own, bfloat16": own["16 channels, bfloat16"]["512"],
            "instant, the painting known": read["instant"]["seconds"]["512"]["next"],
            "instant, a new painting": read["instant"]["seconds"]["512"]["first"],
            "dream": crafts["dream_512_s"],
            "style": crafts["style_512_s"],
        },
        "s",
    )
    big = read["instant"]["7680x4320"], read["custom_style"]["7680x4320"]
    yield (
        f"At 8K (7680×4320) `instant` takes {big[0]['seconds']:.0f} s and {big[0]['peak_mb'] / 1000:.1f} GB of memory, "
        f"a network of one's own {big[1]['seconds']:.0f} s and {big[1]['peak_mb'] / 1000:.1f} GB."
    )


def plain(results: Mapping[str, Any]) -> Iterator[str]:
    """What the engine is worth beside plain PyTorch, and what tiles cost."""
    vgg, tiles = results["vgg19_evaluation_512"], results["tiles_1MP"]
    yield "## Beside plain PyTorch, and in tiles"
    yield "One evaluation, that is, the value of a style objective and its gradient."
    yield bars(
        "seconds for one evaluation",
        {
            "VGG-19 at 512², plain PyTorch in float32": vgg["plain_float32_s"],
            "the same by Reverie, in the precision it chose": vgg["reverie_s"],
            "dreamnet at 1 megapixel, whole": tiles["whole_s"],
            "the same in tiles": tiles["tiled_s"],
        },
        "s",
    )


def memory(read: Mapping[str, Any]) -> Iterator[str]:
    """What was promised of memory, and kept."""
    yield "## Memory: allowed, planned, used"
    yield (
        "`--memory` is a promise. The bar is the peak of the whole process, the thin mark what the plan said before "
        "it began, the thick one what it was allowed."
    )
    rows = [
        (f"{p['craft']}, {p['size']} px" + (f", tiles of {p['tile']}" if p["tile"] != "0" else ""), p)
        for p in read["promises"]
    ]
    yield marked("megabytes", [(name, p["measured"], p["planned"], p["allowed"]) for name, p in rows], "MB")
    yield "And of large pictures, with the limit that a test holds:"
    large = {
        "style at 3840×2160": "style_3840x2160",
        "a dream at 6000×4000, beyond the interpreter": "dream_6000x4000",
        "one evaluation of VGG-19 at 7680×4320": "vgg19_evaluation_7680x4320",
    }
    yield marked(
        "gigabytes", [(n, read[k]["measured"], read[k]["limit"], read[k]["limit"]) for n, k in large.items()], "GB"
    )


def controls(read: Mapping[str, Any]) -> Iterator[str]:
    """What each control costs."""
    yield "## What a control costs"
    yield f"Seconds for one evaluation at {read['size'][0]}², as a multiple of the plain style's."
    yield bars("times the plain style", {name: each["ratio"] for name, each in read["controls"].items()}, "×")


def beginnings(read: Mapping[str, Any]) -> Iterator[str]:
    """Style from the photo, and from what instant has painted."""
    yield "## A better beginning"
    yield (
        "`style` can begin with the photo, or with what `instant` made of it. The loss against the seconds spent, "
        "for the three qualities: lower and further left is better."
    )
    yield (
        '```{raw} html\n<div class="plots">\n'
        + "\n".join(
            lines(
                name.replace(" x ", " × "),
                {
                    start: [(q[f"{start}_seconds"], q[f"{start}_loss"]) for q in each.values()]
                    for start in ("photo", "instant")
                },
                across="seconds",
                up="loss",
            )
            for name, each in read["each"].items()
        )
        + "\n</div>\n```"
    )


def films(read: Mapping[str, Any]) -> Iterator[str]:
    """How much steadier films are than their frames, painted one by one."""
    yield "## Films"
    yield (
        "How many times steadier a film by `reverie video instant` is than its frames painted one by one (the error "
        "after following the motion from each frame to the next)."
    )
    names = {"pan": "a pan", "zoom": "a zoom", "object": "a moving thing", "street": "a street"}
    yield bars(
        "times steadier",
        {names.get(name, name): each["times_steadier"] for name, each in read["one pass"]["instant"].items()},
        "×",
    )


def bars(caption: str, rows: Rows, unit: str) -> str:
    """Draw a table with a bar for each row."""
    most = max(rows.values())
    body = "".join(_row(name, value, unit, share=value / most) for name, value in rows.items())
    return _table(caption, body)


def marked(caption: str, rows: Sequence[tuple[str, float, float, float]], unit: str) -> str:
    """Draw a table with a bar for each row, and two marks beyond it.

    Args:
        caption: of the table.
        rows: name, value, and where the thin and the thick mark are.
        unit: behind each value.
    """
    most = max(row[3] for row in rows)
    body = ""
    for name, value, thin, thick in rows:
        marks = f"--thin: {thin / most:.1%}; --thick: {thick / most:.1%}"
        body += _row(name, value, unit, share=value / most, marks=marks, beyond=f" of {_told(thick)}")
    return _table(caption, body)


def lines(title: str, curves: Mapping[str, Curve], *, across: str, up: str) -> str:
    """Draw two curves as SVG; both axes begin at 0."""
    far = 1.05 * max(x for curve in curves.values() for x, _ in curve)
    high = 1.1 * max(y for curve in curves.values() for _, y in curve)

    def at(x: float, y: float) -> tuple[float, float]:
        return LEFT + x / far * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y / high * (HEIGHT - TOP - BOTTOM)

    parts = [f'<path class="axes" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>']
    for x in _ticks(far):
        parts.append(f'<text x="{at(x, 0)[0]:.1f}" y="{HEIGHT - BOTTOM + 13}" text-anchor="middle">{x:g}</text>')
    for y in _ticks(high):
        parts.append(f'<text x="{LEFT - 5}" y="{at(0, y)[1] + 4:.1f}" text-anchor="end">{y:g}</text>')
    for number, (name, curve) in enumerate(curves.items()):
        points = [at(x, y) for x, y in curve]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in points)
        parts.append(f'<g class="curve-{number}"><polyline points="{path}"/>{dots}</g>')
        parts.append(
            f'<text class="curve-{number}" x="{WIDTH - RIGHT}" y="{TOP + 14 * number}" text-anchor="end">'
            f"{('●', '○')[number]} from {html.escape(name)}</text>"
        )
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{across}</text>')
    parts.append(f'<text x="4" y="{TOP - 8}">{up}</text>')
    told = "; ".join(f"{n}: " + ", ".join(f"{y:g} after {x:g}" for x, y in c) for n, c in curves.items())
    drawn = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(told)}">{"".join(parts)}</svg>'
    return f"<figure>{drawn}<figcaption>{html.escape(title)}</figcaption></figure>"


def _ticks(most: float) -> list[float]:
    step = next(s for s in (0.5, 1, 2, 5, 10, 20, 50, 100) if most / s <= 6)
    return [step * i for i in range(int(most / step) + 1)]


def _row(name: str, value: float, unit: str, *, share: float, marks: str = "", beyond: str = "") -> str:
    style = f"--share: {share:.1%}; {marks}".rstrip("; ")
    kind = "bar marked" if marks else "bar"
    return (
        f'<tr><th scope="row">{html.escape(name)}</th><td><span class="{kind}" style="{style}"></span></td>'
        f"<td>{_told(value)}{beyond} {unit}</td></tr>"
    )


def _table(caption: str, body: str) -> str:
    return f'```{{raw}} html\n<table class="bars"><caption>{html.escape(caption)}</caption>{body}</table>\n```'


def _told(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
