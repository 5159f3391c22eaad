"""Convert a run's state to text and named tensors, and back: nothing in a file can be executed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from torch import Tensor

_PLAIN = (bool, int, float, str, type(None))


def flatten(state: Any) -> tuple[str, dict[str, Tensor]]:
    """Flatten a nested state to JSON text and the tensors in it, named by their paths.

    Args:
        state: tensors, numbers, strings, None, and lists, tuples and dicts of them; keys are strings or integers.

    Returns:
        The text, in which each tensor stands as its name, and the tensors by name.

    Raises:
        TypeError: something else is in it.

    Example:
        >>> flatten({"step": 3, "moments": {0: torch.zeros(2)}})[1].keys()
        dict_keys(['moments.0'])
    """
    tensors: dict[str, Tensor] = {}
    text = json.dumps(_packed(state, (), tensors), separators=(",", ":"))
    return text, tensors


def unflatten(text: str, tensors: Mapping[str, Tensor]) -> Any:
    """Rebuild the state that `flatten` took apart.

    Raises:
        ValueError: the text is not of that form.
        KeyError: a tensor is missing.
    """
    return _unpacked(json.loads(text), tensors)


def _packed(part: Any, path: tuple[str, ...], tensors: dict[str, Tensor]) -> Any:
    if isinstance(part, Tensor):
        name = _unused(".".join(path) or "state", tensors)
        tensors[name] = part
        return {"tensor": name}
    if isinstance(part, dict):
        if not all(type(key) in (str, int) for key in part):
            raise TypeError(f"keys of a state are strings or integers; at '{'.'.join(path)}' came others")
        return {"dict": [[key, _packed(its, (*path, str(key)), tensors)] for key, its in part.items()]}
    if isinstance(part, list | tuple):
        kind = "list" if isinstance(part, list) else "tuple"
        return {kind: [_packed(its, (*path, str(number)), tensors) for number, its in enumerate(part)]}
    if type(part) not in _PLAIN:
        raise TypeError(f"a state holds tensors and plain values; at '{'.'.join(path)}' came {type(part).__name__}")
    return part


def _unused(name: str, tensors: Mapping[str, Tensor]) -> str:
    """Lengthen a name that another tensor already has: keys may contain dots."""
    while name in tensors:
        name += "'"
    return name


def _unpacked(part: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(part, dict):
        if type(part) not in _PLAIN:
            raise ValueError(f"a packed state holds no bare {type(part).__name__}")
        return part
    ((kind, content),) = part.items()
    if kind == "tensor":
        return tensors[content]
    if not isinstance(content, list):
        raise ValueError(f"a packed {kind} is a list; got {type(content).__name__}")
    if kind == "dict":
        return {key: _unpacked(its, tensors) for key, its in content}
    if kind not in ("list", "tuple"):
        raise ValueError(f"a packed state knows no '{kind}'")
    items = [_unpacked(its, tensors) for its in content]
    return items if kind == "list" else tuple(items)
