"""A studio in this process, behind real HTTP: its crafts are asked here, and a stand-in does its jobs."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from PIL import Image

from reverie.client import Client
from reverie.queue.home import Home
from reverie.queue.office import Office
from reverie.queue.questions import ask
from reverie.studio.app import guarded
from reverie.studio.guard import Rules
from reverie.studio.here import Service
from reverie.studio.serve import Door, configured, listening

STAND_IN = "tests.queue.stand_in_worker"


class Here(Office):
    """Answers in this process."""

    def ask(self, question: str, **words: Any) -> dict[str, Any]:
        return ask(question, **words)


class Studio:
    """A studio that is being served.

    Attributes:
        url: of it.
        service: its parts.
        client: a client of it.
    """

    def __init__(self, service: Service, port: int) -> None:
        self.service, self.url = service, f"http://127.0.0.1:{port}"
        self.client = Client(self.url)


@contextmanager
def served(folder: Path, rules: Rules | None = None, **more: Any) -> Iterator[Studio]:
    """Serve a studio within the block."""
    service = Service(Home(folder), office=Here(), worker=STAND_IN, **more)
    with listening(Door(0)) as listener:
        server = uvicorn.Server(configured(guarded(service, rules or Rules())))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Studio(service, listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="session", autouse=True)
def found_stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Processes that are begun find the stand-in, and leave this user's own folder as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)]))
        patch.setenv("REVERIE_HOME", str(tmp_path_factory.mktemp("own")))
        yield


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio for the tests of a file, in a folder with a space in its name."""
    with served(tmp_path_factory.mktemp("the studio") / "home") as studio:
        yield studio


def png(width: int = 40, height: int = 30, colour: Any = (200, 90, 40)) -> bytes:
    """The bytes of a small PNG."""
    memory = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(memory, format="PNG")
    return memory.getvalue()
