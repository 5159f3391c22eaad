"""Write a network as an ONNX file, which is compared with Python before it is put in place."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reverie.errors import RecipeError
from reverie.export.quantise import Quantised, calibration, quantise
from reverie.export.sessions import session_for
from reverie.export.specs import ExportSpec, Shape, spec_of
from reverie.files import check_writable, scratch_folder, write_bytes
from reverie.pictures import size_of
from reverie.pictures.formats import AnyPath
from reverie.version import __version__

OPSET = 20
_NEEDED = ("onnx", "onnxscript", "onnxruntime")
_LEVELS = 255


@dataclass(frozen=True)
class Parity:
    """Difference between ONNX Runtime's results and Python's, for one size of picture.

    Attributes:
        size: (H, W) of the picture.
        most, mean: of the differences: of pictures in steps of 1/255, of maps as a share of their largest number.
    """

    size: tuple[int, int]
    most: float
    mean: float


@dataclass(frozen=True)
class Exported:
    """An exported file.

    Attributes:
        path: where.
        name: of the network.
        bytes: of the file.
        inputs, outputs: shape by name; words are sides of any length.
        parity: for each size that was compared.
        pictures: whether the outputs are pictures.
        quantised: what int8 changed; None where nothing was quantised.
        left_out: photos to calibrate by that cannot be read, and why.
    """

    path: Path
    name: str
    bytes: int
    inputs: Mapping[str, tuple[int | str, ...]]
    outputs: tuple[str, ...]
    parity: tuple[Parity, ...]
    pictures: bool
    quantised: Quantised | None = None
    left_out: Mapping[Path, str] = field(default_factory=dict)


def export_onnx(
    network: str | Path,
    output: AnyPath,
    *,
    factor: int | None = None,
    painting: Tensor | None = None,
    size: int | None = None,
    layers: Sequence[str] = (),
    int8: bool = False,
    calibrate: Path | None = None,
) -> Exported:
    """Write a network as one .onnx file that runs without Reverie, compared with Python first.

    Args:
        network: ``superres``, ``superres-sharp``, ``instant``, a feature network, or the file of a custom style.
        output: a path that ends in .onnx.
        factor: 2, 3 or 4 times larger; of the networks that enlarge.
        painting: (1, 3, h, w) sRGB in [0, 1], kept inside ``instant``, which then takes none.
        size: pixels of the square photo at whose scale that painting is looked at.
        layers: of a feature network.
        int8: whether to quantise the convolutions.
        calibrate: a folder of photos to quantise by; the sample styles by default.

    Raises:
        RecipeError: no such network or setting; the extra is missing; the file's results are not Python's.
        WeightsError: weights cannot be had or read.
        PictureError: the file cannot be written.

    Example::

        most = export_onnx("superres", "superres.onnx", factor=2).parity[0].most
    """
    output = Path(output)
    if output.suffix.lower() != ".onnx":
        raise RecipeError(f"an export is an .onnx file, and '{output.name}' came; name one with -o model.onnx.")
    if calibrate is not None and not int8:
        raise RecipeError("photos to calibrate by are for --int8; give both, or leave --calibrate out.")
    check_extra()
    spec = spec_of(network, factor=factor, painting=painting, size=size, layers=layers)
    return write_onnx(spec, output, int8=int8, calibrate=calibrate)


def write_onnx(spec: ExportSpec, output: Path, *, int8: bool = False, calibrate: Path | None = None) -> Exported:
    """Write a spec as one file, compared with Python first.

    Raises:
        RecipeError: its results are not Python's; no file is left.
        PictureError: it cannot be written.
    """
    pictures, left_out = calibration(calibrate) if int8 else ([], {})
    quantised = None
    check_writable(output)
    with scratch_folder() as folder:
        wide = made = folder / "float.onnx"
        with _silenced():
            _trace(spec).save(str(wide), external_data=False)
        parity = compare(spec, wide)
        if int8:
            made = folder / "int8.onnx"
            quantised = quantise(wide, made, [_feed(spec, spec.given(x)) for x in pictures])
        size = made.stat().st_size
        write_bytes(output, made.read_bytes())
    return Exported(output, spec.name, size, spec.inputs, spec.outputs, parity, spec.pictures, quantised, left_out)


def compare(spec: ExportSpec, path: Path) -> tuple[Parity, ...]:
    """Measure how far ONNX Runtime's results are from Python's.

    Raises:
        RecipeError: further than is allowed.
    """
    session, found = session_for(path), []
    for size in spec.sizes:
        given = spec.example(size)
        made = session.run(None, _feed(spec, given))
        with torch.no_grad():
            wanted = [x.numpy() for x in spec.expected(*given)]
        found.append(_difference(size_of(given[0]), made, wanted, pictures=spec.pictures))
        if not found[-1].most <= spec.limit:
            unit = "steps of 1/255" if spec.pictures else "of the largest number"
            raise RecipeError(
                f"the exported {spec.name} differs from Python's by {found[-1].most:.3g} {unit}, and"
                f" {spec.limit:g} are allowed; no file is kept. Please report it."
            )
    return tuple(found)


def check_extra() -> None:
    """Refuse to export if the packages it needs are not installed.

    Raises:
        RecipeError: it is not.
    """
    if any(importlib.util.find_spec(name) is None for name in _NEEDED):
        raise RecipeError("exporting needs ONNX; install it with: pip install 'reverie-dream[export]'.")


def _trace(spec: ExportSpec) -> Any:
    """Trace the module as an ONNX program, with its metadata inside."""
    given = spec.traced
    with torch.no_grad():
        spec.module(*_arguments(spec, given))  # what is remembered must be, before tracing begins
        program = torch.onnx.export(
            spec.module,
            _arguments(spec, given),
            dynamo=True,
            dynamic_shapes=_arguments(spec, [_sides(shape) for shape in spec.inputs.values()]),
            input_names=list(spec.inputs),
            output_names=list(spec.outputs),
            opset_version=OPSET,
            verbose=False,
        )
    about = {"name": spec.name, "sha256": spec.sha256, "reverie": __version__, **spec.facts}
    about["pictures"] = "float32 (B, 3, H, W), sRGB in [0, 1]"
    if program is None:
        raise RecipeError(f"PyTorch could not follow {spec.name}; please report it.")
    program.model.metadata_props.update(about)
    return program


def _feed(spec: ExportSpec, given: Sequence[Tensor]) -> dict[str, Any]:
    return {name: x.numpy() for name, x in zip(spec.inputs, given, strict=True)}


def _arguments(spec: ExportSpec, each: Sequence[Any]) -> tuple[Any, ...]:
    """Group the module's arguments: the tensors of a style are passed as one list."""
    return (*each[:2], list(each[2:])) if spec.many else tuple(each)


def _sides(shape: Shape) -> dict[int, str]:
    return {axis: side for axis, side in enumerate(shape) if isinstance(side, str)}


def _difference(size: tuple[int, int], made: Sequence[Any], wanted: Sequence[Any], *, pictures: bool) -> Parity:
    scales = [_LEVELS if pictures else 1 / max(float(np.abs(b).max()), 1e-12) for b in wanted]
    gaps = [np.abs(a - b) * scale for a, b, scale in zip(made, wanted, scales, strict=True)]
    return Parity(size, max(float(g.max()) for g in gaps), float(np.mean([g.mean() for g in gaps])))


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Silence the exporter's messages, which are meant for its developers."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
