"""Reverie: dream on, restyle and invent pictures with the features of a convolutional network.

import reverie as rv

photo, painting = rv.read_image("cat.jpg"), rv.read_image("night.jpg")
for step in rv.recipes.style(photo, painting):
    print(step)
rv.write_image("out.png", step.image)
"""

from importlib import import_module as _import
from pathlib import Path as _Path


def _homes() -> dict[str, str]:
    """Map each public name to its home, read from `__init__.pyi`: lines `from HOME import NAME as NAME`."""
    lines = _Path(__file__).with_suffix(".pyi").read_text(encoding="utf8").splitlines()
    return {name: home for word, home, _, name, *_ in map(str.split, filter(None, lines)) if word == "from"}


_HOMES = _homes()
__all__ = sorted(set(_HOMES) - {"__version__"}, key=lambda name: (not name.isupper(), not name[0].isupper(), name))


def __getattr__(name: str) -> object:
    """Load what is asked for when it is asked for: PyTorch takes a second, and help needs none."""
    if name not in _HOMES:
        raise AttributeError(f"module 'reverie' has no attribute '{name}'")
    home = _HOMES[name]
    found = _import(f"reverie.{name}") if home == "reverie" else getattr(_import(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*__all__, "__version__", *(name for name in globals() if name.startswith("__") and name != "__version__")]
