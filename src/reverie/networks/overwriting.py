"""In-place steps of a traced forward pass, and the steps that read the overwritten maps afterwards."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Mapping
from typing import Any, cast

from torch import fx, nn

VIEW_NAMES = """
    view reshape flatten unflatten transpose permute squeeze unsqueeze expand getitem chunk split
"""
VIEWS = frozenset(VIEW_NAMES.split())
_SUMS_IN_PLACE = (operator.iadd, operator.isub, operator.imul, operator.itruediv)


def without_overwriting(module: nn.Module, graph: fx.Graph) -> bool:
    """Let all that read a map after a step has overwritten it read that step's result; False if that is not possible.

    It is not all where parts of a map are overwritten, or a map through a view of it.
    """
    order = {node: place for place, node in enumerate(graph.nodes)}
    for step in graph.nodes:
        if step.target in (operator.setitem, "__setitem__"):
            return False
        if not _overwrites(module, step):
            continue
        lost = step.args[0] if step.args else step.kwargs.get("input")
        if not isinstance(lost, fx.Node):
            return False
        later = [user for user in lost.users if order[user] > order[step]]
        for user in later:
            user.replace_input_with(lost, step)
        if any(order[user] > order[step] for seen in _seen_through(lost) for user in seen.users):
            return False
    return True


def _seen_through(node: fx.Node) -> list[fx.Node]:
    """Return the maps of which a map may be a view."""
    found: list[fx.Node] = []
    while named(node) in VIEWS and node.args and isinstance(node.args[0], fx.Node):
        node = node.args[0]
        found.append(node)
    return found


def _overwrites(module: nn.Module, step: fx.Node) -> bool:
    """True if a step works in place, on the map that it reads."""
    if step.op == "call_module":
        return getattr(module.get_submodule(str(step.target)), "inplace", False) is True
    if step.op not in ("call_function", "call_method"):
        return False
    name = named(step)
    if step.target in _SUMS_IN_PLACE or (name.endswith("_") and not name.endswith("__")):
        return True
    return arguments_of(step).get("inplace", False) is True


def arguments_of(step: fx.Node) -> Mapping[str, Any]:
    """Return the arguments of a function by name, as far as it tells them."""
    try:
        return inspect.signature(cast(Callable[..., Any], step.target)).bind(*step.args, **step.kwargs).arguments
    except (TypeError, ValueError):  # a method, or written in C
        return step.kwargs


def named(step: fx.Node) -> str:
    """Return the name of the function or method that a step calls."""
    return step.target if isinstance(step.target, str) else getattr(step.target, "__name__", "")
