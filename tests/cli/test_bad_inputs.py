from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reverie.pictures import read_image, read_picture
from tests.cli.conftest import PAINTED, QUICK, Run


def refused(reverie: Run, *words: object) -> str:
    """The one line with which a command was refused, an older output left as it was."""
    output = Path("kept.png")
    output.write_bytes(b"an older picture")
    names = sorted(path.name for path in Path().iterdir())
    ended = reverie(*words, "-o", output)
    assert ended.code == 2 and ended.out == ""
    assert ended.err.startswith("reverie: ") and ended.err.count("\n") == 1
    assert "Traceback" not in ended.err
    assert output.read_bytes() == b"an older picture"
    assert sorted(path.name for path in Path().iterdir()) == names, "nothing is left behind"
    return ended.err


def spoil(kind: str) -> Path:
    """A file that is no picture, or not a whole one."""
    path, whole = Path(f"{kind}.png"), Path("photo.png").read_bytes()
    content = {
        "empty": b"",
        "truncated": whole[: len(whole) // 2],
        "text": b"this is not a picture\n" * 40,
        "header": whole[:20],
        "zip": b"PK\3\4" + bytes(100),
    }
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_bytes(content[kind])
    return path


KINDS = ("missing", "empty", "truncated", "text", "header", "zip", "folder")


@pytest.mark.parametrize("kind", KINDS)
def test_no_picture_is_one_line_and_exit_2(reverie: Run, kind: str) -> None:
    bad = spoil(kind)
    assert bad.name in refused(reverie, "dream", bad, *QUICK)
    assert bad.name in refused(reverie, "style", bad, "night.jpg", *QUICK)
    assert bad.name in refused(reverie, "style", "photo.png", "night.jpg", bad, *QUICK)
    assert bad.name in refused(reverie, "dream", "photo.png", "--guide", bad, *QUICK)
    assert bad.name in refused(reverie, "replay", bad)
    for words in (("upscale", bad), ("instant", "photo.png", bad)):
        line = refused(reverie, *words)
        assert bad.name in line and line.count(";") <= 1, "one way out, not two"


@pytest.mark.parametrize(
    "words",
    [
        ("dream",),
        ("find", "photo.png"),
        ("perturb", "photo.png", "--away", "--over"),
        ("presets",),
        ("style", "photo.png", "--find-painting"),
        ("styles",),
        ("video dream",),
        ("visualize", "dreamnet", "relu1_1", "--photo"),
    ],
)
def test_a_name_that_no_disk_takes(reverie: Run, words: tuple[str, ...]) -> None:
    ended = reverie(*words[0].split(), *words[1:], "9" * 400)
    assert ended.code == 2 and ended.err.startswith("reverie: ") and ended.err.count("\n") == 1


def test_a_truncated_jpeg(reverie: Run) -> None:
    Path("cut.jpg").write_bytes(Path("night.jpg").read_bytes()[:400])
    assert "cut.jpg" in refused(reverie, "dream", "cut.jpg", *QUICK)


def odd_picture(kind: str) -> str:
    """A whole picture of an unusual kind, 80x60."""
    with Image.open("photo.png") as file:
        photo = file.copy()
    name = f"odd-{kind}.{ {'cmyk': 'jpg', 'animated': 'gif'}.get(kind, 'png') }"
    if kind == "sixteen":
        deep = np.linspace(0, 65535, 80 * 60).reshape(60, 80).astype(np.uint16)
        Image.fromarray(deep).save(name)
    elif kind == "animated":
        photo.save(name, save_all=True, append_images=[photo.rotate(90), photo.rotate(180)])
    else:
        modes = {"grey": "L", "bilevel": "1", "palette": "P", "cmyk": "CMYK", "alpha": "RGBA"}
        photo.convert(modes[kind]).save(name)
    return name


@pytest.mark.parametrize("kind", ["grey", "bilevel", "palette", "cmyk", "alpha", "animated", "sixteen"])
def test_every_kind_of_picture_dreams_and_is_painted(reverie: Run, kind: str) -> None:
    name = odd_picture(kind)
    assert reverie("dream", name, *QUICK, "--octaves", 1, "-o", "o.png").code == 0
    dream = read_picture("o.png")
    assert dream.size == (48, 64)
    assert (dream.alpha is not None) == (kind == "alpha")
    assert reverie("style", "photo.png", name, *PAINTED, "-o", "painted.png").code == 0
    assert read_image("painted.png").shape == (1, 3, 48, 64)


def test_one_pixel(reverie: Run) -> None:
    Image.new("RGB", (1, 1), (200, 30, 90)).save("dot.png")
    assert reverie("dream", "dot.png", *QUICK, "-o", "o.png").code == 0
    assert read_image("o.png").shape == (1, 3, 64, 64)
    assert reverie("style", "dot.png", "night.jpg", *PAINTED, "-o", "o.png").code == 0
    ended = reverie("style", "photo.png", "dot.png", *PAINTED, "-o", "o.png")
    assert ended.code in (0, 2) and ended.err.count("\n") == (ended.code == 2)


def test_a_picture_that_is_only_a_line(reverie: Run) -> None:
    Image.new("RGB", (900, 2), (200, 30, 90)).save("line.png")
    ended = reverie("dream", "line.png", *QUICK, "-o", "o.png")
    assert ended.code in (0, 2) and ended.err.count("\n") == (ended.code == 2)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("dream", "photo.png", "--size", "5"), "size"),
        (("dream", "photo.png", "--size", "1000001"), "size"),
        (("dream", "photo.png", "--size", "big"), "size"),
        (("dream", "photo.png", "--strength", "nan"), "strength"),
        (("dream", "photo.png", "--strength=-1"), "strength"),
        (("dream", "photo.png", "--precision", "double"), "precision"),
        (("dream", "photo.png", "--network", "vgg9"), "did you mean"),
        (("dream", "photo.png", "--layers", "relu9_9"), "relu9_9"),
        (("dream", "noise", "--class", "1000"), "999"),
        (("style", "photo.png", "night.jpg", "--weights", "a"), "weights"),
        (("style", "photo.png", "night.jpg", "--optimizer", "sgd"), "optimizer"),
        (("style", "noise", "night.jpg"), "noise"),
    ],
)
def test_settings_that_make_no_sense(reverie: Run, words: tuple[str, ...], reason: str) -> None:
    assert reason in refused(reverie, *words).lower()
