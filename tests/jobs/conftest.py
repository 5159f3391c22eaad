from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from kept_runs import pictures


@pytest.fixture
def folder(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with a photo and a painting; one thread, a cache of its own."""
    monkeypatch.setenv("REVERIE_HOME", str(tmp_path_factory.getbasetemp() / "home"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    pictures(tmp_path)
    yield tmp_path
    torch.set_num_threads(threads)
