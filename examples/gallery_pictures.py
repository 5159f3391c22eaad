"""What the gallery shows: for each control a picture, one sentence, and the commands that make it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from reverie.pictures import Picture, contact_sheet, fit, resize, size_of, tile_preview

Show = Callable[[Sequence[Picture], Sequence[str]], Tensor]


def alone(made: Sequence[Picture], captions: Sequence[str]) -> Tensor:
    """One picture as it is."""
    return made[0].pixels


def grid(made: Sequence[Picture], captions: Sequence[str], *, columns: int = 3, width: int = 900) -> Tensor:
    """Several pictures in columns, with captions."""
    return contact_sheet([p.pixels for p in made], columns=columns, captions=list(captions) or None, width=width)


def tiled(made: Sequence[Picture], captions: Sequence[str]) -> Tensor:
    """One picture twice each way, where seams would show."""
    preview = tile_preview(made[0].pixels)
    return resize(preview, fit(size_of(preview), longer=576)).clamp(0, 1)


def on_checks(made: Sequence[Picture], captions: Sequence[str]) -> Tensor:
    """A picture with transparent places, on a light chequerboard."""
    pixels, alpha = made[0].pixels, made[0].alpha
    rows, columns = (torch.arange(length) // 16 for length in size_of(pixels))
    checks = 0.85 + 0.1 * ((rows[:, None] + columns) % 2).float().expand_as(pixels)
    return checks if alpha is None else pixels * alpha + checks * (1 - alpha)


def strip(made: Sequence[Picture], captions: Sequence[str], *, count: int = 5) -> Tensor:
    """So many of the pictures in one row, spread evenly from the first to the last."""
    spread = [round(i * (len(made) - 1) / (count - 1)) for i in range(count)]
    return grid([made[i] for i in spread], list(captions) or [str(i) for i in spread], columns=count, width=1000)


@dataclass(frozen=True)
class Entry:
    """A picture of the gallery.

    Attributes:
        craft: its section.
        name: of its file.
        title: what is controlled.
        says: one sentence.
        commands: what a user types; the first name after ``-o`` is what each makes.
        captions: of what is shown, where that is several pictures.
        show: how they become one.
        photo: shown before what the commands make.
    """

    craft: str
    name: str
    title: str
    says: str
    commands: tuple[str, ...]
    captions: tuple[str, ...] = ()
    show: Show = alone
    photo: str = ""


CAT, COFFEE, ASTRONAUT, ROCKET = (f"photos/{name}.jpg" for name in ("cat", "coffee", "astronaut", "rocket"))


def each(before: str, values: Sequence[str], after: str = "") -> tuple[str, ...]:
    """A command for each value; files are numbered."""
    return tuple(f"{before} {value}{after} -o {i}.png" for i, value in enumerate(values, 1))


PAINTING = [
    Entry(
        "Painting", "default", "As it comes",
        "A photo painted in the manner of a painting, with nothing set.",
        (f"reverie style {CAT} night-strokes --size 512 -o default.png",),
    ),
    Entry(
        "Painting", "likeness", "--likeness",
        "From the painting's world to the sitter's: how much of the photo's forms is kept, faces first.",
        each(f"reverie style {ASTRONAUT} night-strokes --size 320 --likeness", ["0", "0.5", "1"]),
        ("0", "0.5, as it comes", "1"),
        grid,
    ),
    Entry(
        "Painting", "motifs", "--motifs",
        "Forms of the painting that are larger than a stroke: kept out, let in, invited.",
        each(f"reverie style {ROCKET} night-strokes --size 320 --motifs", ["0", "1", "2"]),
        ("0", "1, as it comes", "2"),
        grid,
    ),
    Entry(
        "Painting", "loss", "--loss",
        "How features are compared: moments (wasserstein), Gram matrices, sliced distributions, histograms, nearest"
        " neighbours.",
        each(
            f"reverie style {COFFEE} watercolour --size 256 --start photo --loss",
            ["wasserstein", "gram", "sliced", "histogram", "neighbours"],
        ),
        ("the photo", "wasserstein", "gram", "sliced", "histogram", "neighbours"),
        grid,
        photo=COFFEE,
    ),
    Entry(
        "Painting", "structure", "--structure",
        "Only which places are alike is kept of the photo, not its features: forms break up and move freely.",
        (
            f"reverie style {ASTRONAUT} facets --size 320 -o without.png",
            f"reverie style {ASTRONAUT} facets --structure --size 320 -o with.png",
        ),
        ("as it comes", "--structure"),
        partial(grid, columns=2),
    ),
    Entry(
        "Painting", "weights", "Several paintings",
        "Two paintings mixed two to one.",
        (f"reverie style {ASTRONAUT} palette-knife stained-glass --weights 2,1 --size 448 -o weights.png",),
    ),
    Entry(
        "Painting", "maps", "--photo-map, --painting-map",
        "Cup and fish have the same colour on their maps, table and water the other: each is laid in the other's"
        " tiles.",
        (
            f"reverie style {COFFEE} mosaic --photo-map maps/cup.png --painting-map maps/fish.png --size 512"
            " --strength 2 -o maps.png",
        ),
    ),
    Entry(
        "Painting", "paintings-by-region", "A painting for each region",
        "She, the lighter colour of the map, is painted like the first painting, all behind her like the second.",
        (
            f"reverie style {ASTRONAUT} palette-knife night-strokes --photo-map maps/astronaut.png --size 448"
            " -o regions.png",
        ),
    ),
    Entry(
        "Painting", "auto-regions", "--auto-regions",
        "Three kinds of places are found in both pictures, and each is painted like its own.",
        (f"reverie style {ROCKET} night-strokes --auto-regions 3 --size 512 -o found.png",),
    ),
    Entry(
        "Painting", "region-dials", "--region-strengths, --region-strokes",
        "One painting: she lightly in small panes, all behind her strongly in large ones.",
        (
            f"reverie style {ASTRONAUT} stained-glass --photo-map maps/astronaut.png --region-strengths 0.3,2"
            " --region-strokes 0.5,2 --size 448 -o dials.png",
        ),
    ),
    Entry(
        "Painting", "mask", "--mask",
        "Only the sky is painted; where the mask is black, the photo stays.",
        (f"reverie style {ROCKET} night-strokes --mask maps/sky.png --strength 2 --size 512 -o sky.png",),
    ),
    Entry(
        "Painting", "colour", "--colour",
        "Whose colours: the painting's, each place's in the photo, the photo's mean or whole range, the painting's"
        " main ones.",
        each(
            f"reverie style {COFFEE} night-strokes --size 256 --colour",
            ["painting", "photo", "mean", "histogram", "palette"],
        ),
        ("the photo", "painting", "photo", "mean", "histogram", "palette"),
        grid,
        photo=COFFEE,
    ),
    Entry(
        "Painting", "colour-amount", "--colour-amount",
        "The photo's colours by a third, by two thirds, wholly.",
        each(f"reverie style {CAT} night-strokes --size 256 --colour photo --colour-amount", ["0.3", "0.7", "1"]),
        ("0.3", "0.7", "1"),
        grid,
    ),
    Entry(
        "Painting", "strength", "--strength",
        "From a hint to hardly the photo any more.",
        each(f"reverie style {CAT} woodcut-wave --size 256 --strength", ["0.1", "1", "10"]),
        ("0.1", "1", "10"),
        grid,
    ),
    Entry(
        "Painting", "stroke", "--stroke",
        "The size of the strokes against the painting's own.",
        each(f"reverie style {ASTRONAUT} stained-glass --size 256 --stroke", ["0.5", "1", "2"]),
        ("0.5", "1", "2"),
        grid,
    ),
    Entry(
        "Painting", "start", "--start",
        "Begun with what instant paints, with the photo, with grey noise, with noise in the painting's colours.",
        each(f"reverie style {CAT} marbled-paper --size 320 --start", ["instant", "photo", "noise", "colours"]),
        ("instant", "photo", "noise", "colours"),
        partial(grid, columns=2, width=800),
    ),
    Entry(
        "Painting", "seamless", "--seamless",
        "A tile, shown two by two: it joins itself without an edge.",
        (f"reverie style {COFFEE} watercolour --seamless --strength 3 --size 320 -o tile.png",),
        (), tiled,
    ),
    Entry(
        "Painting", "transparency", "Transparency",
        "A cut-out stays one: its clear places are neither painted nor looked at.",
        ("reverie style maps/cut-out.png stained-glass --size 512 -o cut-out.png",),
        (), on_checks,
    ),
    Entry(
        "Painting", "remix", "Remix",
        "What is painted once is mixed anew with its photo, from 0 to beyond 1, without being computed again.",
        (
            f"reverie style {ASTRONAUT} pointillist --size 320 -o painted.png",
            *each("reverie remix painted.png --inputs photos --strength", ["0", "0.4", "0.7", "1", "1.4"]),
        ),
        ("0", "0.4", "0.7", "1", "1.4"),
        lambda made, captions: strip(made[1:], captions),
    ),
]  # fmt: skip

TEXTURE = [
    Entry(
        "Texture", "texture", "As it comes",
        "A surface that goes on like the one in a picture, from noise alone.",
        ("reverie texture facets --size 384 -o texture.png",),
    ),
    Entry(
        "Texture", "texture-seamless", "--seamless",
        "A tile, shown two by two.",
        ("reverie texture marbled-paper --seamless --scale 0.7 --size 256 -o tile.png",),
        (), tiled,
    ),
]  # fmt: skip

DREAM = [
    Entry(
        "Dream", "dream", "As it comes",
        "Each place of the photo becomes what it looks like.",
        (f"reverie dream {CAT} --size 448 -o cat.png", f"reverie dream {ROCKET} --size 448 -o rocket.png"),
        ("a cat", "a rocket"),
        partial(grid, columns=2),
    ),
    Entry(
        "Dream", "variety", "--variety",
        "0 is what the layers see everywhere, more lets each place become something of its own; another seed, another"
        " dream.",
        (
            *each(f"reverie dream {CAT} --size 256 --variety", ["0", "0.5", "1"]),
            f"reverie dream {CAT} --size 256 --variety 1 --seed 1 -o 4.png",
        ),
        ("0", "0.5", "1", "1, --seed 1"),
        partial(grid, columns=2, width=700),
    ),
    Entry(
        "Dream", "layers", "--layers",
        "Shallow layers dream of strokes, deeper ones of parts, the deepest of beings.",
        each(f"reverie dream {COFFEE} --size 256 --layers", ["relu3_2", "relu4_2", "relu5_3"]),
        ("relu3_2", "relu4_2", "relu5_3"),
        grid,
    ),
    Entry(
        "Dream", "class", "--class",
        "Dreamt of a castle.",
        (f"reverie dream {ROCKET} --class castle --size 512 -o castle.png",),
    ),
    Entry(
        "Dream", "classes", "Several classes",
        "From noise: macaws twice as much as daisies.",
        ("reverie dream noise --class macaw:2,daisy --size 448 -o classes.png",),
    ),
    Entry(
        "Dream", "channels", "--channels",
        "One channel, another, and the direction of both.",
        each("reverie dream noise --size 256 --channels", ["relu5_2:200", "relu5_2:233", "relu5_2:200+233"]),
        ("200", "233", "200+233"),
        grid,
    ),
    Entry(
        "Dream", "like", "--like",
        "More of what a picture is made of.",
        (f"reverie dream {CAT} --like {COFFEE} --strength 0.6 --size 512 -o like.png",),
    ),
    Entry(
        "Dream", "avoid", "--avoid",
        "The same dream, and the same kept away from dogs.",
        (
            f"reverie dream {CAT} --size 384 -o free.png",
            f"reverie dream {CAT} --avoid dogs:2 --size 384 -o avoiding.png",
        ),
        ("free", "--avoid dogs:2"),
        partial(grid, columns=2),
    ),
    Entry(
        "Dream", "guide", "--guide",
        "Each place takes up what is nearest to it in another picture.",
        (f"reverie dream {COFFEE} --guide {CAT} --size 512 -o guided.png",),
    ),
    Entry(
        "Dream", "dream-mask", "--mask",
        "The dream stays behind her.",
        (f"reverie dream {ASTRONAUT} --mask maps/behind-the-astronaut.png --strength 1.5 --size 448 -o behind.png",),
    ),
    Entry(
        "Dream", "regions", "--region",
        "Each wish in its own place: goldfish in the cup, daisies around it.",
        (
            f"reverie dream {COFFEE} --class goldfish,daisy --region maps/in-the-cup.png --region maps/on-the-table.png"
            " --octaves 6 --strength 1.5 --size 512 -o places.png",
        ),
    ),
    Entry(
        "Dream", "keep-colours", "--keep-colours",
        "The dream as it comes, and its forms in the photo's colours.",
        each(f"reverie dream {COFFEE} --class daisy --size 320 --keep-colours", ["0", "1"]),
        ("0", "1"),
        partial(grid, columns=2),
    ),
    Entry(
        "Dream", "lists", "Lists by octave",
        "Large forms of the deepest layer, finished with fine ornament: layers and strengths, coarse to fine.",
        (
            f"reverie dream {COFFEE} --layers relu5_3/relu5_2/relu4_2/relu3_2 --strength 2,1.5,1,0.5"
            " --size 512 -o lists.png",
        ),
    ),
    Entry(
        "Dream", "leak", "--leak",
        "Gradient let through units that are off: a channel that is silent wakes.",
        each("reverie dream noise --channels relu5_2:20 --size 256 --leak", ["0", "0.02", "0.15"]),
        ("0", "0.02", "0.15"),
        grid,
    ),
    Entry(
        "Dream", "dream-seamless", "--seamless",
        "A tile from noise, shown two by two.",
        ("reverie dream noise --class daisy --seamless --size 320 -o tile.png",),
        (), tiled,
    ),
    Entry(
        "Dream", "zoom", "reverie zoom",
        "Frames of a flight into the dream.",
        (f"reverie zoom {COFFEE} --frames 25 --rate 1.08 --at 0.48,0.3 --size 256 -o zoom",),
        (), strip,
    ),
]  # fmt: skip

AT_ONCE = [
    Entry(
        "At once", "instant", "reverie instant",
        "One pass of a network for any painting, a tenth of a second each.",
        tuple(
            f"reverie instant {photo} {name} --size 384 -o {i}.png"
            for i, photo, name in [
                (1, CAT, "night-strokes"),
                (2, ASTRONAUT, "woodcut-wave"),
                (3, COFFEE, "stained-glass"),
                (4, ROCKET, "ink-wash"),
            ]
        ),
        ("night-strokes", "woodcut-wave", "stained-glass", "ink-wash"),
        partial(grid, columns=2, width=800),
    ),
    Entry(
        "At once", "instant-strength", "--strength",
        "A little of the painting, half, and all.",
        each(f"reverie instant {COFFEE} palette-knife --size 320 --strength", ["0.2", "0.5", "1"]),
        ("0.2", "0.5", "1"),
        grid,
    ),
]  # fmt: skip

GALLERY = [*PAINTING, *AT_ONCE, *TEXTURE, *DREAM]
