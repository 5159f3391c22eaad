"""What the routes need of the service they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from reverie.studio.desk import Desk
from reverie.studio.streams import Streams


@dataclass(frozen=True)
class Service:
    """The parts of a service.

    Attributes:
        desk: the queue.
        streams: of its events.
        most: bytes of a picture that is brought, at most.
    """

    desk: Desk
    streams: Streams
    most: int


def _service(request: Request) -> Service:
    found: Service = request.app.state.service
    return found


def _desk(request: Request) -> Desk:
    return _service(request).desk


Serving = Annotated[Service, Depends(_service)]
"""The service, as a parameter of a route."""
AtDesk = Annotated[Desk, Depends(_desk)]
"""Its desk."""
