"""A run of several syntheses one after another, whose pictures are shown together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from reverie.engine.executors import Executor
from reverie.engine.findings import Findings
from reverie.engine.iterates import Iterate, State
from reverie.engine.plan import Plan, plan
from reverie.engine.runs import Losses
from reverie.engine.stages import Size
from reverie.engine.synthesize import Synthesis
from reverie.errors import RecipeError
from reverie.networks.used import NetworkUsed


@dataclass(frozen=True, eq=False)
class Showing:
    """What becomes of the pictures of a series.

    Attributes:
        image: that shows them, (1, 3, H, W) in [0, 1].
        alpha: of the image, (1, 1, H, W) in [0, 1]; None where it is opaque.
        document: the bytes of a page that shows them, where the craft makes a page.
        found: the figures beside them.
    """

    image: Tensor
    alpha: Tensor | None = None
    document: bytes | None = None
    found: Findings = field(default_factory=Findings)


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures that are made together, by one synthesis of a series.

    Attributes:
        build: makes the synthesis, when its turn comes.
        work: pixels times steps times pictures, by which the time is planned.
    """

    build: Callable[[], Synthesis]
    work: float


@dataclass(frozen=True, eq=False)
class SeriesStep:
    """A step of a series.

    Attributes:
        number, count: of the synthesis, from 0, and how many there are.
        before, steps: steps of the syntheses before this one, and of all.
        iterate: within the synthesis.
        finished: pictures of the syntheses that are done, each (B, 3, H, W), in 255ths.
        show: from pictures to what shows them, without figures.
        showing: at the last step, with figures; None before.
    """

    number: int
    count: int
    before: int
    steps: int
    iterate: Iterate
    finished: Sequence[Tensor]
    show: Callable[[Sequence[Tensor]], Showing]
    showing: Showing | None = None

    @property
    def done(self) -> float:
        """Share of all syntheses that is done."""
        return (self.number + self.iterate.done) / self.count

    @property
    def last(self) -> bool:
        """True if everything is made and shown."""
        return self.showing is not None

    @property
    def at(self) -> tuple[int, int]:
        """Number of the synthesis, from 1, and the step in it, over its stages."""
        return self.number + 1, self.before + self.iterate.step

    @property
    def losses(self) -> Losses:
        """Losses of the synthesis."""
        return self.iterate.losses

    @property
    def total(self) -> float:
        """Value of the synthesis's objective."""
        return self.iterate.total

    @property
    def place(self) -> str:
        """Number of the synthesis, and the position in it."""
        return f"{self.number + 1}/{self.count}  {self.iterate.place}"

    @property
    def pictures(self) -> list[Tensor]:
        """Pictures so far, each (B, 3, H, W) in [0, 1]: of each synthesis that is done, and of the present one."""
        done = [as_float(each) for each in self.finished]
        return done if len(done) > self.number else [*done, self.iterate.image]

    @property
    def image(self) -> Tensor:
        """What shows the pictures so far."""
        return self._shown.image

    @property
    def alpha(self) -> Tensor | None:
        """Alpha of the image; None where it is opaque."""
        return self._shown.alpha

    @property
    def document(self) -> bytes | None:
        """Page that shows the pictures; None where the craft makes a picture."""
        return self._shown.document

    @property
    def found(self) -> Findings:
        """Figures beside the pictures, at the last step."""
        return Findings() if self.showing is None else self.showing.found

    @property
    def _shown(self) -> Showing:
        return self.show(self.pictures) if self.showing is None else self.showing

    def facts(self) -> dict[str, Any]:
        """Facts of the synthesis, and its number."""
        own = {"synthesis": self.number + 1, "syntheses": self.count, "done": round(self.done, 6)}
        return {**self.iterate.facts(), **own}

    def state(self) -> State:
        """Return all the run needs to go on from here."""
        inner = None if self.last or len(self.finished) > self.number else self.iterate.state()
        return {"finished": [each.clone() for each in self.finished], "run": inner}


@dataclass(frozen=True, eq=False)
class Series:
    """Several syntheses, one after another, and what is made of their pictures.

    Attributes:
        batches: of pictures; all for one network.
        size: (H, W) of what shows them, as far as it is known.
        show: from the pictures of all of them, or of the first ones, to what shows them.
        conclude: likewise, with figures, once all are there; `show` by default.
        draw: from the number of a synthesis and its last iterate to its pictures; the iterate's image by default.
        notes: see `Run`.
    """

    batches: Sequence[Batch]
    size: Size
    show: Callable[[Sequence[Tensor]], Showing]
    conclude: Callable[[Sequence[Tensor]], Showing] | None = None
    draw: Callable[[int, Iterate], Tensor] | None = None
    notes: Sequence[str] = ()
    used: Sequence[NetworkUsed] = field(default=())
    least: None = None

    def __post_init__(self) -> None:
        if not self.batches:
            raise RecipeError("a series makes at least one picture.")

    @property
    def networks(self) -> Sequence[NetworkUsed]:
        """The network that all of them look with."""
        network = self._first.network
        return [NetworkUsed(network.name, network.sha256), *self.used]

    @property
    def precision(self) -> str:
        """Precision of the network."""
        return str(self._first.network.dtype).removeprefix("torch.")

    @property
    def device(self) -> str:
        """Device of the network."""
        return str(self._first.network.device)

    def planned(self, *, memory: str | None = None, tile: int | None = None) -> Plan:
        """Plan the synthesis that takes longest, as often as there are others like it."""
        most = max(self.batches, key=lambda batch: batch.work)
        longest = plan(most.build(), tile=0)
        seconds = longest.seconds * sum(batch.work for batch in self.batches) / most.work
        return replace(longest, size=self.size, result=self.size, seconds=seconds)

    def steps(
        self, plan: Plan, *, executor: Executor | None = None, state: State | None = None
    ) -> Iterator[SeriesStep]:
        """Yield the steps of all syntheses; the last one has what shows them all."""
        finished: list[Tensor] = [] if state is None else list(state["finished"])
        inner = None if state is None else state["run"]
        for number in range(len(finished), len(self.batches)):
            synthesis = self.batches[number].build()
            for iterate in synthesis.run(executor=executor, state=inner):
                inner = None
                step = self._step(number, synthesis, iterate, finished)
                if not iterate.last:
                    yield step
            finished.append(as_bytes(self._drawn(number, iterate)))
            over = number + 1 == len(self.batches)
            yield replace(step, showing=self._concluded(finished) if over else None)

    @cached_property
    def _first(self) -> Synthesis:
        return self.batches[0].build()

    def _step(self, number: int, synthesis: Synthesis, iterate: Iterate, finished: list[Tensor]) -> SeriesStep:
        stages = synthesis.stages
        before = sum(stage.steps for stage in stages[: iterate.stage - 1])
        total = sum(stage.steps for stage in stages)
        return SeriesStep(number, len(self.batches), before, total, iterate, finished, self.show)

    def _drawn(self, number: int, iterate: Iterate) -> Tensor:
        return iterate.image if self.draw is None else self.draw(number, iterate)

    def _concluded(self, finished: Sequence[Tensor]) -> Showing:
        with torch.inference_mode(False):
            return (self.conclude or self.show)([as_float(each) for each in finished])


def as_bytes(pictures: Tensor) -> Tensor:
    """Round pictures in [0, 1] to 255ths, in a quarter of the memory."""
    return pictures.detach().mul(255).round().clamp(0, 255).to("cpu", torch.uint8)


def as_float(pictures: Tensor) -> Tensor:
    """Convert pictures in 255ths to [0, 1]."""
    return pictures.float().div(255)
