"""The one list of crafts: what each is called, takes and does. Commands are generated from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from torch import Tensor

from reverie.engine import Synthesis
from reverie.errors import RecipeError, suggestion
from reverie.recipes.dream import DreamSettings, dreaming, noise
from reverie.recipes.settings import Settings
from reverie.recipes.style import StyleSettings, painting

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

    def prepare(self, inputs: Inputs, settings: S) -> Synthesis:
        """Declare the recipe's run on pictures by role.

        Raises:
            RecipeError: a picture is missing, or there are too many of one role.

        Example:
            >>> *_, last = find("dream").prepare({"photo": [photo]}, DreamSettings(size=512)).run()
        """
        main = self.roles[0]
        for role in self.roles:
            count = len(inputs.get(role.name, ()))
            if count > 1 and not role.many:
                raise RecipeError(f"{self.name} takes one {role.name}; got {count}.")
            if count == 0 and role.required and not (role is main and self.noise):
                raise RecipeError(f"{self.name} needs a {role.name}: {role.description}.")
        return self.declare(inputs, settings)


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
    return dreaming(_only(inputs, "photo"), settings, like=_only(inputs, "guide"))


def _style(inputs: Inputs, settings: StyleSettings) -> Synthesis:
    return painting(inputs["photo"][0], list(inputs["painting"]), settings)


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
                Role("guide", "a picture whose features the dream takes up", required=False),
            ),
            dials=("layers", "class_name", "size", "octaves", "steps", "strength", "seed"),
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
            ),
            dials=("weights", "size", "strength", "stroke", "seed"),
            example="reverie style cat.jpg night-strokes mosaic --weights 2,1 -o painted.png",
            declare=_style,
        ),
    }
)
