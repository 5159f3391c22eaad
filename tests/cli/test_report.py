from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image

from reverie.jobs.report import Axis, Line, StepLosses, draw_report


def pixels(history: list[StepLosses]) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(draw_report(history, title="dream: cät.png"))))


def line(*values: float | None) -> Line:
    return Line("loss", "#000000", values)


@pytest.mark.parametrize("values", [[1.0], [0.0], [-3.0, -5.0], [1e-9, 1e9], [0.0, 1e-3, 5.0], [2.0] * 40])
def test_any_losses_can_be_drawn(values: list[float]) -> None:
    history = [StepLosses(1 + i // 3, (30, 40), v, {"style": v}) for i, v in enumerate(values)]
    page = pixels(history)
    assert page.shape == (800, 1280, 3)
    assert (page == 255).all(axis=2).mean() > 0.8


def test_an_axis_is_logarithmic_only_where_that_shows_more() -> None:
    assert Axis.around([line(1, 10, 100)]).logarithmic
    assert Axis.around([line(0, 0.01, 1)]).logarithmic
    assert not Axis.around([line(1, 2, 3)]).logarithmic
    assert not Axis.around([line(-1, 100)]).logarithmic
    axis = Axis.around([line(0.01, 0.1, 1, 10)])
    ticks = axis.ticks()
    assert {0.01, 0.1, 1, 10} <= set(ticks)
    gaps = np.diff([axis.share(t) for t in (0.1, 1, 10)])
    assert math.isclose(gaps[0], gaps[1])
    assert all(0 <= axis.share(t) <= 1 for t in ticks)


def test_ticks_are_round_and_few() -> None:
    for low, high in ((0, 1), (-4.71, -0.2), (3e-7, 8e-7), (120, 9000)):
        axis = Axis.around([line(low, high)]) if high / abs(low or 1) < 20 else Axis(low, high, False)
        assert 3 <= len(axis.ticks()) <= 9


def test_stages_are_parted_and_lines_are_broken_there() -> None:
    one = [StepLosses(1, (30, 40), float(i), {"style": 1.0}) for i in range(20)]
    two = [StepLosses(1 + i // 10, (30, 40), float(i), {"style": 1.0}) for i in range(20)]
    edge = (0xC4, 0xC8, 0xCF)
    columns = [np.flatnonzero((pixels(m) == edge).all(axis=2).sum(axis=0) > 100) for m in (one, two)]
    assert len(columns[0]) == 0 and len(columns[1]) >= 1


def test_the_lowest_line_lies_on_its_axis() -> None:
    page = pixels([StepLosses(1, (30, 40), 10.0 - i, {"a": 1.0 + i}) for i in range(10)])
    ink = (page[:, :1000] == (0x1D, 0x1F, 0x24)).all(axis=2)
    rows, columns = np.nonzero(ink[100:420])
    assert np.corrcoef(rows, columns)[0, 1] > 0.99, "falling losses fall"
