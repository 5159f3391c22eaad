"""Number of workers of a machine or a cluster, and of threads for each."""

from __future__ import annotations

import os
from dataclasses import dataclass

from reverie.engine.joining import check_room, join, ray_module

CORES = 2  # of each worker on a cluster of other machines


@dataclass(frozen=True)
class Workers:
    """Workers of a cluster and threads of each; `own` if the cluster was started for them."""

    count: int
    threads: int
    own: bool


def join_workers(address: str, *, most: int, count: int | None = None) -> Workers:
    """Join a cluster and choose its number of workers.

    Args:
        address: "local" starts one on this machine; otherwise HOST:PORT.
        most: workers that have something to do.
        count: as asked for; by default one for every two cores.
    Raises:
        RecipeError: Ray is not installed, there is no such cluster, or it has no room for so many.
    """
    here = count or local_workers(most)
    threads = max(1, (os.cpu_count() or 1) // here) if address == "local" else CORES
    own = join(address, cpus=here * threads)
    room = max(1, int(ray_module().cluster_resources().get("CPU", 1)) // threads)
    workers = here if address == "local" else count or max(1, min(most, room))
    check_room(workers, cpus=threads)
    return Workers(workers, threads, own)


def local_workers(most: int) -> int:
    """Number of workers that suit this machine: one for every two cores, at most one for each item."""
    return max(1, min(most, (os.cpu_count() or 1) // 2))
