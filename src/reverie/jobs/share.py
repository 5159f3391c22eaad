"""How many workers a machine or a cluster has, and how many threads each."""

from __future__ import annotations

import os
from dataclasses import dataclass

from reverie.engine.joining import check_room, join, ray_module

CORES = 2  # of each worker on a cluster of other machines


@dataclass(frozen=True)
class Share:
    """What a cluster gives: so many workers of so many threads; `own` where it was started for them."""

    count: int
    threads: int
    own: bool


def share_out(address: str, *, most: int, count: int | None = None) -> Share:
    """Join a cluster and say how many workers it is to have.

    Args:
        address: "local" starts one on this machine; otherwise HOST:PORT.
        most: workers that have something to do.
        count: as asked for; by default one for every two cores.
    Raises:
        RecipeError: Ray is not installed, there is no such cluster, or it has no room for so many.
    """
    here = count or workers_here(most)
    threads = max(1, (os.cpu_count() or 1) // here) if address == "local" else CORES
    own = join(address, cpus=here * threads)
    room = max(1, int(ray_module().cluster_resources().get("CPU", 1)) // threads)
    workers = here if address == "local" else count or max(1, min(most, room))
    check_room(workers, cpus=threads)
    return Share(workers, threads, own)


def workers_here(most: int) -> int:
    """How many workers suit this machine: one for every two cores, no more than there are items."""
    return max(1, min(most, (os.cpu_count() or 1) // 2))
