"""The painter of the sample styles: the same seed paints the same picture."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from reverie import styles

ROOT = Path(__file__).parents[2]
SIZE = 24


@pytest.fixture
def gallery(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("scipy")
    monkeypatch.syspath_prepend(ROOT)
    return importlib.import_module("painting.gallery")


def test_the_gallery_paints_what_is_shipped(gallery: ModuleType) -> None:
    assert set(gallery.NAMES) == set(styles.names())


@pytest.mark.parametrize("name", styles.names())
def test_same_seed_same_picture_other_seed_another(gallery: ModuleType, name: str) -> None:
    first, again, other = (np.asarray(gallery.picture(name, size=SIZE, seed=seed)) for seed in (3, 3, 4))
    assert max(first.shape) == SIZE
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert np.abs(first.astype(int) - other.astype(int)).mean() > 1


def test_contact_sheet_holds_every_picture(gallery: ModuleType) -> None:
    pictures = {name: gallery.picture(name, size=32) for name in ("ink-wash", "stained-glass")}
    sheet = gallery.contact_sheet(pictures, wide=200, rows=1)
    assert sheet.width == 200
    assert np.asarray(sheet).std() > 20
