"""Serve the studio until it is ended."""

from __future__ import annotations

import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType

import uvicorn

from reverie.errors import RecipeError, reason_of
from reverie.queue.foreman import only_one
from reverie.queue.home import Home
from reverie.queue.quota import LARGEST
from reverie.studio.app import guarded
from reverie.studio.guard import Guard, Rules
from reverie.studio.here import Service

LOOPBACK, EVERYWHERE = "127.0.0.1", "0.0.0.0"


@dataclass(frozen=True)
class Door:
    """Where the studio listens, and who may come in.

    Attributes:
        port: 0 takes a free one.
        shared: whether others on the network may come, who show the token.
        browser: whether the page is opened.
        quota: bytes that the queue may take of the disk.
    """

    port: int
    shared: bool = False
    browser: bool = True
    quota: int = LARGEST


def serve(home: Home, door: Door) -> None:
    """Serve the studio until Ctrl-C.

    Args:
        home: of the queue.
        door: where.
    Raises:
        RecipeError: the port is taken.
        InUse: another studio works on this home.
    """
    with only_one(home.made()), listening(door) as listener:
        port = listener.getsockname()[1]
        rules = _rules() if door.shared else Rules()
        service = Service(home, quota=door.quota)
        app = guarded(service, rules)
        threading.Thread(target=service.warm_up, daemon=True).start()
        address = f"http://{LOOPBACK}:{port}/"
        print(f"the studio is at {address}  (Ctrl-C ends it; the queue is kept in {home.path})", flush=True)
        if door.shared:
            print(_warning(port, rules.token), flush=True)
        if door.browser:
            opening = threading.Timer(0.5, webbrowser.open, [address])
            opening.daemon = True
            opening.start()
        server = Server(configured(app))
        server.before_exit = service.end
        with suppress(KeyboardInterrupt):  # which is how it ends
            server.run(sockets=[listener])


class Server(uvicorn.Server):
    """Server that ends its streams before it waits for its connections to end.

    Attributes:
        before_exit: called once it is asked to end.
    """

    before_exit: Callable[[], None] = staticmethod(lambda: None)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End, as Ctrl-C or the system asks."""
        self.before_exit()
        super().handle_exit(sig, frame)


def configured(app: Guard) -> uvicorn.Config:
    """How the studio is served: who asks is who is connected, whatever a header says."""
    return uvicorn.Config(
        app, log_level="warning", timeout_graceful_shutdown=1, proxy_headers=False, server_header=False
    )


def _rules() -> Rules:
    """The rules of a studio that is shared: this machine's names, and a token drawn for this start."""
    name = socket.gethostname().lower()
    return Rules(frozenset({"localhost", name, f"{name}.local"}), secrets.token_urlsafe(24))


def _warning(port: int, token: str) -> str:
    address = f"http://{_own_address()}:{port}/?token={token}"
    return (
        f"shared on the network: {address}\n"
        "Whoever has this address can see, make and delete everything here, and what goes over the network is not"
        " encrypted. The token is another one with each start."
    )


def _own_address() -> str:
    """This machine's address as others on its network see it; nothing is sent to find out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address for documentation, which is nobody's
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()


def listening(door: Door) -> socket.socket:
    """Open the socket on which the studio listens.

    Raises:
        RecipeError: its port is taken.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((EVERYWHERE if door.shared else LOOPBACK, door.port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise RecipeError(f"port {door.port} cannot be used: {reason_of(error)}; name another --port.") from error
    listener.listen(128)
    return listener
