"""What a file that was brought is: a picture or a clip, by its content and never by its name."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from reverie.clips import Footage, has_video, open_footage
from reverie.errors import ClipError, PictureError
from reverie.jobs.record import hash_of
from reverie.pictures import Picture, fit, read_head, read_picture, scaled, write_image

Words = dict[str, Any]
LOOK = 1024
"""Longer side in which a picture that is brought is read, pixels: all of it is decoded, and little kept."""
FRAME = 40_000_000
"""Most pixels of a clip's frame: 8K is 33 million."""
FILMS = (".mp4", ".mov", ".webm", ".mkv")
"""Suffixes of clips that are no pictures as well."""
CLIPS = (*FILMS, ".gif")
"""Suffixes of what may be a clip."""
_STARTS = {
    b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"GIF8": ".gif", b"BM": ".bmp", b"II": ".tif", b"MM": ".tif",
}  # fmt: skip
_STILL_BRANDS = (b"heic", b"heix", b"heim", b"mif1", b"msf1", b"avif", b"avis", b"crx ")
"""Of pictures in the container that films lie in."""


def facts_of(words: Words) -> Words:
    """Decode a file that was brought; tell its size, its kind and, of a clip, how long it is.

    Args:
        words: ``path`` of the file; ``pixels`` that a picture may have.
    Raises:
        PictureError, ClipError: it is neither picture nor clip, or damaged, or too large.
    """
    path = Path(words["path"])
    suffix, seconds = suffix_of(path), None
    if suffix in FILMS:
        footage = open_footage(path)
        height, width = footage.size
        if height * width > FRAME:
            raise ClipError(f"a clip has frames of at most {FRAME // 10**6} million pixels; got {width}x{height}.")
        seconds = _seconds(footage)
    else:
        height, width = read_head(path, max_pixels=words["pixels"]).size
        read_picture(path, max_pixels=words["pixels"], longer=LOOK)
        seconds = _moving(path) if suffix == ".gif" else None
    return {"width": width, "height": height, "suffix": suffix, "sha256": hash_of(path), "seconds": seconds}


def suffix_of(path: Path) -> str:
    """Return the suffix that belongs to a file's content.

    Raises:
        PictureError: it is of a kind that is neither picture nor clip here.
    """
    with path.open("rb") as file:
        start = file.read(64)
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return ".webp"
    if start[4:8] == b"ftyp" and start[8:12] not in _STILL_BRANDS:
        return ".mov" if start[8:12] == b"qt  " else ".mp4"
    if start.startswith(b"\x1a\x45\xdf\xa3"):
        return ".webm" if b"webm" in start else ".mkv"
    for mark, suffix in _STARTS.items():
        if start.startswith(mark):
            return suffix
    raise PictureError(
        "a picture is a PNG, JPEG, WebP, TIFF, GIF or BMP file, and a clip an MP4, MOV, WebM, MKV or GIF; export it as"
        " one of these."
    )


def small(words: Words) -> Words:
    """Write a small copy of a picture, or of a clip's first frame, as a JPEG, at ``to``.

    Raises:
        PictureError, ClipError: the file is neither.
    """
    path = Path(words["path"])
    read = _first(path) if suffix_of(path) in FILMS else read_picture(path, longer=words["side"])
    size = fit(read.size, longer=min(words["side"], max(read.size)))
    alpha = None if read.alpha is None else scaled(read.alpha, size)
    write_image(Path(words["to"]), scaled(read.pixels, size), alpha=alpha, quality=85)
    return {"width": size[1], "height": size[0]}


def _first(path: Path) -> Picture:
    """Read the first frame of a clip."""
    frame = next(open_footage(path).frames())
    return Picture(frame.image, frame.alpha, 8, path.name)


def _moving(path: Path) -> float | None:
    """Return the seconds of a GIF that moves; None of one that does not, or cannot be read as a clip here."""
    if not has_video():
        return None
    try:
        footage = open_footage(path)
        return _seconds(footage) if len(list(islice(footage.frames(), 2))) > 1 else None
    except ClipError:  # it is a picture all the same
        return None


def _seconds(footage: Footage) -> float:
    """Return how long a clip is, in seconds; 0 where it does not say."""
    return round(float(footage.seconds or 0), 3)
