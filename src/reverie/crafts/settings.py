"""Reusable groups of settings that crafts inherit from; importing them loads nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
)

from reverie.choices import DEVICES, ColourMode, Precision
from reverie.errors import RecipeError, shortened, suggestion
from reverie.untrusted import refusing

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

    from reverie.networks import Network

Quality = Literal["draft", "normal", "fine"]
QUALITY: Mapping[Quality, float] = MappingProxyType({"draft": 0.4, "normal": 1.0, "fine": 2.5})
"""Multipliers of the usual number of steps."""
MOST_SEEDS = 2**63 - 1
"""Largest seed; generators allow twice as much, since each frame of a sequence adds 1 to it."""

S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True)
class Panel:
    """Heading of a group of settings in help and forms; settings without one are listed as finer settings."""

    title: str

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Add the heading to the setting's JSON schema, as ``"panel"``, for forms."""
        return {**handler(schema), "panel": self.title}


@dataclass(frozen=True)
class Positional:
    """Mark of a setting that a command takes by its place, not as an option; there it must be given.

    Attributes:
        metavar: stands for it in help.
    """

    metavar: str


DIAL, MACHINE = Panel("Dials"), Panel("Machine")
"""Settings shown first, and settings that change no more than rounding."""


def _readable(amount: str | None) -> str | None:
    if amount is not None:
        from reverie.engine.memory import parse_memory

        parse_memory(amount)
    return amount


def listed(value: Any) -> Any:
    """Turn a single value into a tuple, and split a text at its commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, int | float):
        return (value,)
    return () if value is None else value


Words = Annotated[tuple[str, ...], BeforeValidator(listed)]
Numbers = Annotated[tuple[float, ...], BeforeValidator(listed)]
Memory = Annotated[str | None, AfterValidator(_readable)]
_WHOSE = "whose colours: painting, photo, mean or histogram (the photo's range), palette (the paintings' main colours)"


class Settings(BaseModel):
    """Base class of a craft's settings: frozen, complete and validated."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, populate_by_name=True)


class SeedSettings(Settings):
    """Settings of crafts that use randomness."""

    seed: Annotated[int, DIAL] = Field(
        default=0, ge=0, le=MOST_SEEDS, description="seed of all randomness: same seed, same picture"
    )


class DeviceSettings(Settings):
    """Settings of crafts that run a network."""

    device: Annotated[str, MACHINE] = Field(
        default="auto",
        pattern=f"^{DEVICES}$",
        description="auto, cpu, cuda, cuda:1, mps or xpu; auto takes what is fastest for the size",
    )
    deterministic: Annotated[bool, MACHINE] = Field(
        default=False, description="same seed, same bits on an accelerator, too, which then is slower"
    )
    device_memory: Annotated[Memory, MACHINE] = Field(
        default=None, description="most memory of an accelerator to use, e.g. 8GB; default: what is free"
    )


class PrecisionSettings(DeviceSettings):
    """Settings of crafts that run a network in the precision that suits the machine."""

    precision: Annotated[Precision, MACHINE] = Field(
        default="auto",
        description="auto, float32, bfloat16, or on accelerators float16 or tf32; auto measures what is fastest",
    )


class RunSettings(SeedSettings, PrecisionSettings):
    """Settings of crafts that read a network's features."""

    network: str = Field(
        default="dreamnet", description="network whose features are used; 'reverie networks' lists them"
    )


class TileSettings(Settings):
    """Settings of crafts that work in tiles where the whole does not fit into memory."""

    memory: Annotated[Memory, MACHINE] = Field(
        default=None,
        description="most memory to use, e.g. 4GB; larger pictures are cut into tiles; default: what is free",
    )
    tile: Annotated[int | None, MACHINE] = Field(
        default=None,
        ge=0,
        description="side of the tiles, pixels; 0: the whole picture at once; default: the largest that fits",
    )


class UpscaleFragment(Settings):
    """Settings of crafts whose result may be enlarged at the end."""

    upscale: int = Field(default=1, ge=1, le=4, description="enlarge the finished picture so many times")


class ColourSettings(Settings):
    """Settings of crafts that transfer colours."""

    colour: Annotated[ColourMode, Panel("Colour")] = Field(default="painting", alias="color", description=_WHOSE)
    colour_amount: Annotated[float, Panel("Colour")] = Field(
        default=1.0, ge=0, le=1, alias="color_amount", description="how far the colours are changed"
    )


class LikenessSettings(Settings):
    """Settings of crafts that paint a photo like a painting."""

    likeness: Annotated[float, DIAL] = Field(
        default=0.5,
        ge=0,
        le=1,
        description="how much of the photo's forms is kept, faces first: 0 is the painting's world, 1 the sitter's",
    )
    motifs: Annotated[int, DIAL] = Field(
        default=1,
        ge=0,
        le=2,
        description="the painting's forms larger than a stroke: 0 keeps them out, 1 lets some in, 2 invites them",
    )


def longer_side(settings: BaseModel, *, enlarged: bool = True) -> int | None:
    """Longer side in pixels, if the settings give it, of the finished picture or of that before enlarging."""
    size: int | None = getattr(settings, "size", None)
    return size and size * (int(getattr(settings, "upscale", 1)) if enlarged else 1)


def checked(kind: type[S], values: dict[str, object]) -> S:
    """Validate plain values as settings.

    Raises:
        RecipeError: one line naming the first value that is wrong, and what it may be.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in (*first["loc"][:1], *(i for i in first["loc"][1:] if isinstance(i, int))))
        if first["type"] == "extra_forbidden":
            raise RecipeError(f"there is no setting '{name}'.{suggestion(name, kind.model_fields)}") from None
        ours = first.get("ctx", {}).get("error")
        if isinstance(ours, RecipeError):
            raise RecipeError(str(ours)) from None
        raise RecipeError(f"{name}: {first['msg'].lower()}; got {first['input']!r}.") from None


def validated(kind: type[S], values: object, what: str) -> S:
    """Validate untrusted plain values as a model, with errors in our own words.

    Args:
        kind: the model.
        values: plain, of any kind.
        what: the refusal's beginning, e.g. "the recipe is damaged".

    Raises:
        RecipeError: one line naming the first value that is wrong.
    """
    with refusing(RecipeError, f"{what}."):
        try:
            return kind.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "all of it"
            raise RecipeError(f"{what}: {shortened(where, 60)}: {shortened(first['msg'].lower(), 150)}.") from error


def even(size: tuple[int, int], network: Network) -> tuple[int, int]:
    """Round a size to whole strides of the network, so that features wrapped round an edge keep their phase."""
    step = max(map(network.stride, network.layers))
    return max(1, round(size[0] / step)) * step, max(1, round(size[1] / step)) * step
