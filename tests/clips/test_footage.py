"""Clips in: exact times, turned pictures, colours as they are meant; what is no clip is refused in a line."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from reverie.clips import Footage, open_footage
from reverie.errors import ClipError
from reverie.pictures import write_image
from tests.clips.made_clips import Frame, quarters, see_through, write_clip


def corners(image: Tensor) -> list[list[int]]:
    """The colours near the four corners, clockwise from the upper left one, rounded."""
    rows = [image[0, :, y, x] for y, x in ((4, 4), (4, -5), (-5, -5), (-5, 4))]
    return [[round(float(v)) for v in row] for row in rows]


RED, GREEN, BLUE, BLACK = [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]


def times(footage: Footage) -> list[float]:
    return [float(frame.time) for frame in footage.frames()]


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("full.mp4", "libx264", "yuvj420p"),
        ("ten.mp4", "libx264", "yuv420p10le"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.mkv", "ffv1", "yuv444p"),
        ("a.avi", "mpeg4", "yuv420p"),
    ],
)
def test_colours_and_times(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    path = write_clip(tmp_path / name, quarters(), codec=codec, pixels=pixels)
    footage = open_footage(path)
    assert footage.size == (48, 64) and footage.rate == 24 and not footage.audio
    frames = list(footage.frames())
    assert [round(float(f.time) * 24, 1) for f in frames] == [0, 1, 2, 3, 4, 5]
    assert corners(frames[0].image) == [RED, GREEN, BLACK, BLUE]
    assert float((frames[0].image[0, :, 4, 4] - torch.tensor([1.0, 0, 0])).abs().max()) < 0.06
    assert frames[0].image.dtype == torch.float32 and float(frames[0].image.min()) >= 0


@pytest.mark.parametrize(
    ("turned", "wanted"),
    [(90, [GREEN, BLACK, BLUE, RED]), (180, [BLACK, BLUE, RED, GREEN]), (-90, [BLUE, RED, GREEN, BLACK])],
)
def test_a_turned_clip(tmp_path: Path, turned: int, wanted: list[list[int]]) -> None:
    """Turned against the clock, as FFmpeg counts: a phone held upright says -90."""
    footage = open_footage(write_clip(tmp_path / "a.mp4", quarters(), turned=turned))
    assert footage.size == ((48, 64) if turned == 180 else (64, 48))
    assert corners(next(footage.frames()).image) == wanted


def test_a_variable_rate_is_kept(tmp_path: Path) -> None:
    wanted = [0, 40, 80, 200, 210, 300]
    path = write_clip(tmp_path / "a.mkv", quarters(), times=wanted, base=Fraction(1, 1000))
    assert [round(1000 * t) for t in times(open_footage(path))] == wanted


def test_a_part_of_a_clip(tmp_path: Path) -> None:
    whole = open_footage(write_clip(tmp_path / "a.mp4", quarters(48)))
    part = whole.taken(begin=0.5, end=1.0)
    assert [round(t * 24, 1) for t in times(part)] == list(range(12))
    assert torch.equal(next(part.frames()).image, [*whole.frames()][12].image)
    assert [round(t * 24, 1) for t in times(whole.taken(every=5))] == [0, 5, 10, 15, 20, 25, 30, 35, 40, 45]
    assert times(whole.taken(fps=4)) == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]
    assert len(times(whole.taken(fps=48))) == 96


@pytest.mark.parametrize("how", [{}, {"fps": 10}, {"begin": 0.4}, {"every": 3}, {"begin": 0.4, "fps": 13}])
def test_going_on_in_the_middle(tmp_path: Path, how: dict[str, float]) -> None:
    """What follows a frame is the same whether the clip is read from its beginning or from there."""
    clip = write_clip(tmp_path / "a.mp4", quarters(60), options={"g": "10"})
    footage = open_footage(clip).taken(**how)  # type: ignore[arg-type]
    frames = list(footage.frames())
    rest = list(footage.frames(after=frames[9].time))
    assert [f.time for f in rest] == [f.time for f in frames[9:]]
    assert torch.equal(rest[3].image, frames[12].image)


def test_a_folder_of_frames(tmp_path: Path) -> None:
    for number in range(3):
        write_image(tmp_path / f"{number}.png", torch.full((1, 3, 20, 30), number / 4))
    (tmp_path / "notes.txt").write_text("no picture")
    footage = open_footage(tmp_path)
    assert footage.size == (20, 30) and times(footage) == [0, 0.04, 0.08]
    assert times(footage.taken(fps=10)) == [0, 0.1, 0.2]
    write_image(tmp_path / "3.png", torch.zeros(1, 3, 20, 31))
    with pytest.raises(ClipError, match=r"'3\.png' is 31x20, and the first is 30x20"):
        list(footage.taken(every=1).frames()) and list(open_footage(tmp_path).frames())


def test_interlaced_lines_are_joined(tmp_path: Path) -> None:
    """A white square in two places, a line of each in turn, becomes one without a comb."""
    combed: list[Frame] = []
    for number in range(4):
        frame = np.zeros((48, 64, 3), np.uint8)
        frame[10:38:2, 10 + 8 * number : 26 + 8 * number] = frame[11:38:2, 14 + 8 * number : 30 + 8 * number] = 255
        combed.append(frame)
    options = {"flags": "+ildct+ilme", "field_order": "tt", "x264-params": "tff=1"}
    footage = open_footage(write_clip(tmp_path / "a.mkv", combed, options=options))
    frames = [frame.image for frame in footage.frames()]
    assert len(frames) == 4
    comb = (frames[1][..., 14:34:2, 18:34] - frames[1][..., 15:35:2, 18:34]).abs().mean()
    assert float(comb) < 0.1


def test_what_is_no_clip(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "a.mp4", quarters(), sound="aac").read_bytes()
    (tmp_path / "text.mp4").write_text("a line\n" * 100)
    (tmp_path / "short.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\na.mp4\n")
    write_image(tmp_path / "still.png", torch.rand(1, 3, 20, 20))
    (tmp_path / "nothing").mkdir()
    tiny = write_clip(tmp_path / "tiny.mkv", [np.zeros((2, 2, 3), np.uint8)] * 2, codec="ffv1", pixels="bgr0")
    for name, said in {
        "text.mp4": "no film that can be read",
        "short.mp4": "no film that can be read",
        "empty.mp4": "no film that can be read",
        "list.m3u8": "no film that can be read",
        "still.png": "no film that can be read",
        "missing.mp4": "cannot open",
        "nothing": "holds no picture",
        tiny.name: "16 pixels wide and high at least",
    }.items():
        with pytest.raises(ClipError, match=said) as refused:
            open_footage(tmp_path / name)
        assert "\n" not in str(refused.value)
    footage = open_footage(tmp_path / "a.mp4")
    with pytest.raises(ClipError, match="lies behind it"):
        footage.taken(begin=9)
    with pytest.raises(ClipError, match="ends after it begins"):
        footage.taken(begin=0.2, end=0.1)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [("a.apng", "apng", "rgba"), ("a.webm", "libvpx-vp9", "yuva420p"), ("a.mov", "prores_ks", "yuva444p10le")],
)
def test_transparency_is_read(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    footage = open_footage(write_clip(tmp_path / name, see_through(), codec=codec, pixels=pixels))
    alphas = [frame.alpha for frame in footage.frames()]
    assert footage.alpha and len(alphas) == 6
    for number, alpha in enumerate(alphas):
        assert alpha is not None
        row = [float(alpha[0, 0, y, x]) for y, x in ((20, 4 * number + 12), (2, 2), (20, 60), (44, 30))]
        assert row == pytest.approx([1, 0, 0, 0.5], abs=0.03)


def test_films_too_thin_and_without_frames(tmp_path: Path) -> None:
    import av

    for width, height in ((1, 1), (4097, 3)):
        thin = [np.zeros((height, width, 3), np.uint8)] * 2
        path = write_clip(tmp_path / "thin.mkv", thin, codec="ffv1", pixels="bgr0")
        with pytest.raises(ClipError, match=f"'.*' is {width}x{height}"):
            open_footage(path)
    with av.open(str(tmp_path / "none.mkv"), "w") as film:
        stream = film.add_stream("ffv1", rate=24)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "bgr0"
        film.start_encoding()
    with pytest.raises(ClipError, match="no film that can be read"):
        open_footage(tmp_path / "none.mkv")


def test_sound_alone_is_no_clip(tmp_path: Path) -> None:
    import av

    from tests.clips.made_clips import _write_tone

    with av.open(str(tmp_path / "a.m4a"), "w") as film:
        _write_tone(film, film.add_stream("aac", rate=48000), 0.2)
    with pytest.raises(ClipError, match="no pictures"):
        open_footage(tmp_path / "a.m4a")


def test_a_clip_that_breaks_off(tmp_path: Path) -> None:
    """What can be read is read."""
    path = write_clip(tmp_path / "a.mkv", quarters(40), options={"g": "5"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert 5 < len(times(open_footage(path))) < 40
