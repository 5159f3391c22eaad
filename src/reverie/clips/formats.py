"""Formats of films: what is written into a file of each suffix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from reverie.errors import ClipError, RecipeError

FOLDER_RATE = 25
"""Frames a second of what has no times of its own."""


@dataclass(frozen=True)
class FilmFormat:
    """One kind of film.

    Attributes:
        suffix: of its files.
        container: of FFmpeg's, of the whole film.
        codec: of FFmpeg's.
        pixels: FFmpeg's name of the pixel format, without alpha.
        with_alpha: the same with it; empty where it keeps none.
        audio: the codec that sound is encoded with where it cannot be copied; empty where there is no sound.
        chunk: container of the chunks that are encoded apart; empty where the whole film is encoded at the end, of
            chunks without loss.
        recipe: whether it keeps a recipe.
        fixed: options of the codec.
    """

    suffix: str
    container: str
    codec: str
    pixels: str
    with_alpha: str = ""
    audio: str = ""
    chunk: str = ""
    recipe: bool = False
    fixed: Mapping[str, str] = field(default_factory=dict)

    def options(self, quality: int) -> dict[str, str]:
        """Return the codec's options for a quality of 0 to 100.

        No frame is predicted from a later one, so that chunks follow each other at whatever rate; and the number of
        threads is fixed, as the bits depend on it.
        """
        if self.codec == "libx264":
            return {**self.fixed, "crf": str(round(50 - 0.4 * quality))}
        if self.codec == "libvpx-vp9":
            return {**self.fixed, "crf": str(round(60 - 0.45 * quality)), "b": "0"}
        return dict(self.fixed)


_H264 = {"preset": "fast", "bf": "0", "g": "48", "threads": "1"}
_VP9 = {"deadline": "good", "cpu-used": "5", "row-mt": "1", "threads": "2", "g": "96", "auto-alt-ref": "0"}
LOSSLESS = FilmFormat(".mkv", "matroska", "ffv1", "bgra", "bgra", fixed={"threads": "1"})
"""What the chunks of a film are that is encoded as a whole."""
_ALL = (
    FilmFormat(".mp4", "mp4", "libx264", "yuv420p", audio="aac", chunk="mp4", recipe=True, fixed=_H264),
    FilmFormat(".mov", "mov", "libx264", "yuv420p", audio="aac", chunk="mp4", recipe=True, fixed=_H264),
    FilmFormat(".mkv", "matroska", "libx264", "yuv420p", audio="aac", chunk="mp4", recipe=True, fixed=_H264),
    FilmFormat(
        ".webm", "webm", "libvpx-vp9", "yuv420p", "yuva420p", audio="libopus", chunk="webm", recipe=True, fixed=_VP9
    ),
    FilmFormat(".gif", "gif", "gif", "pal8", "pal8"),
    FilmFormat(".apng", "apng", "apng", "rgb24", "rgba"),
)
FILMS: Mapping[str, FilmFormat] = {each.suffix: each for each in _ALL}
"""Formats by suffix."""


def film_format(path: Path) -> FilmFormat:
    """Return the format of a film by its suffix.

    Raises:
        RecipeError: there is none for it.
    """
    known = FILMS.get(path.suffix.lower())
    if known is None:
        raise RecipeError(f"a film ends in {', '.join([*FILMS][:-1])} or {[*FILMS][-1]}, or is a folder; got '{path}'.")
    return known


def has_video() -> bool:
    """True if the extra ``video`` is installed."""
    return find_spec("av") is not None and find_spec("cv2") is not None


def pyav() -> Any:
    """Import PyAV.

    Raises:
        ClipError: it is not installed.
    """
    if find_spec("av") is None:
        raise ClipError("films are read and written by PyAV, and it is missing; pip install 'reverie-dream[video]'.")
    return import_module("av")


def keeps_alpha(stream: Any) -> bool:
    """True if a stream of a .webm says that it has an alpha channel beside its frames."""
    return any((name.lower(), value) == ("alpha_mode", "1") for name, value in stream.metadata.items())


def ticks(seconds: Fraction, base: Fraction) -> int:
    """Round a time to a whole number of a time base's ticks."""
    return round(seconds / base)
