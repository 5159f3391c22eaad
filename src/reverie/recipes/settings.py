"""What every recipe's settings share."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from reverie.engine import Plan, Synthesis, parse_memory, plan
from reverie.engine.needs import PIXEL
from reverie.engine.plan import BOUNDLESS
from reverie.engine.precision import Precision, fastest
from reverie.errors import RecipeError, suggestion
from reverie.networks import Network, load
from reverie.pictures import ColourMode

Quality = Literal["draft", "normal", "fine"]
QUALITY: Mapping[Quality, float] = MappingProxyType({"draft": 0.4, "normal": 1.0, "fine": 2.5})
"""Steps, as multiples of the usual number."""

S = TypeVar("S", bound=BaseModel)


def _readable(amount: str | None) -> str | None:
    if amount is not None:
        parse_memory(amount)
    return amount


def listed(value: Any) -> Any:
    """One value as a list of one, a text as what its commas part."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, int | float):
        return (value,)
    return () if value is None else value


Words = Annotated[tuple[str, ...], BeforeValidator(listed)]
Numbers = Annotated[tuple[float, ...], BeforeValidator(listed)]
Memory = Annotated[str | None, AfterValidator(_readable)]
_WHOSE = "whose colours: painting, photo, mean or histogram (the photo's range), palette (the paintings' main colours)"
WhoseColours = Annotated[ColourMode, Field(alias="color", description=_WHOSE)]
ColourAmount = Annotated[float, Field(ge=0, le=1, alias="color_amount", description="how far the colours are changed")]


class Settings(BaseModel):
    """Settings of a recipe: frozen, complete, and refused where they make no sense."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, populate_by_name=True)

    network: str = Field("dreamnet", description="network whose features are used; 'reverie networks' lists them")
    seed: int = Field(0, ge=0, description="of all randomness: same seed, same picture")
    precision: Precision = Field("auto", description="auto, float32 or bfloat16; auto measures what is fastest here")
    upscale: int = Field(
        1, ge=1, le=4, description="enlarge the finished picture so many times, as 'reverie upscale' does"
    )

    memory: Memory = Field(
        None,
        description="most memory to use, e.g. 4GB; larger pictures are cut into tiles; default: what is free",
    )
    tile: int | None = Field(
        None,
        ge=0,
        description="side of the tiles, pixels; 0: the whole picture at once; default: the largest that fits",
    )

    @property
    def longer(self) -> int | None:
        """Pixels of the finished picture's longer side, where that is known."""
        size: int | None = getattr(self, "size", None)
        return size and size * self.upscale

    @property
    def kept(self) -> int:
        """Pictures of the run's size that are kept besides the run."""
        return 0

    def plan(self, what: Synthesis) -> Plan:
        """How a run under these settings will be done."""
        memory = None if self.memory is None else parse_memory(self.memory)
        if self.tile is not None and memory is None:
            memory = BOUNDLESS  # as asked for, whatever it takes
        last = max(stage.size[0] * stage.size[1] for stage in what.stages)
        return plan(what, memory=memory, tile=self.tile, held=PIXEL * last * self.kept)

    def resolved(self) -> Self:
        """The same settings with the automatic precision chosen, as a recipe to be repeated needs it."""
        if self.precision != "auto":
            return self
        memory = None if self.memory is None else parse_memory(self.memory)
        return self.model_copy(update={"precision": fastest(load(self.network), memory=memory).name})

    def planned(self, chosen: Plan) -> Self:
        """The same settings with the plan's tile: tiles change the rounding of sums."""
        return self.model_copy(update={"tile": chosen.tile, "memory": None})


def checked(kind: type[S], values: dict[str, object]) -> S:
    """Settings from plain values.

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


def even(size: tuple[int, int], network: Network) -> tuple[int, int]:
    """The size in whole strides of the network, so that what rolls round an edge meets the same phase."""
    step = max(map(network.stride, network.layers))
    return max(1, round(size[0] / step)) * step, max(1, round(size[1] / step)) * step
