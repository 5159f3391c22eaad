"""Write a network as a web page: a self-contained folder that any web server can serve."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from reverie import styles
from reverie.errors import RecipeError
from reverie.export.onnxfile import Exported, check_extra, write_onnx
from reverie.export.runtime import runtime_files
from reverie.export.sessions import session_for
from reverie.export.specs import ExportSpec, grain_for, instant_halves, spec_of
from reverie.files import own, scratch_folder
from reverie.version import __version__

ABOUT = "reverie.json"
"""File that the page reads first; a folder that has it may be overwritten."""
ASSETS = ("page.css", "main.js", "engine.js", "worker.js", "sources.js", "noise.js", "index.html")
SIDES = {"enlarge": (384, 768), "paint": (512, 1536), "instant": (384, 1024)}
"""Longer side in pixels that a page offers first, and the largest one."""

_CHECKED, _GRID = (48, 64), 4
_FACTORS = ((5, 9), (11, 3))


@dataclass(frozen=True)
class Page:
    """An exported page.

    Attributes:
        folder: where.
        bytes: of all its files.
        networks: its .onnx files, as they were compared.
    """

    folder: Path
    bytes: int
    networks: tuple[Exported, ...]


def export_page(
    network: str | Path,
    folder: Path,
    *,
    factor: int | None = None,
    int8: bool = False,
    calibrate: Path | None = None,
    runtime: Path | None = None,
) -> Page:
    """Write a page that runs a network in the browser.

    Args:
        network: ``superres``, ``superres-sharp``, ``instant``, or the file of a custom style.
        folder: a new or empty one, or that of an earlier page.
        factor: 2, 3 or 4 times larger; of the networks that enlarge.
        int8: whether to quantise the convolutions.
        calibrate: a folder of photos to quantise by.
        runtime: the .tgz of onnxruntime-web, or a folder with it; None asks npm, once.

    Raises:
        RecipeError: no such network or setting; the extra or npm is missing.
        FileError: the folder holds other things, or cannot be written.

    Example::

        page = export_page("superres", Path("site"))
    """
    check_extra()
    with own(folder, others="later", beside="name another for the page") as owned:
        made, parts = _parts(specs_for(network, factor), int8=int8, calibrate=calibrate, runtime=runtime)
        for name, data in parts.items():
            owned.write(name, data)
        owned.remove(*(set(owned.names) - parts.keys()))
    return Page(folder, sum(map(len, parts.values())), tuple(made))


def _parts(
    specs: tuple[ExportSpec, ...], *, int8: bool, calibrate: Path | None, runtime: Path | None
) -> tuple[list[Exported], dict[str, bytes]]:
    """Build the networks and every file of the page by name; the one that lists the others comes last."""
    files = dict(runtime_files(runtime))
    with scratch_folder() as temporary:
        made = [
            write_onnx(s, temporary / f"{_role(s)}.onnx", int8=int8 and s.pictures, calibrate=calibrate) for s in specs
        ]
        check = check_of(specs, [each.path for each in made])
        models = {f"model/{each.path.name}": each.path.read_bytes() for each in made}
    parts = {f"runtime/{name}": data for name, data in files.items()} | models | _pictures(specs[-1])
    parts |= {name: (resources.files("reverie.export") / "web" / name).read_bytes() for name in ASSETS}
    told = {**metadata(specs, models), "check": check, "files": sorted(parts)}
    return made, parts | {ABOUT: json.dumps(told, indent=1).encode()}


def specs_for(network: str | Path, factor: int | None) -> tuple[ExportSpec, ...]:
    """Choose the specs that a page runs: one, or two for ``instant``, which encodes a painting only once.

    Raises:
        RecipeError: no page can be made of it.
    """
    spec = spec_of(network, factor=factor)
    if spec.kind == "maps":
        raise RecipeError(f"a page shows pictures, and '{spec.name}' makes maps; export it as an .onnx file.")
    return instant_halves() if spec.kind == "instant" else (spec,)


def metadata(specs: tuple[ExportSpec, ...], models: Mapping[str, bytes]) -> dict[str, object]:
    """Describe the network for the page."""
    last = specs[-1]
    begin, most = SIDES[last.kind]
    return {
        "name": last.name,
        "kind": last.kind,
        "factor": int(last.facts.get("factor", "1")),
        "models": {Path(path).stem: {"path": path, "bytes": len(data)} for path, data in models.items()},
        "styles": list(styles.names()) if last.kind == "instant" else [],
        "style": "night-strokes",
        "side": {"begin": begin, "most": most, "least": 64},
        "reverie": __version__,
        "sha256": last.sha256,
    }


def check_of(specs: Sequence[ExportSpec], paths: Sequence[Path]) -> dict[str, object]:
    """Compute a test picture's result, by which the page checks that a browser computes correctly.

    Means over the blocks of a grid, channel by channel, of the result in [0, 1]; there is no noise.
    """
    height, width = _CHECKED
    feeds: dict[str, Any] = {}
    for spec, path in zip(specs, paths, strict=True):
        first = next(iter(spec.inputs))
        feeds[first] = pattern(height, width, _FACTORS[1 if first == "painting" else 0])
        if "noise" in spec.inputs:
            feeds["noise"] = np.zeros_like(grain_for(_CHECKED).numpy())
        made = session_for(path).run(None, {name: feeds[name] for name in spec.inputs})
        feeds |= dict(zip(spec.outputs, made, strict=True))
    result = made[0][0]
    rows, columns = (np.arange(n) * _GRID // n for n in result.shape[1:])
    blocks = [result[c][np.ix_(rows == y, columns == x)] for c in range(3) for y in range(_GRID) for x in range(_GRID)]
    means = [round(float(block.mean()), 6) for block in blocks]
    return {"width": width, "height": height, "factors": _FACTORS, "grid": _GRID, "means": means}


def pattern(height: int, width: int, factors: tuple[int, int]) -> Any:
    """Draw a test picture (1, 3, H, W) of float32 in [0, 1], which the page draws in the same way."""
    y, x = np.mgrid[:height, :width]
    channels = [(x * factors[0] + y * factors[1] + 60 * c) % 256 for c in range(3)]
    return np.stack(channels)[None].astype(np.float32) / 255


def _role(spec: ExportSpec) -> str:
    """Return the name of a spec's file in the page."""
    return "manner" if spec.name == "manner" else "paint"


def _pictures(spec: ExportSpec) -> dict[str, bytes]:
    """Return the sample styles, if the page offers a choice of paintings."""
    if spec.kind != "instant":
        return {}
    return {f"styles/{name}.jpg": styles.path(name).read_bytes() for name in styles.names()}
