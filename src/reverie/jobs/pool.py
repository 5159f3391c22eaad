"""A pool of workers that make one item at a time each; the death of one is an event and ends nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

import torch

from reverie.errors import ReverieError
from reverie.jobs.events import Began, Stepped
from reverie.jobs.items import Item
from reverie.jobs.machines import Machines
from reverie.jobs.perform import perform
from reverie.jobs.processes import OFTEN, WorkerProcess, describe_death, end_with_parent


@dataclass(frozen=True)
class ItemStepped:
    """Progress of an item, in [0, 1]."""

    item: Item
    done: float


@dataclass(frozen=True)
class ItemEnded:
    """End of an item: made, or failed with one line of error.

    Attributes:
        smaller: side of the tiles that may do, pixels, where its worker was killed as when memory runs out.
    """

    item: Item
    seconds: float
    error: str | None
    smaller: int | None = None


@dataclass(frozen=True)
class ItemProgress:
    """Progress of an item, as its worker reports it.

    Attributes:
        done: share of its run, in [0, 1].
        smaller: side of the tiles to try if its worker is killed now, pixels; None where they cannot be smaller.
    """

    done: float
    smaller: int | None


Event = ItemStepped | ItemEnded


class WorkerPool(ABC):
    """Pool of workers: give items while one is free, wait for events, close at the end."""

    @property
    @abstractmethod
    def free(self) -> bool:
        """True if a worker has nothing to do."""

    @property
    @abstractmethod
    def busy(self) -> bool:
        """True if a worker has something to do."""

    @abstractmethod
    def give(self, item: Item) -> None:
        """Have a free worker make an item."""

    @abstractmethod
    def wait(self, seconds: float) -> list[Event]:
        """Wait for events, at most for this time."""

    @abstractmethod
    def close(self) -> None:
        """Kill the workers, whatever they are doing: no file is left half written."""


class ProcessPool(WorkerPool):
    """Pool of processes on this machine.

    Args:
        count: how many; they share cores and memory evenly.
        threads: of PyTorch in each; by default the cores divided by the workers.
    """

    def __init__(self, count: int, *, threads: int | None = None) -> None:
        each = threads or max(1, (os.cpu_count() or 1) // count)
        self._workers = [_Worker(each, 1 / count) for _ in range(count)]

    @property
    def free(self) -> bool:
        """True if a worker has nothing to do."""
        return any(w.item is None for w in self._workers)

    @property
    def busy(self) -> bool:
        """True if a worker has something to do."""
        return any(w.item is not None for w in self._workers)

    def give(self, item: Item) -> None:
        """Have a free worker make an item."""
        next(w for w in self._workers if w.item is None).give(item)

    def wait(self, seconds: float) -> list[Event]:
        """Wait for events, at most for this time."""
        at_work = [w for w in self._workers if w.item is not None]
        wait([w.process.pipe for w in at_work], timeout=seconds)
        return [event for w in at_work for event in w.receive()]

    def close(self) -> None:
        """Kill the processes."""
        for worker in self._workers:
            worker.process.end()


class _Worker:
    """A process that makes one item at a time, and its item."""

    def __init__(self, threads: int, share: float) -> None:
        self.process = WorkerProcess(work, threads, share)
        self.item: Item | None = None
        self._smaller: int | None = None

    def give(self, item: Item) -> None:
        self.item, self._began, self._smaller = item, time.monotonic(), None
        self.process.give(item)

    def receive(self) -> list[Event]:
        """Receive the process's messages, its death included."""
        events: list[Event] = []
        try:
            while self.item is not None and self.process.pipe.poll():
                said = self.process.pipe.recv()
                if isinstance(said, ItemProgress):
                    self._smaller = said.smaller
                    events.append(ItemStepped(self.item, said.done))
                else:
                    events.append(self._ended(said or None))
        except (EOFError, OSError):
            code = self.process.exit_code()
            smaller = self._smaller if code == -signal.SIGKILL else None
            events.append(self._ended(describe_death(code), smaller))
        return events

    def _ended(self, error: str | None, smaller: int | None = None) -> ItemEnded:
        item, self.item = self.item, None
        if item is None:
            raise RuntimeError("a worker ended nothing")
        return ItemEnded(item, time.monotonic() - self._began, error, smaller)


def work(pipe: Connection, threads: int, share: float) -> None:
    """Run a worker: make items until there are no more, or until the parent process is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who gives the items
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    with contextlib.suppress(EOFError, OSError):
        while True:
            for said in make_item(pipe.recv(), share):
                pipe.send(said)


def make_item(item: Item, share: float) -> Iterator[ItemProgress | str]:
    """Make an item; yield its progress now and then, then one line of error, empty if it is made."""
    last, smaller = 0.0, None
    try:
        for event in perform(item.job, Machines(share=share, tile=item.tile)):
            if isinstance(event, Began):
                smaller = event.smaller
                yield ItemProgress(0.0, smaller)
            elif isinstance(event, Stepped) and time.monotonic() - last > OFTEN:
                yield ItemProgress(event.step.done, smaller)
                last = time.monotonic()
        yield ""
    except ReverieError as error:
        yield " ".join(str(error).split())
    except MemoryError:
        yield "there is not enough memory for this; try a smaller --size."
    except Exception as error:
        yield f"{type(error).__name__}: {' '.join(str(error).split())[:300]} (a fault of Reverie's)"
