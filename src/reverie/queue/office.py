"""Questions that need PyTorch or may take much memory, put to a process of their own; see `clerk`."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from typing import Any

from reverie.errors import DiskFull, OutOfMemory, RecipeError
from reverie.queue.child import Child

Words = dict[str, Any]
IDLE = 90.0
"""Seconds without a question, after which the process is ended, for its memory."""
PATIENCE = 180.0
"""Seconds after which a question has failed; on a busy machine the clerk takes many of them to begin."""


class Office:
    """The clerk, begun with the first question and ended when there are no more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clerk: Child | None = None
        self._answers: dict[int, queue.SimpleQueue[Words | None]] = {}
        self._numbers = itertools.count(1)
        self._last = time.monotonic()
        self._ended = False

    def ask(self, question: str, **words: Any) -> Words:
        """Put a question and wait for its answer.

        Raises:
            RecipeError: the answer is a refusal, in one line, or there is none, as all ends.
            DiskFull: so it is, for want of room.
            OutOfMemory: it took too much memory or time.
        """
        with self._lock:
            if self._ended:
                raise RecipeError("the studio is ending; start it again.")
            number, answer = next(self._numbers), queue.SimpleQueue[Words | None]()
            self._answers[number] = answer
            if self._clerk is None:
                self._clerk = Child("reverie.queue.clerk", heard=self._heard, died=self._dead)
            clerk, self._last = self._clerk, time.monotonic()
        clerk.send({"number": number, "ask": question, **words})
        try:
            came = answer.get(timeout=PATIENCE)
        except queue.Empty:
            clerk.end()
            raise OutOfMemory(f"that took more than {PATIENCE:.0f} seconds; try something smaller.") from None
        finally:
            self._answers.pop(number, None)
        if came is None and self._ended:
            raise RecipeError("the studio is ending; start it again.")
        if came is None:
            raise OutOfMemory("that took more memory than there is; try something smaller.")
        if "refusal" in came:
            raise (DiskFull if came.get("full") else RecipeError)(str(came["refusal"]))
        found: Words = came["answer"]
        return found

    def rest(self) -> None:
        """End the clerk if it has had nothing to do for long."""
        with self._lock:
            idle = not self._answers and time.monotonic() - self._last > IDLE
            clerk = self._clerk
        if idle and clerk is not None:
            clerk.end()

    def end(self) -> None:
        """Take no more questions, and end the clerk; those who wait are told so."""
        self._ended = True
        if (clerk := self._clerk) is not None:
            clerk.end()

    def close(self) -> None:
        """End the clerk, and wait for that."""
        self.end()
        if (clerk := self._clerk) is not None:
            clerk.wait()

    def _heard(self, words: Words) -> None:
        answer = self._answers.get(words["number"])
        if answer is not None:
            answer.put(words)

    def _dead(self, _: int) -> None:
        with self._lock:
            self._clerk = None
            waiting = list(self._answers.values())
        for answer in waiting:
            answer.put(None)
