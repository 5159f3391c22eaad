"""Pool of Ray actors, which distributes the items of a batch over a cluster's machines."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import torch

from reverie.engine.joining import leave, ray_module
from reverie.jobs.items import Item
from reverie.jobs.pool import Event, ItemEnded, ItemProgress, ItemStepped, WorkerPool, make_item
from reverie.jobs.workers import join_workers


class RayPool(WorkerPool):
    """Pool of Ray actors. Inputs and outputs must have the same paths on all machines.

    Args:
        address: "local" or HOST:PORT.
        most: items there are.
        count: workers; by default one for every two cores of the cluster.
    Raises:
        RecipeError: Ray is not installed, there is no such cluster, or it has no room for so many.
    """

    def __init__(self, address: str, *, most: int, count: int | None = None) -> None:
        workers = join_workers(address, most=most, count=count)
        self.count, self._own = workers.count, workers.own
        machines = max(1, len([node for node in ray_module().nodes() if node["Alive"]]))
        self._arguments = (workers.threads, min(1.0, machines / self.count))
        self._actors: list[Any] = [None] * self.count
        self._running: dict[int, tuple[Item, float, Any]] = {}
        self._smaller: dict[int, int | None] = {}

    @property
    def free(self) -> bool:
        """True if a worker has nothing to do."""
        return len(self._running) < len(self._actors)

    @property
    def busy(self) -> bool:
        """True if a worker has something to do."""
        return bool(self._running)

    def give(self, item: Item) -> None:
        """Have a free worker make an item."""
        number = next(n for n in range(len(self._actors)) if n not in self._running)
        if self._actors[number] is None:
            self._actors[number] = self._actor()
        told = self._actors[number].make.remote(item)
        self._running[number] = (item, time.monotonic(), told)
        self._smaller[number] = None

    def wait(self, seconds: float) -> list[Event]:
        """Wait for events, at most for this time."""
        waiting = {told: number for number, (_, _, told) in self._running.items()}
        ready, _ = ray_module().wait(list(waiting), timeout=seconds, num_returns=1)
        return [self._receive(waiting[told]) for told in ready]

    def close(self) -> None:
        """Kill the actors, and shut down the cluster if it was started for them."""
        ray = ray_module()
        if ray.is_initialized():
            for actor in filter(None, self._actors):
                ray.kill(actor)
            if self._own:
                leave()
        self._actors, self._running = [], {}

    def _actor(self) -> Any:
        threads = self._arguments[0]
        return ray_module().remote(ItemActor).options(num_cpus=threads, max_restarts=0).remote(*self._arguments)

    def _receive(self, number: int) -> Event:
        item, began, told = self._running[number]
        ray, died = ray_module(), False
        try:
            said = ray.get(next(told))
        except (ray.exceptions.RayError, StopIteration) as error:
            died = isinstance(error, ray.exceptions.RayActorError | ray.exceptions.OutOfMemoryError)
            said = "its worker died; there may be too little memory." if died else f"Ray: {type(error).__name__}."
            self._actors[number] = None
        if isinstance(said, ItemProgress):
            self._smaller[number] = said.smaller
            return ItemStepped(item, said.done)
        del self._running[number]
        return ItemEnded(item, time.monotonic() - began, said or None, self._smaller[number] if died else None)


class ItemActor:
    """Actor that makes items."""

    def __init__(self, threads: int, share: float) -> None:
        torch.set_num_threads(threads)
        self._share = share

    def make(self, item: Item) -> Iterator[ItemProgress | str]:
        """Make an item, yielding its progress."""
        yield from make_item(item, self._share)
