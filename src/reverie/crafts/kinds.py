"""Kinds of input files, as types of a craft's parameters, and kinds of outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from reverie.clips import Footage as Clipped
    from reverie.feedforward import Johnson


@dataclass(frozen=True)
class Kind:
    """Role of an input file.

    Attributes:
        name: one word.
        description: for help, where a craft says nothing better.
        metavar: stands for the file in help.
        samples: whether the name of a sample style is one, too.
        names: whether a result is named after it.
        by_place: whether a command takes it by its place, where it is required.
        chooses: name of the input for which a picture is taken from it; empty where it is for itself.
    """

    name: str
    description: str
    metavar: str = "PICTURE"
    samples: bool = False
    names: bool = False
    by_place: bool = True
    chooses: str = ""


PHOTO = Kind("photo", "the picture to work on")
PAINTING = Kind("painting", "a picture to paint like, or a sample style's name", samples=True, names=True)
MASK = Kind("mask", "where to work: white; where it is black the photo stays")
MAP = Kind("map", "regions in flat colours")
RESULT = Kind("result", "a picture that Reverie made from a photo")
STYLE_NETWORK = Kind("style network", "a custom style network: a file or its name", metavar="FILE", names=True)
FOLDER = Kind("folder", "a folder of photos, folders inside included, or a list", metavar="FOLDER", by_place=False)
FOOTAGE = Kind("clip", "the clip to work on: a film, or a folder of frames", metavar="CLIP")
WORD = Kind("word", "a name or a file", metavar="NAME")
GALLERY = Kind(
    "gallery",
    "a folder, of which the painting is taken that suits the photo",
    metavar="FOLDER",
    by_place=False,
    chooses="painting",
)
PLACE = Kind("place", "a file or a folder, as it lies", metavar="FILE|DIR")
ALPHA = Kind("alpha", "of another input, where it has one")

Many = Sequence
"""Several files of one kind: ``Many[Painting]``."""
Photo = Annotated["Tensor", PHOTO]
"""A picture, (1, 3, H, W) sRGB in [0, 1], its transparent parts filled."""
Painting = Annotated["Tensor", PAINTING]
"""A picture to paint like, (1, 3, H, W) sRGB in [0, 1]; a sample style's name stands for one."""
Mask = Annotated["Tensor", MASK]
"""Where to work, (1, 1, H, W): 1 is white."""
Map = Annotated["Tensor", MAP]
"""Regions in flat colours, (1, 3, H, W) sRGB in [0, 1]."""
Result = Annotated["Tensor", RESULT]
"""A picture that Reverie made, (1, 3, H, W) sRGB in [0, 1]; what it was made from is found by its record."""
StyleNetwork = Annotated["Johnson", STYLE_NETWORK]
"""A custom style network."""
Folder = Annotated["Sequence[Path]", FOLDER]
"""The photos of a folder, as files."""
Footage = Annotated["Clipped", FOOTAGE]
"""A clip that can be read, frame by frame."""
Word = Annotated[str, WORD]
"""A word that the craft itself understands, such as a network's name or its file."""
Place = Annotated["Path", PLACE]
"""A file or a folder that the craft itself reads, as it needs it."""
Gallery = Annotated["Path", GALLERY]
"""A folder of paintings, of which the one that suits the photo is taken."""
Alpha = Annotated["Tensor", ALPHA]
"""The alpha, (1, 1, H, W) in [0, 1], of the input whose name stands before ``_alpha``; None where it has none."""


@dataclass(frozen=True)
class Output:
    """Kind of output that a craft makes.

    Attributes:
        name: one word.
        suffix: of its file, where the user names none.
        picture: whether it is one picture.
        of_photo: whether that picture is the photo's own: as transparent, and of as many bits.
    """

    name: str
    suffix: str
    picture: bool = False
    of_photo: bool = False


Still = Output("still", ".png", picture=True, of_photo=True)
"""A picture."""
Sheet = Output("sheet", ".png", picture=True)
"""A picture that shows others, with captions and figures."""
Document = Output("document", ".html")
"""A page that needs nothing else."""
Clip = Output("clip", "")
"""A sequence of pictures: a folder of frames, or a film."""
Film = Output("film", ".mp4")
"""A film made of a clip, of its frames and its sound; or a folder of frames."""
Weights = Output("weights", ".safetensors")
"""A network."""
Report = Output("report", "")
"""Files that the craft writes by itself, and what is to be said of them."""
