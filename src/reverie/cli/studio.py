"""``reverie studio``: the page and the service on this machine."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from reverie.cli.codes import DONE
from reverie.errors import RecipeError
from reverie.queue import Home, queue_home
from reverie.queue.quota import parse_bytes


def open_studio(*, port: int, home: Path | None, browser: bool, shared: bool, quota: str) -> int:
    """Serve the studio until Ctrl-C.

    Args:
        port: 0 takes a free one.
        home: folder of the queue; None: the user's own.
        browser: whether the page is opened.
        shared: whether others on the network may come.
        quota: what the queue may take of the disk, e.g. "50GB".

    Raises:
        RecipeError: what it needs is not installed, or the port is taken.
        FileError: another studio works on this home.
    """
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise RecipeError("the studio needs FastAPI; install it with pip install 'reverie-dream[studio]'.")
    from reverie.studio.serve import Door, serve

    door = Door(port, shared, browser, parse_bytes(quota))
    serve(queue_home() if home is None else Home(home.absolute()), door)
    return DONE
