"""The queue: jobs in a journal that outlives every process, and the processes that do them.

Nothing here needs PyTorch but `worker` and `clerk`, which are processes of their own.
"""

from __future__ import annotations

from reverie.queue.entries import Entry
from reverie.queue.home import Home, queue_home
from reverie.queue.states import State
from reverie.queue.store import Store

__all__ = ["Entry", "Home", "State", "Store", "queue_home"]
