"""Units of a network, in words: what can be visualised.

``LAYER:7`` is a channel, ``LAYER:7+9-3`` a direction, ``LAYER:7@0.5/0.5`` one neuron, ``LAYER:0..15`` sixteen channels,
``LAYER`` all of them, and ``class:macaw`` a class.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from reverie.errors import LayerNotFound, RecipeError
from reverie.networks import Network, find_class
from reverie.objectives import Objective, channel, direction, logit, neuron
from reverie.recipes.parts.subjects import parse_channel

CLASS = "class:"
AGAINST = 0.3  # of the other classes' scores: without it, what all classes share grows most
_RANGE = re.compile(r"(?P<layer>.+?):(?P<first>\d+)\.\.(?P<last>\d+)")


@dataclass(frozen=True, eq=False)
class Unit:
    """Something in a network that a picture can excite.

    Attributes:
        name: as a user types it.
        layer: where it is.
        objective: its activation, to be maximised.
        channel: its number, where it is one channel of the layer over all positions; None otherwise.
        placed: whether it is bound to a place in the picture.
    """

    name: str
    layer: str
    objective: Objective
    channel: int | None = None
    placed: bool = False


def parse_units(words: Sequence[str], network: Network) -> list[Unit]:
    """Parse the units that words mean, in their order.

    Raises:
        LayerNotFound: a layer, channel or class that the network lacks.
        RecipeError: a word of another form, or none at all.

    Example:
        >>> [unit.name for unit in parse_units(["relu4_2:7..9"], load("dreamnet"))]
        ['relu4_2:7', 'relu4_2:8', 'relu4_2:9']
    """
    units = [unit for word in words for unit in _units(word.strip(), network)]
    if not units:
        raise RecipeError(f"name what to show of {network.name}, as in relu4_2:7 or class:macaw; got nothing.")
    return units


def parse_layers(words: Sequence[str], network: Network) -> list[str]:
    """Check that all words are layers, and return them.

    Raises:
        LayerNotFound: the network has no such layer.
        RecipeError: a word is more than a layer.
    """
    for word in words:
        if ":" in word:
            raise RecipeError(f"a photo is shown by whole layers, as in {word.partition(':')[0]}; got '{word}'.")
        network.channels(word)
    return list(words)


def _units(word: str, network: Network) -> list[Unit]:
    if word.startswith(CLASS):
        return [_class(word.removeprefix(CLASS), network)]
    if ":" not in word:
        return [_channel(word, index) for index in range(network.channels(word))]
    if match := _RANGE.fullmatch(word):
        return _range(match["layer"], int(match["first"]), int(match["last"]), network)
    return [_signed(word, network)]


def _class(name: str, network: Network) -> Unit:
    index = find_class(network, name)  # refused where the network has no classes
    shown = network.classes[index] if network.classes else str(index)
    return Unit(f"{CLASS}{shown}", network.class_layer or "", logit(index, against=AGAINST), channel=index)


def _channel(layer: str, index: int) -> Unit:
    return Unit(f"{layer}:{index}", layer, channel(layer, index), channel=index)


def _range(layer: str, first: int, last: int, network: Network) -> list[Unit]:
    count = network.channels(layer)
    if not first <= last < count:
        raise LayerNotFound(f"{layer} of {network.name} has channels 0 to {count - 1}; got {first} to {last}.")
    return [_channel(layer, index) for index in range(first, last + 1)]


def _signed(word: str, network: Network) -> Unit:
    """Parse a channel, a direction or a neuron."""
    parsed = parse_channel(word)
    vector, (index, _) = parsed.vector(network), parsed.channels[0]
    if parsed.weight != 1:
        raise RecipeError(f"each unit is shown by itself and has no weight; got '{word}'.")
    if parsed.at is not None:
        return Unit(word, parsed.layer, neuron(parsed.layer, index, at=parsed.at), placed=True)
    if len(parsed.channels) == 1:
        return _channel(parsed.layer, index)
    return Unit(word, parsed.layer, direction(parsed.layer, vector / vector.norm()))
