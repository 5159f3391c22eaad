"""What every recipe's settings share."""

from __future__ import annotations

from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reverie.engine import Plan, Synthesis, parse_memory, plan
from reverie.engine.precision import Precision, fastest
from reverie.errors import RecipeError, suggestion
from reverie.networks import load

S = TypeVar("S", bound="Settings")


class Settings(BaseModel):
    """Settings of a recipe: frozen, complete, and refused where they make no sense."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, populate_by_name=True)

    network: str = Field("dreamnet", description="network whose features are used; 'reverie networks' lists them")
    seed: int = Field(0, ge=0, description="of all randomness: same seed, same picture")
    precision: Precision = Field("auto", description="auto, float32 or bfloat16; auto measures what is fastest here")

    memory: str | None = Field(
        None,
        description="most memory to use, e.g. 4GB; larger pictures are cut into tiles; default: what is free",
    )
    tile: int | None = Field(
        None,
        ge=0,
        description="side of the tiles, pixels; 0: the whole picture at once; default: the largest that fits",
    )

    def plan(self, what: Synthesis) -> Plan:
        """How a run under these settings will be done."""
        memory = None if self.memory is None else parse_memory(self.memory)
        if self.tile is not None and memory is None:
            memory = 2**62  # as asked for, whatever it takes
        return plan(what, memory=memory, tile=self.tile)

    def resolved(self) -> Self:
        """The same settings with the automatic precision chosen, as a recipe to be repeated needs it."""
        if self.precision != "auto":
            return self
        return self.model_copy(update={"precision": fastest(load(self.network)).name})

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
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise RecipeError(f"there is no setting '{name}'.{suggestion(name, kind.model_fields)}") from None
        raise RecipeError(f"{name}: {first['msg'].lower()}; got {first['input']!r}.") from None
