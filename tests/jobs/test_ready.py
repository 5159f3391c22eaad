"""What reading a job's files and making it ready takes: refused by their heads alone, with remedies that work."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reverie.crafts.registry import find
from reverie.engine.memory import resident
from reverie.errors import OutOfMemory
from reverie.jobs import ready
from reverie.jobs.ready import Preparation, check_ready
from reverie.pictures import Head

MB = 2**20


def refused(name: str, files: Mapping[str, Path], *, left: int, **settings: object) -> str:
    """The refusal of a job in a process that may take so many MB more."""
    craft = find(name)
    how = craft.checked({**settings, "memory": f"{resident() // MB + left}MB"})
    with pytest.raises(OutOfMemory) as caught:
        check_ready(craft, {each: (path,) for each, path in files.items()}, how)
    return str(caught.value)


def accepted(name: str, files: Mapping[str, Path], memory: str, **settings: object) -> bool:
    """Whether a job is let through."""
    craft = find(name)
    check_ready(craft, {each: (path,) for each, path in files.items()}, craft.checked({**settings, "memory": memory}))
    return True


def saved(path: Path, mode: str, side: int, **how: Any) -> Path:
    """A flat picture."""
    Image.new(mode, (side, side), 128 if mode == "L" else (90, 120, 200, 100)[: len(mode)]).save(path, **how)
    return path


@pytest.mark.parametrize(
    ("mode", "inputs", "doing"),
    [
        ("RGBA", ("photo",), "filling the transparent parts of 'a.png'"),
        ("RGB", ("photo", "photo_map"), "telling the regions of 'a.png' apart"),
        ("L", ("photo", "mask"), "taking 'a.png' as a mask"),
    ],
)
def test_the_worst_moment_is_named_and_the_amount_does(
    tmp_path: Path, mode: str, inputs: tuple[str, ...], doing: str
) -> None:
    files = {"photo": saved(tmp_path / "small.png", "RGB", 64)}
    files[inputs[-1]] = saved(tmp_path / "a.png", mode, 2000)
    files["painting"] = files["photo"] if mode != "RGBA" else saved(tmp_path / "night.png", "RGB", 64)
    said = refused("style", files, left=80, size=64)
    assert doing in said and "--size" not in said
    raised = re.search(r"--memory (\d+MB) or more\.$", said)
    assert raised and accepted("style", files, raised[1], size=64)


def test_a_smaller_size_is_offered_where_it_helps(tmp_path: Path) -> None:
    files = {"photo": saved(tmp_path / "a.png", "RGB", 500)}
    offered = re.search(r"Try --size (\d+) or --memory", refused("dream", files, left=300, size=4000))
    assert offered
    assert accepted("dream", files, f"{resident() // MB + 310}MB", size=int(offered[1]))
    assert "--size" not in refused("dream", files, left=20, size=4000)


def test_a_plain_png_is_offered_where_it_helps(tmp_path: Path) -> None:
    files = {"photo": saved(tmp_path / "a.webp", "RGB", 3000, lossless=True)}
    said = refused("upscale", files, left=180)
    assert "reading 3000x3000 pixels of 'a.webp'" in said and "'a.webp' saved as a plain PNG or --memory" in said
    assert "plain PNG" not in refused("upscale", files, left=50)
    plain = {"photo": saved(tmp_path / "a.png", "RGB", 3000)}
    assert accepted("upscale", plain, f"{resident() // MB + 190}MB")


def test_nothing_is_refused_without_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready, "read_head", None)
    craft = find("dream")
    check_ready(craft, {"photo": (Path("missing.png"),)}, craft.checked({}))


def test_pictures_are_kept_while_the_next_is_read() -> None:
    craft = find("dream")
    photo, guide = craft.input("photo"), craft.input("guide")
    head = Head((1000, 1000), alpha=False, peak=20 * 10**6, undecoded=0, name="a.png")
    one = Preparation(craft, [(photo, head)], 64, seamless=False).worst.amount
    two = Preparation(craft, [(photo, head), (guide, head)], 64, seamless=False).worst.amount
    assert two - one == 12 * 10**6
