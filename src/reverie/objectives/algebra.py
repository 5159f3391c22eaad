"""Objectives: frozen declarations that add, subtract and scale, and compute nothing until they are bound."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from reverie.errors import RecipeError
from reverie.objectives.places import Size
from reverie.objectives.statistics import Measure, Statistic

if TYPE_CHECKING:
    from reverie.networks import Network

Value = Callable[[Mapping[Statistic, Tensor]], Tensor]
Binding = tuple[tuple[Statistic, ...], Value]


class Objective(ABC):
    """A weighted sum of terms. The engine minimises it; a minus sign at the call site maximises.

    Example:
        >>> from reverie.objectives import channel, total_variation
        >>> str(2 * total_variation() - channel("relu4_2", 7))
        '2 * total_variation() - channel(relu4_2, 7)'
    """

    @property
    @abstractmethod
    def parts(self) -> tuple[tuple[float, Term], ...]:
        """The terms with their weights."""

    def __add__(self, other: object) -> Objective:
        if isinstance(other, Objective):
            return Sum(self.parts + other.parts)
        begins = isinstance(other, int | float) and other == 0  # sum() begins with 0
        return self if begins else NotImplemented

    __radd__ = __add__

    def __mul__(self, weight: object) -> Objective:
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            return NotImplemented
        if not math.isfinite(weight):
            raise RecipeError(f"a weight is a finite number; got {weight}.")
        return Sum(tuple((weight * w, term) for w, term in self.parts))

    __rmul__ = __mul__

    def __neg__(self) -> Objective:
        return self * -1

    def __sub__(self, other: object) -> Objective:
        return self + -other if isinstance(other, Objective) else NotImplemented

    def __truediv__(self, divisor: float) -> Objective:
        if divisor == 0:
            raise RecipeError("an objective cannot be divided by 0.")
        return self * (1 / divisor)

    def __init_subclass__(cls) -> None:
        """Show declarations as they are written, not as the tensors in them; dataclasses keep what they find."""
        super().__init_subclass__()
        if "__repr__" not in vars(cls):
            cls.__repr__ = Objective.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        text = ""
        for weight, term in self.parts:
            size = "" if abs(weight) == 1 else f"{abs(weight):g} * "
            sign = " - " if weight < 0 else " + "
            text += f"{sign if text or weight < 0 else ''}{size}{term}"
        return text.strip() or "0"

    def bind(self, network: Network, size: tuple[int, int], measure: Measure) -> Bound:
        """Compute the targets for pictures of one size.

        Args:
            network: whose layers the terms name.
            size: (H, W) of the pictures to come, pixels.
            measure: takes statistics of a reference picture (the executor's, so large references are tiled too).
        Returns:
            A pure function of statistics.
        Raises:
            LayerNotFound: a term names a layer that the network lacks.
        """
        bound = [(w, term, *term.prepare(network, size, measure)) for w, term in self.parts if w != 0]
        names = _distinct([term.name for _, term, *_ in bound])
        wanted = tuple(dict.fromkeys(s for _, _, statistics, _ in bound for s in statistics))
        values = tuple((name, w, value) for name, (w, _, _, value) in zip(names, bound, strict=True))
        return Bound(wanted, values, all(term.linear for _, term, *_ in bound), size)


@dataclass(frozen=True)
class Sum(Objective):
    """Several terms with weights."""

    weighted: tuple[tuple[float, Term], ...]

    @property
    def parts(self) -> tuple[tuple[float, Term], ...]:
        return self.weighted

    def __str__(self) -> str:
        return super().__str__()


ZERO: Objective = Sum(())
"""Nothing asked for: where a typed sum begins, `sum(terms, start=ZERO)`."""


class Term(Objective):
    """One term of an objective: the statistics it reads and its natural value.

    Attributes:
        name: what losses are reported under.
        linear: whether the value is linear in the statistics; its gradient is then known before they are measured,
            which may save a pass over tiles. False, unless a term says otherwise.
    """

    name: str
    linear: ClassVar[bool] = False

    @property
    def parts(self) -> tuple[tuple[float, Term], ...]:
        return ((1.0, self),)

    @abstractmethod
    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        """Return the statistics this term needs, and its value as a function of them."""

    def __str__(self) -> str:
        return f"{self.name.replace(' ', '_')}()"


@dataclass(frozen=True)
class Bound:
    """An objective with its targets: a pure function of a picture's statistics.

    Attributes:
        statistics: what an executor must measure, each once however many terms read it.
        values: (name, weight, function of the statistics) of each term.
        linear: whether the total is linear in the statistics.
        size: (H, W) of the pictures it was bound for.
    """

    statistics: tuple[Statistic, ...]
    values: tuple[tuple[str, float, Value], ...]
    linear: bool = False
    size: Size | None = None

    def __call__(self, measured: Mapping[Statistic, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted total and each term's natural value, scalars averaged over the batch.

        Raises:
            RecipeError: a term's value is not one number.
        """
        values = {name: _number(name, value(measured)) for name, _, value in self.values}
        total = sum((w * values[name] for name, w, _ in self.values), start=_zero(measured))
        return total, values

    def gradients(self, like: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
        """Return the gradient of a linear objective in statistics of these shapes: the same at every value.

        Raises:
            RecipeError: a term that declares itself linear is not.
        """
        there = [torch.arange(1, 1 + x.numel(), dtype=x.dtype, device=x.device).view_as(x).sqrt() for x in like]
        found, other = self._gradients_at([torch.zeros_like(x) for x in like]), self._gradients_at(there)
        if not all(_alike(a, b) for a, b in zip(found, other, strict=True)):
            names = ", ".join(name for name, *_ in self.values)
            raise RecipeError(f"a term is not linear in its statistics though it says so, of {names}: linear=False.")
        return found

    def _gradients_at(self, values: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
        """Return the total's gradient at these values of the statistics."""
        with torch.enable_grad():
            at = [x.requires_grad_(True) for x in values]
            total, _ = self(dict(zip(self.statistics, at, strict=True)))
            return torch.autograd.grad(total, at, allow_unused=True)

    def __repr__(self) -> str:
        return f"Bound({', '.join(name for name, *_ in self.values)})"


def _alike(a: Tensor | None, b: Tensor | None) -> bool:
    if a is None or b is None:
        return a is b
    return bool(torch.isclose(a, b, rtol=1e-3, atol=1e-30, equal_nan=True).all())


def _number(name: str, value: object) -> Tensor:
    if not isinstance(value, Tensor) or value.dim():
        came = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise RecipeError(f"the value of a term is one number, averaged over the batch; '{name}' gave {came}: .mean().")
    return value


def _zero(measured: Mapping[Statistic, Tensor]) -> Tensor:
    first = next(iter(measured.values()), None)
    if first is None:
        raise RecipeError("an objective needs at least one term whose weight is not zero.")
    return first.new_zeros(())


def _distinct(names: list[str]) -> list[str]:
    """Number the names that occur more than once: style, style 2, ..."""
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return out
