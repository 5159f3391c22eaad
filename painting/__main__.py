"""Paint the sample styles.

``python -m painting OUTDIR [--size 640] [--seed 0] [--only NAME] [--sheet FILE]``.
The shipped ones: ``python -m painting src/reverie/styles --sheet docs/pictures/styles.jpg``.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from painting.gallery import NAMES, contact_sheet, picture


def main() -> None:
    """Paint the pictures asked for and write them as JPEG."""
    parser = argparse.ArgumentParser(prog="python -m painting", description="Paint the sample styles.")
    parser.add_argument("outdir", type=Path)
    parser.add_argument("--size", type=int, default=640, help="longer side in pixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quality", type=int, default=86)
    parser.add_argument("--only", choices=NAMES, action="append")
    parser.add_argument("--sheet", type=Path, help="also write a contact sheet, as JPEG")
    wanted = parser.parse_args()
    wanted.outdir.mkdir(parents=True, exist_ok=True)
    pictures = {}
    for name in wanted.only or NAMES:
        begun = time.perf_counter()
        path = wanted.outdir / f"{name}.jpg"
        painted = picture(name, size=wanted.size, seed=wanted.seed)
        painted.save(path, quality=wanted.quality, optimize=True, subsampling=2)
        pictures[name] = painted
        kilobytes = path.stat().st_size / 1000
        print(f"{path}  {painted.width}x{painted.height}  {kilobytes:.0f} kB  {time.perf_counter() - begun:.1f} s")
    if wanted.sheet:
        wanted.sheet.parent.mkdir(parents=True, exist_ok=True)
        contact_sheet(pictures).save(wanted.sheet, quality=68, optimize=True)


if __name__ == "__main__":
    main()
