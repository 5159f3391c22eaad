"""The real tables with few channels: same paths and geometry, quick to run."""

from __future__ import annotations

from dataclasses import replace

import torch

from reverie.networks import Pooling
from reverie.networks.network import Network
from reverie.networks.ops import Conv
from reverie.networks.zoo import random_weights, table_of


def narrow(name: str, pooling: Pooling = "native", *, positive: bool = False) -> Network:
    """A network of the zoo with six channels everywhere, random, in float64.

    Weights lean to the positive, so that no rectifier cuts a path; or are all positive.
    """
    table = table_of(name).with_pooling(pooling)
    rows = tuple(
        replace(row, op=replace(row.op, channels=6)) if isinstance(row.op, Conv) else row for row in table.nodes
    )
    table = replace(table, nodes=rows)
    weights = random_weights(table, seed=7)
    leaning = {key: value.abs() + 0.01 if positive else value + 0.5 * value.std() for key, value in weights.items()}
    return Network(table, leaning).with_precision(torch.float64)
