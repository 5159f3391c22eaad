"""Class names, and finding one by what a person types."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from reverie.errors import LayerNotFound
from reverie.networks.network import Network

KINDS: Mapping[str, tuple[tuple[int, int], ...]] = MappingProxyType(
    {
        "animals": ((0, 397),),
        "fish": ((0, 6), (389, 397)),
        "birds": ((7, 24), (80, 100), (127, 146)),
        "frogs": ((30, 32),),
        "turtles": ((33, 37),),
        "lizards": ((38, 48),),
        "reptiles": ((33, 68),),
        "snakes": ((52, 68),),
        "spiders": ((70, 77),),
        "dogs": ((151, 268),),
        "wolves": ((269, 275),),
        "foxes": ((277, 280),),
        "cats": ((281, 293),),
        "bears": ((294, 297),),
        "insects": ((300, 326),),
        "beetles": ((300, 307),),
        "butterflies": ((321, 326),),
        "monkeys": ((365, 384),),
        "fruits": ((948, 957),),
        "landscapes": ((970, 980),),
        "flowers": ((984, 986),),
        "mushrooms": ((991, 997),),
    }
)
"""Kinds of ImageNet's classes: the first and last index of each run of them."""


@cache
def imagenet_classes() -> tuple[str, ...]:
    """Return the names of ImageNet's thousand classes, by index."""
    path = Path(__file__).with_name("imagenet_classes.txt")
    return tuple(path.read_text(encoding="utf-8").splitlines())


def find_class(network: Network, text: str) -> int:
    """Find the index of the class a person means.

    Args:
        network: whose classes are meant.
        text: a name, a word or part of one that no other name has, or an index; case is ignored.

    Returns:
        The class's index, a channel of ``network.class_layer``.

    Raises:
        LayerNotFound: if the network has no classes, none is meant, or several are.

    Example:
        >>> find_class(load("dreamnet"), "espresso")
        967
    """
    if network.class_layer is None:
        raise LayerNotFound(f"{network.name} has no classes; 'dreamnet' has a thousand.")
    wanted = text.strip().lower()
    if wanted.isdecimal():
        return _by_index(network, int(wanted))
    names = [name.lower() for name in network.classes or ()]
    matches = [i for i, name in enumerate(names) if name == wanted]
    matches = matches or [i for i, name in enumerate(names) if wanted in name.split()]
    matches = matches or [i for i, name in enumerate(names) if wanted and wanted in name]
    if len(matches) == 1:
        return matches[0]
    raise LayerNotFound(_ambiguous(network, text, matches) if matches else _unknown(network, text))


def find_classes(network: Network, text: str) -> tuple[int, ...]:
    """Find the indices of the classes a person means: one, or a kind of them.

    Args:
        network: whose classes are meant.
        text: as for `find_class`, or one of `KINDS` where the classes are ImageNet's.

    Raises:
        LayerNotFound: as `find_class` does.

    Example:
        >>> len(find_classes(load("dreamnet"), "dogs"))
        118
    """
    kind = KINDS.get(text.strip().lower())
    if kind is None or network.classes != imagenet_classes():
        return (find_class(network, text),)
    return tuple(index for first, last in kind for index in range(first, last + 1))


def _by_index(network: Network, index: int) -> int:
    count = network.channels(network.class_layer or "")
    if index >= count:
        raise LayerNotFound(f"{network.name} has classes 0 to {count - 1}; got {index}.")
    return index


def _ambiguous(network: Network, text: str, matches: list[int]) -> str:
    names = network.classes or ()
    shown = ", ".join(f"{names[i]} ({i})" for i in matches[:8])
    more = f" and {len(matches) - 8} more" if len(matches) > 8 else ""
    return f"'{text}' may be {shown}{more}; say which, by name or number."


def _unknown(network: Network, text: str) -> str:
    lower = {name.lower(): name for name in network.classes or ()}
    words = {word: name for name in lower for word in name.split()}
    wanted = text.strip().lower()
    kinds = {kind: kind for kind in KINDS if network.classes == imagenet_classes()}
    near = difflib.get_close_matches(wanted, [*lower, *words, *kinds], n=3, cutoff=0.6)
    shown = dict.fromkeys(kinds.get(match) or lower[words.get(match, match)] for match in near)
    hint = f"did you mean {' or '.join(repr(name) for name in shown)}?" if shown else ""
    return f"{network.name} has no class '{text}'; {hint or 'a number from 0 is also taken.'}"
