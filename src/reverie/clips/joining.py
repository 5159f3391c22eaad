"""Join chunks into a film, with the sound of the clip it was made from; nothing is encoded twice."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

from reverie.clips.footage import Footage
from reverie.clips.formats import FilmFormat, keeps_alpha, pyav, ticks
from reverie.errors import ClipError, reason_of

_SILENT: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chunk:
    """Some frames in a file of their own.

    Attributes:
        path: of the file.
        begin: seconds of its first frame.
    """

    path: Path
    begin: Fraction


def join(
    chunks: Sequence[Chunk],
    file: BinaryIO,
    format: FilmFormat,
    *,
    last: Fraction,
    base: Fraction,
    sound: Footage | None = None,
    until: Fraction | None = None,
    recipe: str | None = None,
) -> list[str]:
    """Write the film of all chunks.

    Args:
        chunks: in their order.
        file: open for writing and reading.
        format: of the film.
        last: seconds that the last frame is shown.
        base: seconds of the unit of times.
        sound: the clip whose sound goes with it; None: silent.
        until: seconds at which the sound ends with the frames; None: it goes on to its own end.
        recipe: JSON text that is kept in the film.
    Returns:
        What to tell of it, line by line.
    Raises:
        ClipError: the sound or the frames are refused.
    """
    if not format.chunk:
        clear = sound is not None and sound.alpha and bool(format.with_alpha)
        return _encoded(chunks, file, format, base, pixels=format.with_alpha if clear else format.pixels)
    av = pyav()
    with av.open(file, mode="w", format=format.container, container_options=_muxing(format)) as film:
        if recipe is not None and format.recipe:
            film.metadata["comment"] = recipe
        with av.open(str(chunks[0].path)) as first:
            stream = film.add_stream_from_template(first.streams.video[0])
            stream.time_base = base
            if keeps_alpha(first.streams.video[0]):
                stream.metadata["alpha_mode"] = "1"
        with _Sound(film, format, sound, until) as heard:
            for packet in _packets(chunks, last, stream, base):
                for other in heard.before(packet.pts * base):
                    film.mux(other)
                film.mux(packet)
            for other in heard.before(until):
                film.mux(other)
        return heard.said


def _muxing(format: FilmFormat) -> dict[str, str]:
    """Options of a container: an .mp4 that plays before it is wholly there."""
    return {"movflags": "+faststart"} if format.container in ("mp4", "mov") else {}


def _packets(chunks: Sequence[Chunk], last: Fraction, stream: Any, base: Fraction) -> Iterator[Any]:
    """Yield the packets of all chunks, each lasting until the next."""
    held = None
    for packet, time in _timed(chunks):
        packet.stream, packet.time_base = stream, base
        packet.pts = packet.dts = ticks(time, base)
        if held is not None:
            held.duration = packet.pts - held.pts
            yield held
        held = packet
    if held is not None:
        held.duration = ticks(last, base)
        yield held


def _timed(chunks: Sequence[Chunk]) -> Iterator[tuple[Any, Fraction]]:
    """Yield the packets of all chunks with their times, in seconds."""
    av = pyav()
    for chunk in chunks:
        with av.open(str(chunk.path)) as container:
            for packet in container.demux(container.streams.video[0]):
                if packet.size:
                    yield packet, chunk.begin + packet.pts * Fraction(packet.time_base)


class _Sound:
    """The sound of a clip, copied where the container takes it, encoded anew elsewhere.

    Attributes:
        said: what to tell of it.
    """

    def __init__(self, film: Any, format: FilmFormat, footage: Footage | None, until: Fraction | None) -> None:
        self.said: list[str] = []
        self._film, self._format, self._footage, self._until = film, format, footage, until
        self._source: Any = None
        self._waiting: list[Any] = []

    def __enter__(self) -> _Sound:
        av = pyav()
        if self._footage is not None and self._footage.audio:
            self._source = av.open(str(self._footage.path))
            self._begin = self._footage.cut.begin or Fraction(0)
            self._offset = _origin(self._source) + self._begin
            self._tracks = {track.index: self._added(track) for track in self._source.streams.audio}
            self._flow = self._packets()
        return self

    def __exit__(self, *_: object) -> None:
        if self._source is not None:
            self._source.close()

    def before(self, time: Fraction | None) -> Iterator[Any]:
        """Yield the packets that begin up to a time; None: all that are left."""
        if self._source is None:
            return
        for packet in [*self._waiting]:
            if time is not None and packet.pts * packet.time_base > time:
                return
            self._waiting.remove(packet)
            yield packet
        for packet in self._flow:
            if time is not None and packet.pts * packet.time_base > time:
                self._waiting.append(packet)
                return
            yield packet

    def _added(self, track: Any) -> tuple[Any, bool]:
        """Add a track to the film; return it, and whether its packets are copied."""
        if track.codec_context.name in _COPIED.get(self._format.container, (track.codec_context.name,)):
            return self._film.add_stream_from_template(track), True
        self.said.append(
            f"the sound ({track.codec_context.name}) cannot be copied into {self._format.suffix} and is encoded as"
            f" {self._format.audio}; an .mkv keeps it as it is."
        )
        made = self._film.add_stream(self._format.audio, rate=_rate(track, self._format.audio))
        made.layout = _LAYOUTS.get(track.codec_context.channels, "stereo")
        return made, False

    def _packets(self) -> Iterator[Any]:
        """Yield the packets of all tracks that lie in the film's time, by its clock."""
        try:
            if self._offset > 0:
                self._source.seek(int(self._offset * 1_000_000))
            for packet in self._source.demux(self._source.streams.audio):
                made, copied = self._tracks[packet.stream.index]
                yield from self._copied(packet, made) if copied else self._encoded(packet, made)
        except (OSError, ValueError) as error:
            self.said.append(f"the sound breaks off ({reason_of(error)}); what comes before is kept.")

    def _copied(self, packet: Any, made: Any) -> Iterator[Any]:
        if packet.pts is None or not packet.size:
            return
        time = packet.pts * packet.time_base - self._offset
        if time < 0 or (self._until is not None and time >= self._until):
            return
        shift = ticks(self._offset, Fraction(packet.time_base))
        packet.pts -= shift
        packet.dts = packet.pts if packet.dts is None else packet.dts - shift
        packet.stream = made
        yield packet

    def _encoded(self, packet: Any, made: Any) -> Iterator[Any]:
        for frame in packet.decode():
            time = (frame.pts or 0) * Fraction(frame.time_base) - self._offset
            if time >= 0 and (self._until is None or time < self._until):
                frame.pts = ticks(time, Fraction(frame.time_base))
                yield from made.encode(frame)
        if not packet.size:
            yield from made.encode(None)


_COPIED = {
    "mp4": ("aac", "mp3", "ac3", "eac3", "alac", "opus", "flac", "mp2"),
    "mov": ("aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s24le", "mp2"),
    "webm": ("opus", "vorbis"),
}
"""Sound that a container takes and that players know in it; Matroska takes any."""


_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


def _origin(source: Any) -> Fraction:
    """Return the time of the first frame, from which a film's times are counted."""
    video = source.streams.video[0]
    return Fraction((video.start_time or 0) * Fraction(video.time_base))


def _rate(track: Any, codec: str) -> int:
    return 48_000 if codec == "libopus" else int(track.rate)


def _encoded(chunks: Sequence[Chunk], file: BinaryIO, format: FilmFormat, base: Fraction, *, pixels: str) -> list[str]:
    """Encode chunks without loss as a whole: one palette for all frames, so that it does not flicker."""
    av = pyav()
    with av.open(str(chunks[0].path)) as first:
        its = first.streams.video[0]
        size, rate = (its.width, its.height), its.average_rate
    with av.open(file, mode="w", format=format.container, options=_FOREVER[format.container]) as film:
        stream = film.add_stream(format.codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        for frame in _palettised(chunks, its, base) if format.codec == "gif" else _frames(chunks, base):
            if format.codec != "gif":
                frame = frame.reformat(format=pixels, threads=1)
            for packet in stream.encode(frame):
                film.mux(packet)
        for packet in stream.encode(None):
            film.mux(packet)
    return []


_FOREVER = {"gif": {"loop": "0"}, "apng": {"plays": "0"}}
"""Options of containers whose films begin again at their end."""


def _frames(chunks: Sequence[Chunk], base: Fraction) -> Iterator[Any]:
    """Yield the frames of all chunks by the film's clock."""
    av = pyav()
    for chunk in chunks:
        with av.open(str(chunk.path)) as container:
            for frame in container.decode(video=0):
                time = chunk.begin + frame.pts * Fraction(frame.time_base)
                frame.time_base, frame.pts = base, ticks(time, base)
                yield frame


def _palettised(chunks: Sequence[Chunk], its: Any, base: Fraction) -> Iterator[Any]:
    """Yield frames in 256 colours that suit all of them."""
    av = pyav()
    palette = _palette(chunks, its, base)
    graph = av.filter.Graph()
    pictures = graph.add_buffer(width=its.width, height=its.height, format=its.format, time_base=base)
    colours = graph.add_buffer(width=16, height=16, format=palette.format, time_base=base)
    use = graph.add("paletteuse", "dither=sierra2_4a:diff_mode=rectangle")
    sink = graph.add("buffersink")
    pictures.link_to(use, 0, 0)
    colours.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    palette.pts, palette.time_base = 0, base
    colours.push(palette)
    colours.push(None)
    for frame in _frames(chunks, base):
        pictures.push(frame)
        yield from _pulled(sink)
    pictures.push(None)
    yield from _pulled(sink)


def _palette(chunks: Sequence[Chunk], its: Any, base: Fraction) -> Any:
    """Choose 256 colours for all frames."""
    graph = pyav().filter.Graph()
    source = graph.add_buffer(width=its.width, height=its.height, format=its.format, time_base=base)
    generate, sink = graph.add("palettegen", "stats_mode=full"), graph.add("buffersink")
    source.link_to(generate)
    generate.link_to(sink)
    graph.configure()
    for frame in _frames(chunks, base):
        source.push(frame)
    source.push(None)
    for palette in _pulled(sink):
        return palette
    raise ClipError("no palette was found for these frames; write an .mp4.")


def _pulled(sink: Any) -> Iterator[Any]:
    av = pyav()
    while True:
        try:
            yield sink.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return


def comment_of(text: str) -> str | None:
    """Return a film's comment if it is a recipe."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return text if isinstance(found, dict) and "schema" in found else None
