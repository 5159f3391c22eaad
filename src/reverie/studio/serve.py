"""Serve the studio until it is ended."""

from __future__ import annotations

import socket
import threading
import webbrowser

import uvicorn

from reverie.errors import RecipeError, reason_of
from reverie.queue.foreman import Foreman, only_one
from reverie.queue.home import Home
from reverie.queue.office import Office
from reverie.queue.store import Store
from reverie.studio.app import service
from reverie.studio.desk import Desk
from reverie.studio.streams import Streams

LOOPBACK = "127.0.0.1"


def serve(home: Home, *, port: int, browser: bool) -> None:
    """Serve the studio on this machine until Ctrl-C.

    Args:
        home: of the queue.
        port: 0 takes a free one.
        browser: whether the page is opened.
    Raises:
        RecipeError: the port is taken.
        FileError: another studio works on this home.
    """
    home.made()
    with only_one(home), _listening(port) as listener:
        address = f"http://{LOOPBACK}:{listener.getsockname()[1]}/"
        store = Store(home.journal)
        streams = Streams(store)
        foreman = Foreman(home, store, streams.changed)
        app = service(Desk(home, store, foreman, Office()), streams)
        config = uvicorn.Config(
            app, log_level="warning", timeout_graceful_shutdown=1, proxy_headers=False, server_header=False
        )
        print(f"the studio is at {address}  (Ctrl-C ends it; the queue is kept in {home.path})", flush=True)
        if browser:
            threading.Timer(0.5, webbrowser.open, [address]).start()
        uvicorn.Server(config).run(sockets=[listener])
        store.close()


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise RecipeError(f"port {port} cannot be used: {reason_of(error)}; name another --port.") from error
    listener.listen(128)
    return listener
