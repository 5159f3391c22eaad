"""Class names, and finding one by what a person types."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
_ALIKE = 0.8  # of two words' letters: fewer are another word


@cache
def imagenet_classes() -> tuple[str, ...]:
    """Return the names of ImageNet's thousand classes, by index."""
    path = Path(__file__).with_name("imagenet_classes.txt")
    return tuple(path.read_text(encoding="utf-8").splitlines())


@dataclass(frozen=True)
class Words:
    """What people say, in lower case.

    Attributes:
        usual: words for a class, to its name.
        near: words for what is no class, to names of those near it.
    """

    usual: Mapping[str, str]
    near: Mapping[str, tuple[str, ...]]


@cache
def imagenet_words() -> Words:
    """Read the words that people use for ImageNet's classes, and for what is none of them."""
    text = Path(__file__).with_name("imagenet_words.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    usual = dict(line.split(" = ") for line in lines if " = " in line)
    near = {word: tuple(names.split(", ")) for word, names in (line.split(" ~ ") for line in lines if " ~ " in line)}
    return Words(MappingProxyType(usual), MappingProxyType(near))


def find_class(network: Network, text: str) -> int:
    """Find the index of the class a person means.

    Args:
        network: whose classes are meant.
        text: a name, a usual word for it, the last word of one name alone, or an index; case is ignored.

    Returns:
        The class's index, a channel of ``network.class_layer``.

    Raises:
        LayerNotFound: if the network has no classes, none is meant, or several are.

    Example:
        >>> find_class(load("dreamnet"), "lighthouse")
        437
    """
    if network.class_layer is None:
        raise LayerNotFound(f"{network.name} has no classes; 'dreamnet' has a thousand.")
    wanted = " ".join(text.lower().split())
    if wanted.isdecimal():
        return _by_index(network, int(wanted))
    names = [name.lower() for name in network.classes or ()]
    for meant in _singular(wanted):
        matches = _called(network, names, meant)
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise LayerNotFound(_ambiguous(network, text, matches))
    raise LayerNotFound(_unknown(network, text))


def _singular(wanted: str) -> Sequence[str]:
    """Return a word, and what it may be the plural of."""
    one = wanted[:-3] + "y" if wanted.endswith("ies") else wanted.removesuffix("s")
    return [*dict.fromkeys([wanted, one, wanted.removesuffix("es")])]


def _called(network: Network, names: Sequence[str], wanted: str) -> list[int]:
    """List the classes of that name, else the one usually called so, else those of whose names it is the last word."""
    if matches := [i for i, name in enumerate(names) if name == wanted]:
        return matches
    words = _words(network)
    if usual := words.usual.get(wanted):
        return [names.index(usual.lower())]
    if wanted not in words.near and any(name.split()[-1:] == [wanted] for name in names):
        return [i for i, name in enumerate(names) if wanted in name.split()]
    return []


def _words(network: Network) -> Words:
    return imagenet_words() if network.classes == imagenet_classes() else Words({}, {})


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


def said_of(network: Network, text: str) -> str:
    """Say which classes a word means: "beacon (437)", "dogs (118 classes)"."""
    found = find_classes(network, text)
    return f"{(network.classes or ())[found[0]]} ({found[0]})" if len(found) == 1 else f"{text} ({len(found)} classes)"


def _by_index(network: Network, index: int) -> int:
    count = network.channels(network.class_layer or "")
    if index >= count:
        raise LayerNotFound(f"{network.name} has classes 0 to {count - 1}; got {index}.")
    return index


def _ambiguous(network: Network, text: str, matches: list[int]) -> str:
    names = network.classes or ()
    shown = ", ".join(f"{names[i]} ({i})" for i in matches[:8])
    more = f" and {len(matches) - 8} more" if len(matches) > 8 else ""
    kind = f"{text.strip().lower()}s"
    every = f" '{kind}' are all of them." if kind in KINDS and names == imagenet_classes() else ""
    return f"'{text}' may be {shown}{more}; say which, by name or number.{every}"


def _unknown(network: Network, text: str) -> str:
    wanted = text.strip().lower()
    near = _near(network, wanted)
    hint = f"did you mean {' or '.join(repr(name) for name in near)}?" if near else ""
    more = "'reverie classes' lists them." if network.classes == imagenet_classes() else ""
    return f"{network.name} has no class '{text}'; {hint or more or 'a number from 0 is also taken.'}"


def _near(network: Network, wanted: str) -> Sequence[str]:
    """List classes near a word: by what it means, as a part of their names, or as it is spelt."""
    words = _words(network)
    for meant in _singular(wanted):
        if near := words.near.get(meant):
            return near
    names = {name.lower(): name for name in network.classes or ()}
    inside = [name for lower, name in names.items() if wanted and wanted in lower.split()]
    kinds = KINDS if network.classes == imagenet_classes() else {}
    alike = difflib.get_close_matches(wanted, [*names, *words.usual, *kinds], n=3, cutoff=_ALIKE)
    spelt = [names.get(match) or words.usual.get(match, match) for match in alike]
    return [*dict.fromkeys([*inside[:4], *spelt])]


def listed_classes(network: Network, word: str | None = None) -> Iterator[tuple[str, str, str]]:
    """Yield kinds and classes: a number or a count, a name, and what else it is called.

    Args:
        network: whose classes they are.
        word: only those that it names, or is part of the name or another word of.
    """
    words, wanted = _words(network), (word or "").strip().lower()
    others: dict[str, list[str]] = {}
    for said, name in words.usual.items():
        others.setdefault(name, []).append(said)
    near = words.near.get(wanted, ())
    for kind, runs in (KINDS if network.classes == imagenet_classes() else {}).items():
        if wanted in kind:
            yield f"{sum(last + 1 - first for first, last in runs)} classes", kind, ""
    for index, name in enumerate(network.classes or ()):
        called = others.get(name, [])
        if name in near or any(wanted in each for each in (name.lower(), *called)):
            yield str(index), name, ", ".join(called)
