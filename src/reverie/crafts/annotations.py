"""Read the annotations of a craft's parameters, some of which exist for type checkers only."""

from __future__ import annotations

import builtins
import typing
from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Any, Union


class Names(dict[str, Any]):
    """Namespace for evaluating annotations; a name known only to type checkers resolves to a placeholder."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        super().__init__(known)

    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, _Anything)


class _Anything:
    """Placeholder for a type that is not loaded."""

    def __class_getitem__(cls, _: Any) -> type[_Anything]:
        return cls


def metadata(annotation: Any) -> Iterator[Any]:
    """Yield the metadata of every ``Annotated`` nested in a type."""
    yield from getattr(annotation, "__metadata__", ())
    for part in typing.get_args(annotation):
        if typing.get_origin(part) is not None or hasattr(part, "__metadata__"):
            yield from metadata(part)


def is_many(annotation: Any, marked: type) -> bool:
    """True if a type is a sequence whose items are annotated with an instance of `marked`."""
    kept = getattr(annotation, "__origin__", None) if hasattr(annotation, "__metadata__") else annotation
    if typing.get_origin(kept) is Sequence:
        return any(isinstance(each, marked) for each in metadata(kept))
    return typing.get_origin(kept) in (Union, UnionType) and any(
        is_many(each, marked) for each in typing.get_args(kept)
    )
