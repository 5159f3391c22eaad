"""Clients that learn a style each in a process of its own, with its own photos; the server sees their updates only."""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reverie import styles
from reverie.engine import State
from reverie.engine.descent import Weights
from reverie.engine.federated import Clients, ClientUpdate, local_update
from reverie.errors import RecipeError, ReverieError
from reverie.recipes.train_style import StyleLearner, TrainStyleSettings

LOCAL_RATE = 0.1
"""Size of a client's own steps, of which the gradients are averaged."""
_END = 2.0  # seconds that a client may take to end by itself


class ServerLearner(StyleLearner):
    """The server's side: it watches itself by the sample styles, since it has no photos.

    Args:
        painting: (1, 3, H, W) sRGB in [0, 1].
        settings: of the training.
        clients: who are asked how much the style is to weigh.
    """

    def __init__(self, painting: Tensor, settings: TrainStyleSettings, clients: ClientProcesses) -> None:
        super().__init__(painting, [styles.path(name) for name in styles.names()], settings)
        self.clients = clients

    def _style_weight(self) -> float:
        """Return the weight as set, or the mean of what the clients find by a probe of their own photos."""
        if self.settings.style_weight != "auto":
            return float(self.settings.style_weight)
        return round(self.clients.mean_weight(), 3)


class _Client:
    """A client's process, as the server knows it: a name, a way to talk, and how many photos it says it has."""

    def __init__(self, name: str, process: BaseProcess, connection: Connection, photos: int) -> None:
        self.name, self.process, self.connection, self.photos = name, process, connection, photos

    def ask(self, question: tuple[Any, ...]) -> bool:
        """Send a question; False if the client is gone."""
        try:
            self.connection.send(question)
        except OSError:
            return False
        return True

    def answer(self) -> Any:
        """Wait for the answer; None if the client is gone, or its photos cannot be read."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            return None

    def close(self) -> None:
        """End the process."""
        self.connection.close()
        self.process.join(_END)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class ClientProcesses(Clients):
    """Clients in processes of this machine, a folder of photos each.

    One that dies, or cannot read its photos, is left out from there on, and noted.
    """

    def __init__(self, clients: Sequence[_Client]) -> None:
        self.alive, self._notes = list(clients), list[str]()

    def round(self, weights: Weights, step: int, terms: State) -> tuple[list[ClientUpdate], tuple[str, ...]]:
        """Have every client learn; see `Clients`.

        Raises:
            RecipeError: none is left.
        """
        plain = {key: x.detach().numpy() for key, x in weights.items()}
        found = []
        for client, answer in self._asked(("round", step, plain, terms["weight"], terms["smoothness"])):
            gradients = {key: torch.from_numpy(values) for key, values in answer[0].items()}
            found.append(ClientUpdate(gradients, answer[1], client.photos))
        notes, self._notes = tuple(self._notes), []
        return found, notes

    def mean_weight(self) -> float:
        """Ask every client how much the style is to weigh for its photos; return the mean, by their photos."""
        answers = [(client.photos, float(answer)) for client, answer in self._asked(("weigh",))]
        return sum(n * weight for n, weight in answers) / sum(n for n, _ in answers)

    def _asked(self, question: tuple[Any, ...]) -> list[tuple[_Client, Any]]:
        """Ask all clients at once; return those that answered, with their answers."""
        reached = [client for client in self.alive if client.ask(question)]
        answers = [(client, client.answer()) for client in reached]
        answered = [(client, answer) for client, answer in answers if answer is not None]
        there = [client for client, _ in answered]
        for client in self.alive:
            if client not in there:
                self._notes.append(f"the client '{client.name}' is gone; going on with {len(there)}.")
                client.close()
        self.alive = there
        if not there:
            raise RecipeError("no client of the federated training is left; check their photos, and start again.")
        return answered


@contextmanager
def client_processes(
    painting: Tensor, photos: Sequence[Path], settings: TrainStyleSettings
) -> Iterator[ClientProcesses]:
    """Start a client for each folder of photos; they end with the block.

    Args:
        painting: (1, 3, H, W) sRGB in [0, 1].
        photos: files; those of one folder belong to one client.
        settings: of the training.
    Raises:
        RecipeError: they lie in one folder only.
    """
    folders = by_folder(photos)
    batches = pieces([len(own) for own in folders.values()], settings)
    context = mp.get_context("spawn")
    threads = max(1, (os.cpu_count() or 1) // len(folders))
    clients = []
    try:
        for number, (folder, own) in enumerate(folders.items()):
            mine, its = context.Pipe()
            theirs = settings.model_copy(update={"batch": batches[number]})
            given = (its, painting.numpy(), own, theirs, number, threads)
            process = context.Process(target=work, args=given, daemon=True)
            process.start()
            its.close()
            clients.append(_Client(folder.name, process, mine, len(own)))
        yield ClientProcesses(clients)
    finally:
        for client in clients:
            client.close()


def pieces(photos: Sequence[int], settings: TrainStyleSettings) -> list[int]:
    """Share out the pieces of a round, `batch` for each client: by their photos, as their updates count.

    A client that counts for half of the update then learns from half of the pieces, so that no update that counts for
    much is noisier than another. Clipped updates count alike, and their clients learn from as many pieces.

    Args:
        photos: of each client.
        settings: of the training.
    Example:
        >>> pieces([30, 10], TrainStyleSettings(batch=4))
        [6, 2]
    """
    if settings.clip is not None:
        return [settings.batch] * len(photos)
    each = settings.batch * len(photos) / sum(photos)
    return [max(1, round(each * count)) for count in photos]


def by_folder(photos: Sequence[Path]) -> dict[Path, list[Path]]:
    """Group photos by the folder they lie in.

    Raises:
        RecipeError: that is only one.
    """
    found: dict[Path, list[Path]] = {}
    for path in photos:
        found.setdefault(path.parent, []).append(path)
    if len(found) < 2:
        raise RecipeError("a federated training has a folder of photos for each client, two or more; got one folder.")
    return found


def work(
    connection: Connection,
    painting: Any,
    photos: Sequence[Path],
    settings: TrainStyleSettings,
    number: int,
    threads: int,
) -> None:
    """Be a client, until the server hangs up: learn from these photos, and send updates only."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server ends it
    torch.set_num_threads(threads)
    own = settings.model_copy(update={"seed": settings.seed * 1009 + number})
    learner = StyleLearner(torch.from_numpy(painting), photos, own)
    with suppress(EOFError, OSError, ReverieError):  # a client that cannot learn is one that is gone
        while True:
            connection.send(_answer(learner, settings, connection.recv()))


def _answer(learner: StyleLearner, settings: TrainStyleSettings, question: tuple[Any, ...]) -> Any:
    if question[0] == "weigh":
        return learner.weigh()
    _, step, plain, weight, smoothness = question
    learner.take_terms(weight, smoothness)
    weights = {key: torch.from_numpy(values) for key, values in plain.items()}
    found = local_update(learner, weights, learner.batch, step, count=settings.local_steps, rate=LOCAL_RATE)
    told = {} if settings.noise else found.losses  # which would give away what the noise hides
    losses = {name: float(value) for name, value in told.items()}
    return {key: x.numpy() for key, x in found.gradients.items()}, losses
