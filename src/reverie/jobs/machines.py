"""Machines that run a job: this process, or the workers of a Ray cluster, tile by tile."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from reverie.crafts.settings import Settings
from reverie.engine import Executor, Plan, RayExecutor, Run
from reverie.engine.joining import leave, ray_module
from reverie.engine.memory import free_memory, parse_memory, resident
from reverie.engine.plan import TILES
from reverie.engine.runs import Frames, Optimisation
from reverie.errors import RecipeError
from reverie.jobs.workers import Workers, join_workers, local_workers

LOCAL = "local"
S = TypeVar("S", bound=Settings)


class Machines:
    """Plans runs and provides their executors; a cluster is joined when first needed, and left on close.

    Args:
        cluster: "local", or HOST:PORT of a Ray cluster; None computes in this process.
        workers: of the cluster; None takes as many as suit it.
        share: of the memory that is allowed, in (0, 1]: the workers of a batch divide it.
        tile: side of the tiles, pixels, whatever the settings say: larger ones were too large for the memory.
    Raises:
        RecipeError: workers without a cluster, or Ray is not installed.
    """

    def __init__(
        self, cluster: str | None = None, workers: int | None = None, *, share: float = 1.0, tile: int | None = None
    ) -> None:
        if cluster is None and workers is not None:
            raise RecipeError("--workers are a cluster's; give --cluster local or HOST:PORT as well.")
        if cluster is not None:
            ray_module()
        self._address, self._wished, self._part, self._tile = cluster, workers, share, tile
        self._workers_joined: Workers | None = None
        self._executor: RayExecutor | None = None

    @property
    def distributed(self) -> bool:
        """True if it is a cluster."""
        return self._address is not None

    def shared_by(self, processes: int | None) -> Machines:
        """Return the same for one of several processes, which have an equal share of the memory each."""
        if processes is None:
            return self
        return Machines(self._address, self._wished, share=self._part / processes, tile=self._tile)

    def settings(self, settings: S) -> S:
        """Set this process's share of the memory, or the smaller tiles of a retry."""
        if not {"memory", "tile"} <= type(settings).model_fields.keys():
            return settings
        if self._tile is not None:
            return settings.model_copy(update={"tile": self._tile, "memory": None})
        memory, tile = getattr(settings, "memory", None), getattr(settings, "tile", None)
        if self._part == 1 or (memory is None and tile is not None):
            return settings
        return settings.model_copy(update={"memory": str(memory_for(memory, self._part))})

    def plan(self, run: Run, settings: Settings) -> Plan:
        """Plan a run; on a cluster, in tiles that fit a worker's memory, at least one for each worker.

        Raises:
            OutOfMemory: not even the smallest tile fits.
            RecipeError: a layer sees the whole picture, so that it cannot be cut; or there is no such cluster.
        """
        memory, tile = getattr(settings, "memory", None), getattr(settings, "tile", None)
        if self._address is None or tile == 0 or not isinstance(run, Optimisation | Frames):
            return run.planned(memory=memory, tile=tile)
        if tile is not None:
            return run.planned(memory=None if memory is None else str(self._memory(memory)), tile=tile)
        chosen = run.planned(memory=str(self._memory(memory)))
        side = min(chosen.tile or max(chosen.size), _for_each(self._workers(), chosen.size))
        return replace(run.planned(tile=side), limit=chosen.limit)

    def executor(self, chosen: Plan) -> Executor | None:
        """Return the executor of a plan; None leaves it to the plan."""
        if self._address is None or not chosen.tile:
            return None
        workers = self._joined(self._address)
        self._executor = RayExecutor(workers.count, tile=chosen.tile, address=self._address, threads=workers.threads)
        return self._executor

    def close(self) -> None:
        """End the workers, and the cluster where it was started here."""
        if self._executor is not None:
            self._executor.close()
        if self._workers_joined is not None and self._workers_joined.own:
            leave()
        self._executor = self._workers_joined = None

    def _workers(self) -> int:
        """Count the workers; the cluster of other machines has to be asked."""
        if self._wished is not None:
            return self._wished
        return local_workers(2**31) if self._address in (None, LOCAL) else self._joined(str(self._address)).count

    def _memory(self, memory: str | None) -> int:
        """Return the bytes for each worker; on one machine they share what there is."""
        allowed = free_memory() if memory is None else parse_memory(memory)
        own = resident()
        return own + max(0, allowed - own) // (self._workers() if self._address == LOCAL else 1)

    def _joined(self, address: str) -> Workers:
        self._workers_joined = self._workers_joined or join_workers(address, most=2**31, count=self._wished)
        return self._workers_joined


def memory_for(wished: str | None, share: float) -> int:
    """Return the bytes that a worker may use, including those it uses already.

    Args:
        wished: by the user, for all workers together; None: what is free.
        share: of that, in (0, 1].
    """
    if wished is not None:
        return int(parse_memory(wished) * share)
    own = resident()
    return int((free_memory() - own) * share) + own


def _for_each(workers: int, size: tuple[int, int]) -> int:
    """Return the largest tile that gives each worker at least one; the smallest if there is none."""
    enough = (tile for tile in TILES if -(-size[0] // tile) * -(-size[1] // tile) >= workers)
    return next(enough, TILES[-1])
