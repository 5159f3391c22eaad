"""Paint live: what a camera sees, or a clip as if it were one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from reverie.clips import open_footage
from reverie.jobs.inputs import sample_or_file
from reverie.motion.camera import as_it_comes, camera_frames
from reverie.motion.live import LiveFrame, painted_live
from reverie.pictures import fit, read_image, size_of
from reverie.recipes.instant import painter
from reverie.recipes.parts.at_once import InstantSettings
from reverie.recipes.parts.film import sized
from reverie.recipes.parts.frames_at_once import FramesAtOnce


def paint_live(
    paintings: Sequence[str], *, camera: int, file: Path | None, settings: InstantSettings
) -> Iterator[LiveFrame]:
    """Paint what a camera or a clip shows, as it comes.

    Args:
        paintings: files, or sample styles by their names.
        camera: number of the camera.
        file: a clip instead.
        settings: of the painting; ``size`` is the longer side in which it is shown.
    Raises:
        ClipError: there is no such camera or clip.
        PictureError: there is no such painting.
    """
    manner = painter([read_image(sample_or_file(word)) for word in paintings], settings)
    source = camera_frames(camera) if file is None else as_it_comes(open_footage(file).frames())
    for first in source:
        size = fit(size_of(first.image), longer=settings.size or max(size_of(first.image)))
        yield from painted_live(sized(chain([first], source), size), FramesAtOnce(manner, None))
