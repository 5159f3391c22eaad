"""Clips: any film that PyAV opens, or a folder of frames, in; films and folders out. Needs the extra ``video``."""

from reverie.clips.encoding import ChunkEncoder
from reverie.clips.footage import ClipFrame, Footage, is_frames, open_footage
from reverie.clips.formats import FILMS, FilmFormat, film_format, has_video
from reverie.clips.joining import Chunk, join
from reverie.clips.recipe import read_film_recipe

__all__ = [
    "FILMS",
    "Chunk",
    "ChunkEncoder",
    "ClipFrame",
    "FilmFormat",
    "Footage",
    "film_format",
    "has_video",
    "is_frames",
    "join",
    "open_footage",
    "read_film_recipe",
]
