"""Read a clip: any film that PyAV opens, or a folder of frames, as pictures with their exact times."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from torch import Tensor

from reverie.clips.decoding import Picture, picture_of
from reverie.clips.formats import FOLDER_RATE, keeps_alpha, pyav
from reverie.errors import ClipError, PictureError, reason_of
from reverie.files import is_folder
from reverie.pictures import read_picture, size_of

_STILLS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".npy")
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2",
    *("matroska,webm", "avi", "mpegts", "mpeg", "mpegvideo", "flv", "asf", "ogg", "gif", "apng", "mxf", "nut", "rm"),
    *("yuv4mpegpipe", "ivf", "h264", "hevc", "dv", "m4v", "av1", "obu", "webp_anim"),
)
"""FFmpeg's names of what is read: no playlists, which name other files, and no text drawn as a film."""
_LEAST = 16  # pixels of a side


@dataclass(frozen=True, eq=False)
class ClipFrame:
    """One frame of a clip.

    Attributes:
        image: (1, 3, H, W) sRGB in [0, 1], channels last.
        time: seconds from the clip's first frame.
        alpha: (1, 1, H, W) in [0, 1]; None where the clip has none.
        duration: seconds that it is shown.
    """

    image: Tensor
    time: Fraction
    duration: Fraction
    alpha: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Cut:
    """The part of a clip that is taken, and how densely.

    Attributes:
        begin, end: seconds from the first frame; None: from there, and to the last.
        rate: frames a second; None as they are.
        every: of these, one in so many is taken.
    """

    begin: Fraction | None = None
    end: Fraction | None = None
    rate: Fraction | None = None
    every: int = 1


@dataclass(frozen=True, eq=False)
class Footage:
    """A clip that can be read.

    Attributes:
        path: of the film, or of the folder of frames.
        size: (H, W) as it is shown: turned, with square pixels.
        base: seconds of the unit in which times are given.
        rate: frames a second, on average.
        seconds: how long it is, nearly; None where it does not say.
        alpha: whether it has transparent parts.
        audio: whether it has sound.
        files: frames of a folder, in their order.
        cut: what is taken of it.
    """

    path: Path
    size: tuple[int, int]
    base: Fraction
    rate: Fraction
    seconds: Fraction | None
    alpha: bool = False
    audio: bool = False
    files: tuple[Path, ...] = ()
    cut: Cut = field(default_factory=Cut)

    def taken(
        self, *, begin: float | None = None, end: float | None = None, fps: float | None = None, every: int = 1
    ) -> Footage:
        """Return the footage with only a part of it taken.

        Raises:
            ClipError: nothing is left of it.
        """
        first, last = (None if t is None else Fraction(t).limit_denominator(1_000_000) for t in (begin, end))
        if last is not None and last <= (first or 0):
            raise ClipError(f"a clip ends after it begins; got --from {begin or 0:g} and --to {end:g}.")
        if first and self.seconds is not None and first >= self.seconds:
            raise ClipError(
                f"'{self.path}' is {float(self.seconds):.1f} seconds long; --from {begin:g} lies behind it."
            )
        rate = None if fps is None else Fraction(fps).limit_denominator(1001)
        if self.files and rate is not None:  # which have no times of their own
            return replace(
                self, rate=rate, base=1 / rate, seconds=len(self.files) / rate, cut=Cut(first, last, None, every)
            )
        base = self.base if rate is None else 1 / rate
        return replace(self, base=base, cut=Cut(first, last, rate, every))

    @property
    def lasting(self) -> Fraction | None:
        """Seconds of what is taken, nearly; None where the clip does not say."""
        ends = [t for t in (self.seconds, self.cut.end) if t is not None]
        return max(Fraction(0), min(ends) - (self.cut.begin or 0)) if ends else None

    @property
    def pace(self) -> Fraction:
        """Frames a second that are taken, on average."""
        return (self.cut.rate or self.rate) / self.cut.every

    def frames(self, *, after: Fraction | None = None) -> Iterator[ClipFrame]:
        """Yield the frames that are taken, in the order they are shown, from time 0.

        Args:
            after: yield only those at this time or later.
        Raises:
            ClipError: it cannot be read.
        """
        begin = self.cut.begin or Fraction(0)
        late = after is not None and self.cut.every == 1
        raw = self._of_folder() if self.files else self._of_film(begin + after if late and after else begin)
        chosen = itertools.islice(_at_rate(_within(raw, self.cut), self.cut.rate), 0, None, self.cut.every)
        for held in chosen:
            time = held.time - begin
            if after is None or time >= after:
                image, alpha = held.load()
                yield ClipFrame(image, time, held.duration * self.cut.every, alpha)

    def frame_at(self, time: Fraction) -> ClipFrame:
        """Return the frame that is shown at a time from the beginning of what is taken, or the first thereafter.

        Raises:
            ClipError: there is none.
        """
        whole = replace(self, cut=replace(self.cut, rate=None, every=1))
        for frame in whole.frames(after=time):
            return frame
        for frame in whole.frames():
            return frame
        raise ClipError(f"'{self.path}' has no frame that can be read; check that it is a whole film.")

    def _of_folder(self) -> Iterator[_Held]:
        for number, file in enumerate(self.files):
            yield _Held(number / self.rate, 1 / self.rate, _FromFile(file, self.size))

    def _of_film(self, begin: Fraction) -> Iterator[_Held]:
        with opened(self.path) as (container, stream):
            yield from _decoded(container, stream, begin, self.rate, self.size)


@dataclass(frozen=True, eq=False)
class _Held:
    """A frame that is not converted yet."""

    time: Fraction
    duration: Fraction
    load: Any


@dataclass(frozen=True)
class _FromFile:
    """A frame in a file of its own."""

    file: Path
    size: tuple[int, int]

    def __call__(self) -> Picture:
        found = read_picture(self.file)
        if size_of(found.pixels) != self.size:
            height, width = found.size
            raise ClipError(
                f"the frames of a folder are of one size; '{self.file.name}' is {width}x{height}, and the first is"
                f" {self.size[1]}x{self.size[0]}."
            )
        return found.pixels, found.alpha


def open_footage(path: Path) -> Footage:
    """Look at a clip: its size, its times, whether it has sound.

    Args:
        path: a film, or a folder of frames in the order of their names.
    Raises:
        ClipError: it cannot be read as one.
    Example:
        open_footage(Path("street.mp4")).size  # (720, 1280)
    """
    footage = _open_folder(path) if is_folder(path) else _open_film(path)
    height, width = footage.size
    if min(height, width) < _LEAST:
        raise ClipError(f"a clip is {_LEAST} pixels wide and high at least; '{path}' is {width}x{height}.")
    return footage


def is_frames(path: Path) -> bool:
    """True if a file is a picture that may be a frame of a folder."""
    return path.suffix.lower() in _STILLS and not path.name.startswith(".")


def _open_folder(path: Path) -> Footage:
    files = tuple(sorted(each for each in path.iterdir() if is_frames(each) and each.is_file()))
    if not files:
        raise ClipError(f"a clip is a film or a folder of frames, and '{path}' holds no picture.")
    try:
        first = read_picture(files[0])
    except PictureError as error:
        raise ClipError(str(error)) from error
    rate = Fraction(FOLDER_RATE)
    return Footage(path, first.size, 1 / rate, rate, len(files) / rate, first.alpha is not None, files=files)


def _open_film(path: Path) -> Footage:
    with opened(path) as (container, stream):
        rate = Fraction(stream.average_rate or stream.guessed_rate or FOLDER_RATE)
        for held in _decoded(container, stream, Fraction(0), rate, None):
            image, alpha = held.load()
            seconds = _seconds(container, stream)
            audio = bool(container.streams.audio)
            return Footage(path, size_of(image), Fraction(stream.time_base), rate, seconds, alpha is not None, audio)
    raise ClipError(f"'{path}' has no frame that can be read; check that it is a whole film.")


def _seconds(container: Any, stream: Any) -> Fraction | None:
    if stream.duration:
        return Fraction(stream.duration * stream.time_base)
    return Fraction(container.duration, 1_000_000) if container.duration else None


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """Open a film and its first stream of pictures.

    Raises:
        ClipError: it is none.
    """
    av = pyav()
    try:
        with path.open("rb") as file:
            try:
                container = av.open(file, options={"format_whitelist": ",".join(_CONTAINERS)})
            except (OSError, ValueError, EOFError) as error:
                raise ClipError(
                    f"'{path}' is no film that can be read ({reason_of(error)}); check that it is whole."
                ) from error
            with container:
                streams = [s for s in container.streams.video if not _is_cover(s)]
                if not streams:
                    raise ClipError(f"'{path}' has no pictures, only sound or text; give a film.")
                yield container, streams[0]
    except OSError as error:
        raise ClipError(f"cannot open '{path}': {reason_of(error)}; check its name and folder.") from error


def _is_cover(stream: Any) -> bool:
    """True if a stream is the cover of an album."""
    return "attached_pic" in str(getattr(stream, "disposition", ""))


def _decoded(
    container: Any, stream: Any, begin: Fraction, rate: Fraction, size: tuple[int, int] | None
) -> Iterator[_Held]:
    """Yield the frames from the last that can be sought before a time, their times rising from the first frame's."""
    av = pyav()
    stream.thread_type, base = "AUTO", Fraction(stream.time_base)
    start, aspect = stream.start_time or 0, stream.sample_aspect_ratio
    if begin > 0:  # a little earlier, as what joins lines needs the frame before
        container.seek(start + int(max(Fraction(0), begin - 2 / rate) / base), stream=stream)
    turned = _Deinterlaced(stream)
    last: int | None = None
    for frame in turned.frames(_packets(container, stream, av)):
        pts = frame.pts if frame.pts is not None else (start if last is None else last + int(1 / rate / base))
        pts = pts if last is None or pts > last else last + 1  # times that stand still would be lost
        last = pts
        lasting = Fraction(getattr(frame, "duration", 0) or 0) * base or 1 / rate
        yield _Held((pts - start) * base, lasting, picture_of(frame, aspect, size))


def _packets(container: Any, stream: Any, av: Any) -> Iterator[Any]:
    """Decode packet by packet; those that are damaged are left out, and a film that breaks off ends there."""
    decode = _decoder(stream, av)
    try:
        for packet in container.demux(stream):
            try:
                yield from decode(packet)
            except av.error.InvalidDataError:
                continue
    except (av.error.InvalidDataError, av.error.EOFError):
        return


def _decoder(stream: Any, av: Any) -> Callable[[Any], Iterable[Any]]:
    """Return what decodes packets; FFmpeg's own decoder of a .webm leaves out what is transparent."""
    name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(stream.codec_context.name)
    if name is None or not keeps_alpha(stream) or name not in av.codecs_available:
        return lambda packet: packet.decode()
    context = av.CodecContext.create(name, "r")
    return lambda packet: context.decode(packet if packet.size else None)


class _Deinterlaced:
    """Frames of whole pictures: of one whose lines were taken at two times, the missing lines are made."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._graph: Any = None

    def frames(self, source: Iterator[Any]) -> Iterator[Any]:
        """Yield each frame of a source."""
        for frame in source:
            if self._graph is None and not frame.interlaced_frame:
                yield frame
                continue
            self._graph = self._graph or self._built()
            self._graph.push(frame)
            yield from self._pulled()
        if self._graph is not None:
            self._graph.push(None)
            yield from self._pulled()

    def _built(self) -> Any:
        graph = pyav().filter.Graph()
        source = graph.add_buffer(template=self._stream, time_base=self._stream.time_base)
        bwdif, sink = graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")
        source.link_to(bwdif)
        bwdif.link_to(sink)
        graph.configure()
        return graph

    def _pulled(self) -> Iterator[Any]:
        av = pyav()
        while True:
            try:
                yield self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return


def _within(raw: Iterator[_Held], cut: Cut) -> Iterator[_Held]:
    """Yield the frames between the cut's times; the one that is shown as it begins is not among them."""
    for held in raw:
        if cut.end is not None and held.time >= cut.end:
            return
        if cut.begin is None or held.time >= cut.begin:
            yield held


def _at_rate(raw: Iterator[_Held], rate: Fraction | None) -> Iterator[_Held]:
    """Yield as many frames a second: at each time the one that is shown then."""
    if rate is None:
        yield from raw
        return
    number: int | None = None
    for shown, until in _with_ends(raw):
        number = math.ceil(shown.time * rate) if number is None else number
        while number / rate < until:
            yield replace(shown, time=number / rate, duration=1 / rate)
            number += 1


def _with_ends(raw: Iterator[_Held]) -> Iterator[tuple[_Held, Fraction]]:
    """Yield each frame with the time at which the next is shown."""
    shown: _Held | None = None
    for held in raw:
        if shown is not None:
            yield shown, held.time
        shown = held
    if shown is not None:
        yield shown, shown.time + shown.duration
