"""``reverie studio``: the page and the service on this machine."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from reverie.cli.codes import DONE
from reverie.errors import RecipeError
from reverie.queue import Home, queue_home


def open_studio(*, port: int, home: Path | None, browser: bool) -> int:
    """Serve the studio until Ctrl-C.

    Raises:
        RecipeError: what it needs is not installed, or the port is taken.
        FileError: another studio works on this home.
    """
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise RecipeError("the studio needs FastAPI; install it with pip install 'reverie-dream[studio]'.")
    from reverie.studio.serve import serve

    serve(queue_home() if home is None else Home(home.absolute()), port=port, browser=browser)
    return DONE
