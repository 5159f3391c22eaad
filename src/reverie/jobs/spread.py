"""A crew of Ray actors: the items of a batch over the machines of a cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import torch

from reverie.engine.joining import check_room, join, leave, the_ray
from reverie.jobs.crew import OFTEN, Crew, Ended, Event, Stepped, telling, workers_here
from reverie.jobs.items import Item
from reverie.networks.zoo import keep_loaded

CORES = 2  # of each worker on a cluster of other machines


class Spread(Crew):
    """Workers that are Ray actors. Inputs and outputs must have the same paths on all machines.

    Args:
        address: "local" or HOST:PORT.
        most: items there are.
        count: workers; by default one for every two cores of the cluster.
    Raises:
        RecipeError: Ray is not installed, there is no such cluster, or it has no room for so many.
    """

    def __init__(self, address: str, *, most: int, count: int | None = None) -> None:
        here = count or workers_here(most)
        threads = max(1, (os.cpu_count() or 1) // here) if address == "local" else CORES
        self._own = join(address, cpus=here * threads)
        ray = the_ray()
        room = max(1, int(ray.cluster_resources().get("CPU", 1)) // threads)
        self.count = here if address == "local" else count or max(1, min(most, room))
        check_room(self.count, cpus=threads)
        machines = max(1, len([node for node in ray.nodes() if node["Alive"]]))
        self._arguments = (threads, min(1.0, machines / self.count))
        self._actors: list[Any] = [None] * self.count
        self._running: dict[int, tuple[Item, float, Any]] = {}

    @property
    def free(self) -> bool:
        """Whether a worker has nothing to do."""
        return len(self._running) < len(self._actors)

    @property
    def busy(self) -> bool:
        """Whether a worker has something to do."""
        return bool(self._running)

    def give(self, item: Item) -> None:
        """Have a free worker make an item."""
        number = next(n for n in range(len(self._actors)) if n not in self._running)
        if self._actors[number] is None:
            self._actors[number] = self._actor()
        told = self._actors[number].make.remote(item)
        self._running[number] = (item, time.monotonic(), told)

    def wait(self, seconds: float) -> list[Event]:
        """What happened, at the latest after this time."""
        waiting = {told: number for number, (_, _, told) in self._running.items()}
        ready, _ = the_ray().wait(list(waiting), timeout=seconds, num_returns=1)
        return [self._heard(waiting[told]) for told in ready]

    def close(self) -> None:
        """End the actors, and the cluster where it was started for them."""
        ray = the_ray()
        if ray.is_initialized():
            for actor in filter(None, self._actors):
                ray.kill(actor)
            if self._own:
                leave()
        self._actors, self._running = [], {}

    def _actor(self) -> Any:
        threads = self._arguments[0]
        return the_ray().remote(Maker).options(num_cpus=threads, max_restarts=0).remote(*self._arguments)

    def _heard(self, number: int) -> Event:
        item, began, told = self._running[number]
        ray = the_ray()
        try:
            said = ray.get(next(told))
        except (ray.exceptions.RayError, StopIteration) as error:
            died = isinstance(error, ray.exceptions.RayActorError)
            said = "its worker died; there may be too little memory." if died else f"Ray: {type(error).__name__}."
            self._actors[number] = None
        if isinstance(said, float):
            return Stepped(item, said)
        del self._running[number]
        return Ended(item, time.monotonic() - began, said or None)


class Maker:
    """What runs in an actor; its network stays loaded."""

    def __init__(self, threads: int, share: float) -> None:
        torch.set_num_threads(threads)
        keep_loaded()
        self._share = share

    def make(self, item: Item) -> Iterator[float | str]:
        """Make an item; what is told of it, not too often."""
        last = 0.0
        for said in telling(item, self._share):
            if isinstance(said, str) or time.monotonic() - last > OFTEN:
                yield said
                last = time.monotonic()
