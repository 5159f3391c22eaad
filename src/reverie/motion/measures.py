"""Measures of a painted clip: how far it keeps to the motion of its source, flickers, and is sharp.

Source: Lai et al. 2018, "Learning blind video temporal consistency", for the warping error. We differ: the mean of the
absolute difference instead of its square, so that it is in units of colour.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from reverie.motion.between import array_of
from reverie.motion.flow import Array, Look, both_ways, look_at
from reverie.motion.opencv import cv2
from reverie.motion.warp import spread, warped

FAR = 10
"""Frames between those compared in the long warping error."""
_GRID = 24  # places of a side whose colours are followed in time


def warping_error(first: Tensor, second: Tensor, looks: tuple[Look, Look]) -> float:
    """Return the mean difference of a frame from an earlier one carried along the flow, where nothing is hidden.

    Args:
        first, second: pictures (1, 3, H, W) in [0, 1].
        looks: at the source's frames, whose flow it is.
    """
    return float(np.mean(differences([(first, second)], looks)))


def differences(pairs: Iterable[tuple[Tensor, Tensor]], looks: tuple[Look, Look]) -> list[float]:
    """Return the same for several pictures of the same two frames: the flow is found once."""
    _, back = both_ways(*looks)
    found = []
    for first, second in pairs:
        pixels = array_of(second)
        apart = np.abs(pixels - warped(array_of(first), back.shift)).mean(2)
        seen = spread(cv2().erode(back.holds, np.ones((3, 3), np.uint8)), apart.shape)
        found.append(float((apart * seen).sum() / max(float(seen.sum()), 1.0)))
    return found


def sharpness(image: Tensor) -> float:
    """Return the standard deviation of the Laplacian of a picture's brightness."""
    cv = cv2()
    return float(cv.Laplacian(cv.cvtColor(array_of(image), cv.COLOR_RGB2GRAY), cv.CV_32F).std())


@dataclass(eq=False)
class Flicker:
    """Brightness at fixed places over time, and its power by frequency."""

    _seen: list[Array] = field(default_factory=list)

    def add(self, image: Tensor) -> None:
        """Look at one more frame."""
        small = cv2().resize(array_of(image), (_GRID, _GRID), interpolation=cv2().INTER_AREA)
        self._seen.append(small.mean(2))

    def spectrum(self) -> Array:
        """Return the mean power at each frequency from 0 to half a frame's, their own mean left out."""
        if len(self._seen) < 2:
            return np.zeros(1, np.float32)
        times = np.stack(self._seen).reshape(len(self._seen), -1)
        times = (times - times.mean(0)) * np.hanning(len(times))[:, None]
        return np.asarray((np.abs(np.fft.rfft(times, axis=0)) ** 2).mean(1) / len(times), np.float32)

    def value(self) -> float:
        """Return the root of the power in the upper half of the frequencies."""
        spectrum = self.spectrum()
        return float(np.sqrt(spectrum[len(spectrum) // 2 :].sum()))


def measured(frames: Iterable[Mapping[str, Tensor]], source: str = "source") -> dict[str, dict[str, list[float]]]:
    """Measure several versions of a clip side by side, in constant memory.

    Args:
        frames: for each frame, its picture in each version.
        source: the version whose flow counts.
    Returns:
        For each version, its "short" and "long" warping errors and "sharpness" frame by frame, and its "spectrum".
    """
    kept: deque[tuple[Mapping[str, Tensor], Look]] = deque(maxlen=FAR)
    table: dict[str, dict[str, list[float]]] = {}
    flickers: dict[str, Flicker] = {}
    for versions in frames:
        look = look_at(versions[source])
        for name, image in versions.items():
            row = table.setdefault(name, {"short": [], "long": [], "sharpness": [], "spectrum": []})
            row["sharpness"].append(sharpness(image))
            flickers.setdefault(name, Flicker()).add(image)
        for kind, (before, its) in _compared(kept).items():
            found = differences([(before[name], image) for name, image in versions.items()], (its, look))
            for name, value in zip(versions, found, strict=True):
                table[name][kind].append(value)
        kept.append((versions, look))
    for name, flicker in flickers.items():
        table[name]["spectrum"] = [float(value) for value in flicker.spectrum()]
    return table


def _compared(
    kept: deque[tuple[Mapping[str, Tensor], Look]],
) -> dict[str, tuple[Mapping[str, Tensor], Look]]:
    """Return the earlier frames that one is compared with."""
    found = {"short": kept[-1]} if kept else {}
    return {**found, "long": kept[0]} if len(kept) == FAR else found
