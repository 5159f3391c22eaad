"""How good inputs are changed into bad ones: bytes of any kind, and JSON with its shape kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

_HEAD = 96  # bytes in which most formats say their sizes
_MOST = 6  # changes to one input
_SIZES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0xFFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_ODD: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, -(2**70), 10**400, 1e308, float("nan"), float("inf"), "", "\0", "\x1b[31m", "\ud800",
    "../../x", "x" * 5000, "9" * 5000, [], {}, [1], {"a": []},
)  # fmt: skip

Change = Callable[[Random, bytearray, Sequence[bytes]], None]


def changed(random: Random, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds after one to six changes to its bytes, half of them near its beginning."""
    data = bytearray(random.choice(seeds))
    for _ in range(random.randint(1, _MOST)):
        random.choice(_CHANGES)(random, data, seeds)
    return bytes(data)


def changed_json(random: Random, seeds: Sequence[bytes]) -> bytes:
    """A seed of JSON, mostly with values of its own changed into odd ones; now and then changed as bytes."""
    if random.random() < 0.2:
        return changed(random, seeds)
    value = json.loads(random.choice(seeds))
    for _ in range(random.randint(1, 3)):
        value = odder(random, value)
    if random.random() < 0.02:  # deeper than a parser may recurse
        return b"[" * 100_000
    return json.dumps(value).encode()


def odder(random: Random, value: Any) -> Any:
    """A value of JSON with one of its parts, at any depth, replaced, dropped, doubled or renamed."""
    if not isinstance(value, dict | list) or not value or random.random() < 0.15:
        return random.choice(_ODD)
    if isinstance(value, list):
        place = random.randrange(len(value))
        part = [odder(random, value[place])] if random.random() < 0.8 else [value[place]] * random.choice((0, 2))
        return [*value[:place], *part, *value[place + 1 :]]
    name = random.choice(list(value))
    rest = {k: v for k, v in value.items() if k != name}
    if random.random() < 0.2:
        return rest if random.random() < 0.5 else rest | {random.choice(("", "\0", name + "\x1b", "x" * 999)): 1}
    return value | {name: odder(random, value[name])}


def _place(random: Random, data: bytearray) -> int:
    """Somewhere in the data, half of the time in its head."""
    return random.randrange(min(len(data), _HEAD) if random.random() < 0.5 else len(data)) if data else 0


def _flip(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[_place(random, data)] ^= 1 << random.randrange(8)


def _byte(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[_place(random, data)] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))


def _size(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    """A number of 2, 4 or 8 bytes, as sizes and offsets are."""
    length, place = random.choice((2, 4, 8)), _place(random, data)
    number = random.choice(_SIZES) & ((1 << 8 * length) - 1)
    data[place : place + length] = number.to_bytes(length, random.choice(("big", "little")))


def _cut(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[_place(random, data) :]


def _drop(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    place = _place(random, data)
    del data[place : place + random.randint(1, 64)]


def _double(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    place = _place(random, data)
    data[place:place] = data[place : place + random.randint(1, 64)] * random.choice((1, 1, 50))


def _noise(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    place, length = _place(random, data), random.randint(1, 32)
    data[place : place + random.choice((0, length))] = random.randbytes(length)


def _splice(random: Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    """The rest of another seed, or its head before this one's rest."""
    other, place = random.choice(seeds), _place(random, data)
    if random.random() < 0.5:
        data[place:] = other[min(place, len(other)) :]
    else:
        data[:place] = other[:place]


_CHANGES: tuple[Change, ...] = (_flip, _byte, _byte, _size, _size, _cut, _drop, _double, _noise, _splice)
