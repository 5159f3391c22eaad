"""The parts of the service, and what its routes need of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Annotated

from fastapi import Depends, Request

from reverie.errors import ReverieError
from reverie.queue.catalogue import Catalogue
from reverie.queue.desk import Desk
from reverie.queue.foreman import Foreman
from reverie.queue.home import Home
from reverie.queue.office import Office
from reverie.queue.quota import LARGEST, Quota
from reverie.queue.store import Store
from reverie.studio.streams import Streams

MOST = 500 * 2**20
"""Bytes of a picture or a clip that is brought, at most."""


class Service:
    """The parts of the service on one queue.

    Args:
        home: of the queue.
        most: bytes of a file that is brought, at most.
        quota: bytes that the queue may take of the disk.
        office: who knows the crafts; by default a process of its own.
        worker: module of the process that does the jobs.
    Raises:
        FileError: the journal cannot be opened.

    Attributes:
        desk: where everything is ordered.
        streams: of events.
        foreman: who has the jobs done.
        office: who knows the crafts.
        catalogue: what there is to choose from.
        most: see above.
    """

    def __init__(
        self,
        home: Home,
        *,
        most: int = MOST,
        quota: int = LARGEST,
        office: Office | None = None,
        worker: str = "reverie.queue.worker",
    ) -> None:
        self.most, self._store = most, Store(home.made().journal)
        self.streams, self.office = Streams(self._store), office or Office()
        allowed = Quota(home, self._store, quota)
        self.foreman = Foreman(home, self._store, allowed, self.streams.changed, worker=worker)
        self.desk = Desk(home, self._store, self.office.ask, self.foreman.wake, allowed)
        self.catalogue = Catalogue(self.office.ask)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Within the block, which is in the loop that serves, do the jobs."""
        with closing(self._store), closing(self.office), closing(self.foreman):
            self.streams.open()
            self.foreman.start()
            yield

    def end(self) -> None:
        """End what requests wait for: the service is about to end."""
        self.streams.end()
        self.office.end()

    def warm_up(self) -> None:
        """Ask for the catalogue before anybody does: where it is not kept yet, the crafts are loaded for it."""
        with suppress(ReverieError):  # whoever asks is told
            self.catalogue.get()


def _service(request: Request) -> Service:
    found: Service = request.app.state.service
    return found


def _desk(request: Request) -> Desk:
    return _service(request).desk


Serving = Annotated[Service, Depends(_service)]
"""The service, as a parameter of a route."""
AtDesk = Annotated[Desk, Depends(_desk)]
"""Its desk."""
