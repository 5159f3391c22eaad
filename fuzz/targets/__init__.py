"""Every kind of input, from the files of this folder."""

from __future__ import annotations

import importlib
import pkgutil

from fuzz.target import Target


def every_target() -> tuple[Target, ...]:
    """The targets of all files here, by name.

    Raises:
        ValueError: two have one name.
    """
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    targets = sorted((target for module in modules for target in module.TARGETS), key=lambda target: target.name)
    if len({target.name for target in targets}) < len(targets):
        raise ValueError("two targets have one name")
    return tuple(targets)
