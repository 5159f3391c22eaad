"""``reverie export``: a network as an ONNX file, or as a page for browsers."""

from __future__ import annotations

import inspect
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from reverie.cli.codes import DONE
from reverie.cli.options import FINER, WRITING, option, parameter
from reverie.errors import RecipeError
from reverie.export import Exported, Quantised, export_onnx, export_page
from reverie.export.subjects import SIDE
from reverie.jobs.inputs import sample_or_file
from reverie.pictures import filled, read_picture

_NETWORK = "superres, superres-sharp, instant, a network such as dreamnet, or a style of your own"


def export_command() -> Callable[..., int]:
    """The command, with a signature that typer reads."""

    def command(**given: Any) -> int:
        """Take a network along: as an .onnx file, or as a page that any browser runs.

        [dim]reverie export instant --painting night-strokes -o night.onnx[/]
        [dim]reverie export instant --web site[/]

        The file is run in ONNX Runtime and compared with Python before it is kept.
        """
        if (given["output"] is None) == (given["web"] is None):
            raise RecipeError("an export goes to an .onnx file or to a page's folder; give -o FILE.onnx or --web DIR.")
        return to_file(given) if given["web"] is None else to_page(given)

    network = typer.Argument(metavar="NETWORK", help=_NETWORK, show_default=False)
    words = [
        parameter("network", str, inspect.Parameter.empty, network),
        option("factor", int, "--factor", metavar="2|3|4", help="times larger; of superres (2)"),
        option("painting", str, "--painting", metavar="PAINTING", help="keep this one inside instant"),
        option("size", int, "--size", metavar="INTEGER",
               help=f"side of the square photo that the kept painting's strokes suit ({SIDE})"),
        option("layers", str, "--layers", metavar="NAME,…", help="maps to give out; of dreamnet and its like"),
        option("int8", bool, "--int8", help="convolutions in 8 bits: smaller, on many machines faster"),
        option("calibrate", Path, "--calibrate", metavar="FOLDER", panel=FINER,
               help="photos to find the ranges of 8 bits by; default: the sample styles"),
        option("runtime", Path, "--runtime", metavar="FILE|DIR", panel=FINER,
               help="onnxruntime-web as .tgz or unpacked, where npm has no internet"),
        option("output", Path, "--output", "-o", metavar="FILE", help="the .onnx file", panel=WRITING),
        option("web", Path, "--web", metavar="DIR", help="a folder for the page", panel=WRITING),
    ]  # fmt: skip
    command.__signature__ = inspect.Signature(words, return_annotation=int)  # type: ignore[attr-defined]
    return command


def to_file(given: dict[str, Any]) -> int:
    """Write an .onnx file, and say what it is."""
    if given["runtime"] is not None:
        raise RecipeError("--runtime is for a page; give --web DIR, or leave it out.")
    painting = None
    if given["painting"] is not None:
        picture = read_picture(sample_or_file(given["painting"]))
        painting = filled(picture.pixels, picture.alpha)
    made = export_onnx(
        given["network"],
        given["output"],
        factor=given["factor"],
        painting=painting,
        size=given["size"],
        layers=[layer.strip() for layer in (given["layers"] or "").split(",") if layer.strip()],
        int8=given["int8"],
        calibrate=given["calibrate"],
    )
    told(made, str(made.path))
    return DONE


def to_page(given: dict[str, Any]) -> int:
    """Write a page, and say how to show it."""
    for name in ("painting", "size", "layers"):
        if given[name] is not None:
            raise RecipeError(f"--{name} is for an .onnx file; a page asks for paintings and sizes itself.")
    wanted = {name: given[name] for name in ("factor", "int8", "calibrate", "runtime")}
    made = export_page(given["network"], given["web"], **wanted)
    for each in made.networks:
        told(each, f"{made.folder}/model/{each.path.name}")
    print(f"{made.folder}  {made.bytes / 1e6:.1f} MB")
    print(f"  show it: python -m http.server --directory {shlex.quote(str(made.folder))}")
    return DONE


def told(made: Exported, path: str) -> None:
    """Say what was written and how near it is to Python."""
    for photo, reason in made.left_out.items():
        print(f"reverie: '{photo}' is left out: {reason:.150}", file=sys.stderr)
    print(f"{path}  {made.bytes / 1000:.0f} kB")
    for name, shape in made.inputs.items():
        print(f"  takes {name} ({', '.join(map(str, shape))})")
    print(f"  gives {', '.join(made.outputs)}")
    unit = "of 1/255" if made.pictures else "of the largest number"
    for each in made.parity:
        height, width = each.size
        print(f"  against Python at {width}x{height}: at most {each.most:.2g}, mean {each.mean:.2g} {unit}")
    if made.quantised is not None:
        compared(made.quantised, pictures=made.pictures)


def compared(found: Quantised, *, pictures: bool) -> None:
    """Float and int8 side by side."""
    height, width = found.size
    print(f"  {found.convolutions[0]} of {found.convolutions[1]} convolutions in 8 bits; at {width}x{height} here:")
    print("           float     int8")
    print(f"    kB    {found.kilobytes[0]:6d}   {found.kilobytes[1]:6d}")
    print(f"    ms    {found.milliseconds[0]:6.1f}   {found.milliseconds[1]:6.1f}")
    gap = f"at most {found.most:.1f}, mean {found.mean:.2f} of 1/255, " if pictures else ""
    print(f"    differing by {gap}{found.psnr:.1f} dB")
    if not found.faster:
        print("    int8 is not faster on this machine; the float file may serve you better.")
