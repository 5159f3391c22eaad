"""Export a network as an ONNX file, or as a web page that any browser runs."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from reverie.crafts.craft import craft
from reverie.crafts.kinds import Painting, Place, Report, Word
from reverie.crafts.settings import DIAL, Settings, Words
from reverie.engine import Task
from reverie.errors import RecipeError
from reverie.export.onnxfile import Exported, export_onnx
from reverie.export.page import export_page
from reverie.export.quantise import Quantised
from reverie.export.specs import SIDE
from reverie.files import is_folder

FILE = ".onnx"


class ExportSettings(Settings):
    """Settings of an export."""

    factor: Annotated[int | None, DIAL] = Field(
        default=None, ge=2, le=4, description="factor 2, 3 or 4; for superres (2)"
    )
    size: Annotated[int | None, DIAL] = Field(
        default=None,
        ge=16,
        le=100_000,
        description=f"side of the square photo that the kept painting's strokes suit ({SIDE})",
    )
    layers: Annotated[Words, DIAL] = Field(default=(), description="layers to output; for networks such as dreamnet")
    int8: Annotated[bool, DIAL] = Field(
        default=False, description="convolutions in 8 bits: smaller, on many machines faster"
    )


@craft(example="reverie export instant --painting night-strokes -o night.onnx", makes=Report)
def export(
    network: Annotated[Word, "superres, superres-sharp, instant, a network such as dreamnet, or a custom style"],
    settings: ExportSettings = ExportSettings(),  # noqa: B008  # frozen
    *,
    painting: Annotated[Painting | None, "store this one inside instant"] = None,
    calibrate: Annotated[Place | None, "photos to find the ranges of 8 bits by; default: the sample styles"] = None,
    runtime: Annotated[Place | None, "onnxruntime-web as .tgz or unpacked, where npm has no internet"] = None,
) -> Task:
    """Export a network as an .onnx file, or into a folder as a page that any browser runs.

    The file is run in ONNX Runtime and compared with Python before it is kept.

    Args:
        network: a name, or the file of a custom style network.
        settings: how.
        painting: (1, 3, h, w) sRGB in [0, 1], kept inside instant.
        calibrate: a folder of photos.
        runtime: for a page.
    """

    def write(output: Path) -> list[str]:
        if output.suffix and not is_folder(output):
            if runtime is not None:
                raise RecipeError("--runtime is for a page; name its folder with -o, or leave it out.")
            how = settings.model_dump()
            made = export_onnx(network, output, painting=painting, calibrate=calibrate, **how)
            return list(_summary(made, str(made.path)))
        for name, value in {"painting": painting, "size": settings.size, "layers": settings.layers or None}.items():
            if value is not None:
                raise RecipeError(f"--{name} is for an .onnx file; a page asks for paintings and sizes itself.")
        page = export_page(
            network, output, factor=settings.factor, int8=settings.int8, calibrate=calibrate, runtime=runtime
        )
        said = [line for each in page.networks for line in _summary(each, f"{page.folder}/model/{each.path.name}")]
        show = f"  show it: python -m http.server --directory {shlex.quote(str(page.folder))}"
        return [*said, f"{page.folder}  {page.bytes / 1e6:.1f} MB", show]

    return Task(write)


def _summary(made: Exported, path: str) -> Iterator[str]:
    """Yield lines on what was written, and how closely it matches Python."""
    for photo, reason in made.left_out.items():
        yield f"  '{photo}' is left out: {reason:.150}"
    yield f"{path}  {made.bytes / 1000:.0f} kB"
    for name, shape in made.inputs.items():
        yield f"  takes {name} ({', '.join(map(str, shape))})"
    yield f"  gives {', '.join(made.outputs)}"
    unit = "of 1/255" if made.pictures else "of the largest number"
    for each in made.parity:
        height, width = each.size
        yield f"  against Python at {width}x{height}: at most {each.most:.2g}, mean {each.mean:.2g} {unit}"
    if made.quantised is not None:
        yield from _comparison(made.quantised, pictures=made.pictures)


def _comparison(found: Quantised, *, pictures: bool) -> Iterator[str]:
    """Yield lines that compare float and int8."""
    height, width = found.size
    yield f"  {found.convolutions[0]} of {found.convolutions[1]} convolutions in 8 bits; at {width}x{height} here:"
    yield "           float     int8"
    yield f"    kB    {found.kilobytes[0]:6d}   {found.kilobytes[1]:6d}"
    yield f"    ms    {found.milliseconds[0]:6.1f}   {found.milliseconds[1]:6.1f}"
    gap = f"at most {found.most:.1f}, mean {found.mean:.2f} of 1/255, " if pictures else ""
    yield f"    differing by {gap}{found.psnr:.1f} dB"
    if not found.faster:
        yield "    int8 is not faster on this machine; the float file may serve you better."
