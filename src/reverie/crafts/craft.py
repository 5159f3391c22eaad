"""Declare a craft once: its input files, its settings, its output, and the function that does the work.

Commands, batches, records, presets and forms are derived from the declaration.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar, overload

from reverie.crafts.annotations import Names, is_many, metadata
from reverie.crafts.kinds import ALPHA, FOLDER, RESULT, Kind, Output, Report
from reverie.crafts.settings import Settings, checked
from reverie.errors import RecipeError

if TYPE_CHECKING:
    from torch import Tensor

    from reverie.engine import Iterate, OnePass, Run, Synthesis

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", covariant=True)
SETTINGS = "settings"
"""The parameter that takes the settings."""


@dataclass(frozen=True)
class Input:
    """An input of a craft: one file or several.

    Attributes:
        name: of the parameter, e.g. "photo".
        kind: what the file is.
        description: a short phrase, for help.
        required: whether there must be one.
        many: whether there may be several.
    """

    name: str
    kind: Kind
    description: str
    required: bool
    many: bool

    @property
    def flag(self) -> str:
        """Its command-line option: ``--avoid-like``."""
        return f"--{self.name.replace('_', '-')}"


@dataclass(frozen=True, eq=False)
class Craft(Generic[P, R]):
    """A craft; calling it works on tensors, as in a library.

    Attributes:
        name: what a user types, e.g. "dream" or "train style".
        summary: one line.
        example: a command to try.
        makes: what comes out.
        function: from inputs and settings to a `Synthesis` and its like, or at once to a picture.
        noise: the picture it begins with where there is no first input, from the settings; None where it needs one.
        either: names of inputs of which it takes exactly one.
        inherits: settings that a `Result` brings along where the user leaves them out.
        label: what a result's name says of the settings; by default the craft's name.

    Example:
        >>> *_, last = rv.recipes.dream(photo, rv.DreamSettings(size=64))
    """

    name: str
    summary: str
    example: str
    makes: Output
    function: Callable[..., Any]
    noise: Callable[[Any], Tensor] | None = None
    either: tuple[str, ...] = ()
    inherits: tuple[str, ...] = ()
    label: Callable[[Any], str] | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the craft: an iterator over its steps, or its result where there is only one pass."""
        from reverie.engine.runs import outcome

        made: R = outcome(self.function(*args, **kwargs), self._settings_in(args, kwargs))
        return made

    def __repr__(self) -> str:
        return f"<craft {self.name}: {self.summary}>"

    @cached_property
    def settings(self) -> type[Settings]:
        """The pydantic model of its settings."""
        kind = self._annotations.get(SETTINGS)
        if not (inspect.isclass(kind) and issubclass(kind, Settings)):
            raise TypeError(f"the craft '{self.name}' takes a parameter 'settings' of a class made from rv.Settings")
        return kind

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """Its input files, the main one first."""
        return tuple(each for each in self._files if each.kind is not ALPHA)

    @cached_property
    def alphas(self) -> Mapping[str, str]:
        """Map each alpha parameter to the input it belongs to."""
        return {each.name: each.name.removesuffix("_alpha") for each in self._files if each.kind is ALPHA}

    @cached_property
    def returns(self) -> str:
        """The name of what its function returns: "Synthesis", "OnePass", "Frames", "Training" or "Tensor"."""
        said = inspect.signature(self.function).return_annotation
        return str(said if isinstance(said, str) else getattr(said, "__name__", said)).split(".")[-1]

    @property
    def stepwise(self) -> bool:
        """True if it improves one picture step by step, so that there are intermediate pictures and losses."""
        return self.returns == "Synthesis"

    @property
    def long(self) -> bool:
        """True if it may take long, so that its runs are kept and can be resumed."""
        return self.returns not in ("OnePass", "Tensor", "Task")

    @property
    def planned(self) -> bool:
        """True if its runs can be planned in advance."""
        return self.makes is not Report

    @property
    def main(self) -> Input | None:
        """The input it works on; None if it needs no file."""
        first = next(iter(self.inputs), None)
        return first if first is not None and (first.required or first.name in self.either) else None

    @cached_property
    def by_place(self) -> tuple[Input, ...]:
        """Inputs that are positional arguments on the command line: the required ones and the first of `either`."""
        brought = any(each.kind is RESULT for each in self.inputs)  # with it comes what it was made from
        first = self.either[:1]
        return tuple(
            each
            for each in self.inputs
            if each.kind.by_place and (each.name in first or (each.required and (each.kind is RESULT or not brought)))
        )

    def typed(self, each: Input) -> str:
        """Return an input as typed by a user: ``PAINTING`` if positional, ``--mask`` if an option."""
        return each.name.upper() if each in self.by_place else each.flag

    def input(self, name: str) -> Input:
        """Look up an input by name.

        Raises:
            RecipeError: it takes none of that name.
        """
        for each in self.inputs:
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.inputs) or "no files"
        raise RecipeError(f"{self.name} takes no '{name}'; it takes {known}.")

    def check(self, counts: Mapping[str, int], *, way: Callable[[Input], str] = lambda _: "") -> None:
        """Refuse inputs that are missing or too many.

        Args:
            counts: files for each input.
            way: where else an input that is missing may come from, for the message.
        Raises:
            RecipeError: one line on the first that is wrong.
        """
        for name in counts:
            self.input(name)
        for each in self.inputs:
            count = counts.get(each.name, 0)
            if count > 1 and not (each.many or each.kind is FOLDER):
                raise RecipeError(f"{self.name} takes one {each.name}; got {count}.")
            if count == 0 and each.required and not (each is self.main and self.noise):
                raise RecipeError(f"{self.name} needs a {self.typed(each)}: {each.description}{way(each)}.")
        if self.either and sum(bool(counts.get(name)) for name in self.either) != 1:
            known = " or a ".join(self.typed(self.input(name)) for name in self.either)
            hint = "" if any(counts.get(name) for name in self.either) else way(self.input(self.either[0]))
            raise RecipeError(f"{self.name} takes a {known}; give one of the two{hint}.")

    def checked(self, values: Mapping[str, object]) -> Settings:
        """Validate plain values, by the names users know, as settings.

        Raises:
            RecipeError: one line on the first that is wrong.
        """
        return checked(self.settings, dict(values))

    def make(self, values: Mapping[str, Any], settings: Settings) -> Run:
        """Build the run from loaded inputs and settings.

        Args:
            values: tensors, networks or files by parameter; a list where it takes several.
            settings: checked.
        Raises:
            ReverieError: anything that makes no sense.
        """
        from reverie.engine.runs import run_of

        main = self.main
        begins = {main.name: None} if main is not None and self.noise and main.name not in values else {}
        return run_of(self.function(**begins, **values, settings=settings))

    def _settings_in(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Settings:
        bound = inspect.signature(self.function).bind(*args, **kwargs)
        bound.apply_defaults()
        settings: Settings = bound.arguments[SETTINGS]
        return settings

    @cached_property
    def _parameters(self) -> tuple[inspect.Parameter, ...]:
        return tuple(inspect.signature(self.function).parameters.values())

    @cached_property
    def _files(self) -> tuple[Input, ...]:
        every = (self._input(parameter) for parameter in self._parameters if parameter.name != SETTINGS)
        return tuple(each for each in every if each is not None)

    @cached_property
    def _annotations(self) -> dict[str, Any]:
        """The parameters' types; names known only to type checkers become placeholders."""
        namespace = Names(getattr(self.function, "__globals__", {}))
        wanted = {p.name: p.annotation for p in self._parameters}

        def described() -> None: ...

        described.__annotations__ = wanted
        return typing.get_type_hints(described, {}, namespace, include_extras=True)

    def _input(self, parameter: inspect.Parameter) -> Input | None:
        """The input that a parameter declares; None if it takes no file and only programs pass it."""
        annotation = self._annotations.get(parameter.name)
        found = list(metadata(annotation))
        kinds = [each for each in found if isinstance(each, Kind)]
        required = parameter.default is inspect.Parameter.empty
        if not kinds and not required:
            return None
        if len(set(kinds)) != 1:
            raise TypeError(f"'{parameter.name}' of the craft '{self.name}' is no input such as rv.Photo")
        words = [each for each in found if isinstance(each, str)]
        many = is_many(annotation, Kind)
        return Input(parameter.name, kinds[0], words[-1] if words else kinds[0].description, required, many)


class _Declaration(Protocol):
    """Type of the decorator that `craft` returns."""

    @overload
    def __call__(self, function: Callable[P, Synthesis], /) -> Craft[P, Iterator[Iterate]]: ...
    @overload
    def __call__(self, function: Callable[P, OnePass], /) -> Craft[P, Tensor]: ...
    @overload
    def __call__(self, function: Callable[P, Steps[T]], /) -> Craft[P, Iterator[T]]: ...
    @overload
    def __call__(self, function: Callable[P, Tensor], /) -> Craft[P, Tensor]: ...


class Steps(Protocol[T]):
    """A run whose steps are of some type, such as a training."""

    def steps(self, plan: Any, *, executor: Any = None, state: Any = None) -> Iterator[T]:
        """Yield the steps, from the beginning or from a saved state."""
        ...


def craft(
    *,
    makes: Output,
    summary: str | None = None,
    example: str = "",
    name: str | None = None,
    noise: Callable[[Any], Tensor] | None = None,
    either: tuple[str, ...] = (),
    inherits: tuple[str, ...] = (),
    label: Callable[[Any], str] | None = None,
) -> _Declaration:
    """Declare a craft: the decorator of the function that does it.

    The function's parameters are the inputs, annotated with `Photo`, `Painting`, `Mask` and their like (several as
    ``Many[Photo]``, left out by a default), and ``settings``, of a class made from `Settings`. It returns a
    `Synthesis`, or a picture (1, 3, H, W).

    Args:
        makes: `Still`, `Sheet`, `Clip` or `Weights`.
        summary: one line; by default the first of the function's docstring.
        example: a command to try.
        name, noise, either, inherits, label: see `Craft`; the name is by default the function's.

    Example:
        >>> @rv.craft(summary="Turn a photo into its negative.", makes=rv.Still)
        ... def negative(photo: rv.Photo, settings: rv.Settings) -> Tensor:
        ...     return 1 - photo
    """

    def declared(function: Callable[..., Any]) -> Any:
        own = str(getattr(function, "__name__", "craft")).replace("_", "-")
        said = summary or (inspect.getdoc(function) or own).partition("\n")[0]
        return Craft(name or own, said, example, makes, function, noise, either, inherits, label)

    return typing.cast(_Declaration, declared)
