"""Where a picture is computed: in this process, or tile by tile on the workers of a Ray cluster."""

from __future__ import annotations

from dataclasses import replace

from reverie.cli.outputs import Wishes
from reverie.engine import Executor, Plan, RayExecutor, Synthesis, parse_memory, plan
from reverie.engine.joining import leave, the_ray
from reverie.engine.memory import free_memory, resident
from reverie.engine.plan import BOUNDLESS, TILES
from reverie.errors import RecipeError
from reverie.jobs.crew import workers_here
from reverie.jobs.spread import Share, share_out
from reverie.recipes.settings import Settings

LOCAL = "local"


class Machines:
    """Plans runs and gives what runs them; a cluster is joined when it is first needed, and left at the close.

    Args:
        wishes: of the user; without a cluster everything happens in this process.
    Raises:
        RecipeError: workers without a cluster, or Ray is not installed.
    """

    def __init__(self, wishes: Wishes) -> None:
        if wishes.cluster is None and wishes.workers is not None:
            raise RecipeError("--workers are a cluster's; give --cluster local or HOST:PORT as well.")
        if wishes.cluster is not None:
            the_ray()
        self._address, self._wished = wishes.cluster, wishes.workers
        self._share: Share | None = None
        self._executor: RayExecutor | None = None

    def plan(self, settings: Settings, what: Synthesis) -> Plan:
        """How to run: on a cluster in tiles of which each worker gets one at least, and which fit its memory.

        Raises:
            OutOfMemory: not even the smallest tile fits.
            RecipeError: a layer sees the whole picture, so that it cannot be cut; or there is no such cluster.
        """
        if self._address is None or settings.tile == 0:
            return settings.plan(what)
        if settings.tile is not None:
            return plan(
                what, memory=BOUNDLESS if settings.memory is None else self._memory(settings), tile=settings.tile
            )
        chosen = plan(what, memory=self._memory(settings))
        tile = min(chosen.tile or max(chosen.size), _for_each(self._workers(), chosen.size))
        return replace(plan(what, memory=BOUNDLESS, tile=tile), limit=chosen.limit)

    def executor(self, chosen: Plan) -> Executor:
        """What runs a plan."""
        if self._address is None or not chosen.tile:
            return chosen.executor()
        share = self._joined(self._address)
        self._executor = RayExecutor(share.count, tile=chosen.tile, address=self._address, threads=share.threads)
        return self._executor

    def close(self) -> None:
        """End the workers, and the cluster where it was started here."""
        if self._executor is not None:
            self._executor.close()
        if self._share is not None and self._share.own:
            leave()
        self._executor = self._share = None

    def _workers(self) -> int:
        """How many; another machine's cluster has to be asked."""
        if self._wished is not None:
            return self._wished
        return workers_here(2**31) if self._address in (None, LOCAL) else self._joined(str(self._address)).count

    def _memory(self, settings: Settings) -> int:
        """Bytes for each worker: on one machine they share what there is."""
        allowed = free_memory() if settings.memory is None else parse_memory(settings.memory)
        own = resident()
        return own + max(0, allowed - own) // (self._workers() if self._address == LOCAL else 1)

    def _joined(self, address: str) -> Share:
        self._share = self._share or share_out(address, most=2**31, count=self._wished)
        return self._share


def _for_each(workers: int, size: tuple[int, int]) -> int:
    """The largest tile of which a picture has one for each worker; the smallest if it has none."""
    enough = (tile for tile in TILES if -(-size[0] // tile) * -(-size[1] // tile) >= workers)
    return next(enough, TILES[-1])
