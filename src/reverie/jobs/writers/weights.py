"""Write a network, and previews while it is trained."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reverie.feedforward.johnson import write_johnson
from reverie.jobs.events import Event
from reverie.jobs.folder import Folder
from reverie.jobs.outputs import beside
from reverie.jobs.record import Record
from reverie.jobs.report import StepLosses
from reverie.jobs.writers.writer import Writer
from reverie.pictures import write_image

PREVIEW = "preview.png"
"""Preview of the network's current paintings, in the folder of a training."""
_LOOK = 60.0  # seconds between previews


@dataclass(eq=False)
class WeightsWriter(Writer):
    """Writes a network with its metadata, and a preview beside it.

    Attributes:
        record: of the run.
        output: the network's file.
        folder: in which the run is kept.
        photos: how many it learns from.
    """

    record: Record
    output: Path
    folder: Folder
    photos: int
    history: list[StepLosses] = field(default_factory=list)
    _written: tuple[Path, ...] = ()
    _looked: float = field(default_factory=time.monotonic)

    @property
    def written(self) -> tuple[Path, ...]:
        """The network and its preview, relative to the current folder if they lie in it."""
        here = Path.cwd()
        every = self._written or (self.output,)
        return tuple(path.relative_to(here) if path.is_relative_to(here) else path for path in every)

    def stepped(self, step: Any) -> Iterator[Event]:
        """Write a preview now and then."""
        if time.monotonic() - self._looked > _LOOK:
            write_image(self.folder.path / PREVIEW, step.preview(), into=self.folder.owned.replacing)
            self._looked = time.monotonic()
        return iter(())

    def finish(self, step: Any, *, whole: bool) -> Iterator[Event]:
        """Write the network, once it is trained."""
        if whole:
            preview = self.folder.owned.beside
            write_johnson(self.output, replace(step.network, facts=self._facts(step)))
            shown = write_image(beside(self.output, "preview", ".png"), step.preview(), into=preview)
            self._written = (self.output, shown)
        return iter(())

    def _facts(self, step: Any) -> dict[str, Any]:
        """Build the file's metadata: how the network was trained, and on what."""
        record, (judge, *_) = self.record, self.record.networks
        return {
            "painting": Path(record.inputs[0].path).name,
            "painting_sha256": record.inputs[0].sha256,
            "judge": judge.name,
            "judge_sha256": judge.sha256,
            "settings": dict(record.settings),
            "style_weight": step.learner.weight,
            "steps": step.step,
            "seconds": round(step.seconds, 1),
            "photos": self.photos,
            "losses": {name: round(value, 5) for name, value in step.losses.items()},
            "reverie": record.reverie,
            "torch": record.torch,
        }
