"""The one list of crafts: what each is called, takes and does. Commands are generated from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from torch import Tensor

from reverie.engine import Synthesis
from reverie.errors import RecipeError, suggestion
from reverie.pictures import Picture, filled
from reverie.recipes.dream import Beside, DreamSettings, dreaming, noise
from reverie.recipes.instant import InstantSettings
from reverie.recipes.settings import Settings
from reverie.recipes.style import Guides, StyleSettings, painting
from reverie.recipes.texture import TextureSettings, weaving
from reverie.recipes.upscale import UpscaleSettings

NETWORK = "network"
"""The role of a style network of one's own."""
OPAQUE = "opaque"
"""The role of the first picture's alpha, (1, 1, H, W), where it has one."""

S = TypeVar("S", bound=Settings)
Inputs = Mapping[str, Sequence[Tensor]]
"""Pictures by role, each (1, 3, H, W) sRGB in [0, 1]; a role may be left out or empty."""


@dataclass(frozen=True)
class Role:
    """What a picture is for in a recipe.

    Attributes:
        name: in lower case, e.g. "photo".
        description: a short phrase, for help.
        required: whether the recipe needs one.
        many: whether it takes several.
    """

    name: str
    description: str
    required: bool = True
    many: bool = False


@dataclass(frozen=True)
class Recipe(Generic[S]):
    """A craft as the commands, a replay or a page need it.

    Attributes:
        name: what a user types.
        summary: one line.
        settings: the model of its settings.
        roles: the pictures it takes, the main one first.
        dials: names of the settings to show first.
        panels: names of others, by the heading under which they are shown.
        example: a command to try.
        declare: from pictures by role and settings to the run.
        noise: the picture it begins with in place of the first role's, (1, 3, H, W); None where it
            cannot begin with noise.
    """

    name: str
    summary: str
    settings: type[S]
    roles: tuple[Role, ...]
    dials: tuple[str, ...]
    example: str
    declare: Callable[[Inputs, S], Synthesis]
    noise: Callable[[S], Tensor] | None = None
    panels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def prepare(self, inputs: Inputs, settings: S) -> Synthesis:
        """Declare the recipe's run on pictures by role.

        Raises:
            RecipeError: a picture is missing, or there are too many of one role.

        Example:
            >>> *_, last = find("dream").prepare({"photo": [photo]}, DreamSettings(size=64, steps=2)).run()
        """
        main = self.roles[0]
        for role in self.roles:
            count = len(inputs.get(role.name, ()))
            if count > 1 and not role.many:
                raise RecipeError(f"{self.name} takes one {role.name}; got {count}.")
            if count == 0 and role.required and not (role is main and self.noise):
                raise RecipeError(f"{self.name} needs a {role.name}: {role.description}.")
        return self.declare(inputs, settings)

    def inputs(self, pictures: Mapping[str, Sequence[Picture]]) -> Inputs:
        """What the files of each role are to a network: transparent places filled, the main picture's alpha beside."""
        found = {role: [filled(p.pixels, p.alpha) for p in many] for role, many in pictures.items()}
        alpha = next((p.alpha for p in pictures.get(self.roles[0].name, ())), None)
        return found if alpha is None else {**found, OPAQUE: [alpha]}


@dataclass(frozen=True)
class OnePass:
    """A craft that is no run but one pass through a network of its own, as a batch needs it.

    Attributes:
        name, summary, settings, roles, noise: as of a `Recipe`.
        either: names of roles of which it takes exactly one.
    """

    name: str
    summary: str
    settings: type[BaseModel]
    roles: tuple[Role, ...]
    noise: None = None
    either: tuple[str, ...] = ()


def find(name: str) -> Recipe[Any]:
    """The recipe of that name.

    Raises:
        RecipeError: there is none; the message lists them.

    Example:
        >>> find("dream").settings().size
        768
    """
    if name not in CATALOGUE:
        raise RecipeError(
            f"there is no recipe '{name}'; known are {', '.join(CATALOGUE)}.{suggestion(name, CATALOGUE)}"
        )
    return CATALOGUE[name]


def _dream(inputs: Inputs, settings: DreamSettings) -> Synthesis:
    return dreaming(_only(inputs, "photo"), settings, beside=beside_of(inputs))


def beside_of(inputs: Inputs) -> Beside:
    """The pictures that a dream takes besides its photo, by role."""
    return Beside(
        guide=_only(inputs, "guide"),
        like=inputs.get("like", ()),
        avoid_like=inputs.get("avoid_like", ()),
        mask=_only(inputs, "mask"),
        region=inputs.get("region", ()),
    )


def _style(inputs: Inputs, settings: StyleSettings) -> Synthesis:
    guides = Guides(
        mask=_only(inputs, "mask"),
        photo_map=_only(inputs, "photo_map"),
        painting_maps=inputs.get("painting_map", ()),
        begin=_only(inputs, "begin"),
        opaque=_only(inputs, OPAQUE),
    )
    return painting(inputs["photo"][0], list(inputs["painting"]), settings, guides=guides)


def _texture(inputs: Inputs, settings: TextureSettings) -> Synthesis:
    return weaving(list(inputs["picture"]), settings)


def _only(inputs: Inputs, role: str) -> Tensor | None:
    return next(iter(inputs.get(role, ())), None)


CATALOGUE: Mapping[str, Recipe[Any]] = MappingProxyType(
    {
        "dream": Recipe(
            name="dream",
            summary="Dream on a photo, or from noise: it becomes what the network sees in it.",
            settings=DreamSettings,
            roles=(
                Role("photo", "the picture to dream on, or the word 'noise'"),
                Role("guide", "a picture whose features the dream takes up, each place the nearest", required=False),
                Role("like", "dream more of what these pictures share", required=False, many=True),
                Role("avoid_like", "dream less of what these pictures share", required=False, many=True),
                Role("mask", "where to dream: white; where it is black the photo stays", required=False),
                Role(
                    "region",
                    "where a wish is dreamt, a mask for each of classes, channels, layers, --like; the last goes on",
                    required=False,
                    many=True,
                ),
            ),
            dials=("class_name", "layers", "strength", "size", "keep_colours", "seamless", "seed"),
            panels={
                "Subjects": ("channels", "avoid"),
                "Octaves and steps": ("octaves", "ratio", "quality", "steps", "jitter"),
                "Zoom": ("zoom", "zoom_rate", "zoom_at", "zoom_steps"),
            },
            example="reverie dream cat.jpg --class macaw --size 1024",
            declare=_dream,
            noise=noise,
        ),
        "style": Recipe(
            name="style",
            summary="Paint a photo in the manner of one or several paintings.",
            settings=StyleSettings,
            roles=(
                Role("photo", "the picture to paint"),
                Role("painting", "a picture to paint like, or a sample style's name", many=True),
                Role("mask", "where to paint: white; where it is black the photo stays", required=False),
                Role(
                    "photo_map",
                    "regions of the photo in flat colours: one painting for each, the lightest colour first",
                    required=False,
                ),
                Role("painting_map", "regions of the one painting, in the same colours", required=False),
                Role("begin", "a picture to begin with in place of the photo", required=False),
            ),
            dials=("strength", "stroke", "size", "weights", "quality", "seamless", "seed"),
            panels={
                "Colour": ("colour", "colour_amount"),
                "Regions": ("auto_regions", "region_strengths", "region_strokes"),
            },
            example="reverie style cat.jpg night-strokes mosaic --weights 2,1 -o painted.png",
            declare=_style,
        ),
        "texture": Recipe(
            name="texture",
            summary="Weave a texture like a picture, from noise, on request seamless.",
            settings=TextureSettings,
            roles=(Role("picture", "a picture to weave like, or a sample style's name; several are mixed", many=True),),
            dials=("size", "scale", "seamless", "weights", "quality", "seed"),
            panels={"Colour": ("colour", "colour_amount")},
            example="reverie texture mosaic --size 1024 --seamless -o tile.png",
            declare=_texture,
        ),
    }
)

ONE_PASS: Mapping[str, OnePass] = MappingProxyType(
    {
        "upscale": OnePass(
            name="upscale",
            summary="Enlarge a picture twice, three or four times, its edges crisp.",
            settings=UpscaleSettings,
            roles=(Role("photo", "the picture to enlarge"),),
        ),
        "instant": OnePass(
            name="instant",
            summary="Paint a photo in the manner of any painting at once.",
            settings=InstantSettings,
            roles=(
                Role("photo", "the picture to paint"),
                Role("painting", "a picture to paint like, or a sample style's name", required=False, many=True),
                Role("mask", "where to paint: white; where it is black the photo stays", required=False),
                Role(NETWORK, "instead of paintings: a style network of your own, a file or its name", required=False),
            ),
            either=("painting", NETWORK),
        ),
    }
)
"""What batches make besides the catalogue's runs."""
