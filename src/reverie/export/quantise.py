"""Quantise convolutions to 8 bits: a quarter of the size, faster on some machines, pictures nearly the same.

Source: Jacob et al. 2018, "Quantization and training of neural networks for efficient integer-arithmetic-only
inference"; one scale for each output channel of the weights (Krishnamoorthi 2018).
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from torch import Tensor

from reverie import styles
from reverie.errors import PictureError, RecipeError
from reverie.export.sessions import session_for
from reverie.pictures import fit, read_image, resize, size_of, suffixes

SIDE = 192
"""Longer side in pixels of the calibration pictures."""
MOST = 24
"""Most pictures of a folder that are used."""
_CHANNELS = 16  # a convolution of fewer has little to gain
_RUNS = 5
_LEAST = 20.0  # dB; below it the pictures are others

Feeds = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Quantised:
    """A network before and after, side by side on this machine.

    Attributes:
        kilobytes: of the float and the int8 file.
        milliseconds: for one picture of ``size``, float and int8.
        size: (H, W) of that picture.
        most, mean: of the differences between their results: of pictures in steps of 1/255.
        psnr: of the int8 result against the float one, in dB, its range being that of the float result.
        convolutions: how many are in 8 bits, and how many there are.
    """

    kilobytes: tuple[int, int]
    milliseconds: tuple[float, float]
    size: tuple[int, int]
    most: float
    mean: float
    psnr: float
    convolutions: tuple[int, int]

    @property
    def faster(self) -> bool:
        """True if int8 is faster than float."""
        return self.milliseconds[1] < self.milliseconds[0]


def calibration(folder: Path | None) -> tuple[list[Tensor], dict[Path, str]]:
    """Read the calibration pictures of a folder, or the sample styles; and list those unreadable, with reasons.

    Raises:
        PictureError: there is no folder, or no picture in it that can be read.
    """
    if folder is None:
        paths = [styles.path(name) for name in styles.names()]
    elif not folder.is_dir():
        raise PictureError(f"--calibrate names a folder of photos, and there is none called '{folder}'.")
    else:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes())
    found: list[Tensor] = []
    left_out: dict[Path, str] = {}
    for path in paths:
        if len(found) < MOST:
            try:
                found.append(_small(read_image(path)))
            except PictureError as error:
                left_out[path] = str(error)
    if not found:
        raise PictureError(
            f"int8 is calibrated by photos, and '{folder}' holds none that can be read; name a folder with some."
        )
    return found, left_out


def quantise(path: Path, small: Path, feeds: Feeds) -> Quantised:
    """Quantise a file's convolutions to 8 bits, except the first, the last and the narrow ones.

    Args:
        path: an .onnx file.
        small: where the quantised one goes, in a folder of scratch.
        feeds: inputs by name, to take ranges from; the last are compared.

    Raises:
        RecipeError: there is nothing to quantise, or too little is left of the pictures.
    """
    import onnx

    model = onnx.load(str(path))
    wide, every = wide_convolutions(model), [n for n in model.graph.node if n.op_type == "Conv"]
    if not wide:
        raise RecipeError("int8 puts wide convolutions into 8 bits, and this network has none; export it without.")
    _to_int8(path, small, wide, feeds)
    found = _side_by_side(path, small, feeds[-1], (len(wide), len(every)))
    if found.psnr < _LEAST:
        raise RecipeError(
            f"in 8 bits only {found.psnr:.1f} dB are left of the float result; calibrate by photos like yours, or"
            " export without --int8."
        )
    return found


def wide_convolutions(model: Any) -> list[str]:
    """List the convolutions worth quantising: not those next to a picture, nor narrow or depthwise ones."""
    shapes = {x.name: tuple(x.dims) for x in model.graph.initializer}
    next_to = _next_to(model, {x.name for x in model.graph.output}, backwards=True)
    next_to |= _next_to(model, {x.name for x in model.graph.input}, backwards=False)
    return [
        node.name
        for node in model.graph.node
        if node.op_type == "Conv"
        and node.name not in next_to
        and len(shapes.get(node.input[1], ())) == 4
        and min(shapes[node.input[1]][:2]) >= _CHANNELS
    ]


def _next_to(model: Any, names: set[str], *, backwards: bool) -> set[str]:
    """Find the first convolutions on the paths from some tensors."""
    found: set[str] = set()
    for node in reversed(model.graph.node) if backwards else model.graph.node:
        here, beyond = (node.output, node.input) if backwards else (node.input, node.output)
        if names & set(here):
            if node.op_type == "Conv":
                found.add(node.name)
            elif node.op_type != "Shape":
                names |= set(beyond)
    return found


def _to_int8(path: Path, target: Path, convolutions: Sequence[str], feeds: Feeds) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Pictures(CalibrationDataReader):  # type: ignore[misc]
        """Hands out the feeds one by one."""

        def __init__(self) -> None:
            self.left = iter(feeds)

        def get_next(self) -> Any:
            return next(self.left, None)

    with _silent():
        quantize_static(
            str(path),
            str(target),
            Pictures(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            nodes_to_quantize=list(convolutions),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"CalibMovingAverage": False},
        )


def _side_by_side(path: Path, small: Path, feed: Mapping[str, Any], count: tuple[int, int]) -> Quantised:
    sessions = [session_for(file) for file in (path, small)]
    first, second = (session.run(None, dict(feed)) for session in sessions)
    times = _times([lambda s=s: s.run(None, dict(feed)) for s in sessions])  # type: ignore[misc]
    gaps = [np.abs(a - b) for a, b in zip(first, second, strict=True)]
    errors = [
        float(np.square(g).mean()) / max(float(np.abs(a).max()) ** 2, 1e-12) for g, a in zip(gaps, first, strict=True)
    ]
    error = max(float(np.mean(errors)), 1e-12)
    height, width = next(iter(feed.values())).shape[2:]
    return Quantised(
        (round(path.stat().st_size / 1000), round(small.stat().st_size / 1000)),
        (times[0], times[1]),
        (height, width),
        255 * max(float(g.max()) for g in gaps),
        255 * float(np.mean([g.mean() for g in gaps])),
        float(-10 * np.log10(error)),
        count,
    )


def _times(runs: Sequence[Callable[[], Any]]) -> list[float]:
    """Measure the median milliseconds of each, run in turns."""
    taken: list[list[float]] = [[] for _ in runs]
    for _ in range(_RUNS):
        for run, times in zip(runs, taken, strict=True):
            began = time.perf_counter()
            run()
            times.append(1000 * (time.perf_counter() - began))
    return [median(times) for times in taken]


def _small(picture: Tensor) -> Tensor:
    size = size_of(picture)
    return resize(picture, fit(size, longer=SIDE)).clamp(0, 1) if max(size) > SIDE else picture


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
