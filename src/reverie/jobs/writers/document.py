"""Write a page, or leave it to the craft what is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reverie.files import replacing
from reverie.jobs.events import Event
from reverie.jobs.record import Record
from reverie.jobs.report import StepLosses
from reverie.jobs.writers.writer import Writer


@dataclass(eq=False)
class DocumentWriter(Writer):
    """Writes a page that needs nothing else, with its record inside.

    Attributes:
        record: of the run.
        output: the page's file.
    """

    record: Record
    output: Path
    history: list[StepLosses] = field(default_factory=list)
    _written: tuple[Path, ...] = ()

    @property
    def written(self) -> tuple[Path, ...]:
        """The page."""
        return self._written or (self.output,)

    def stepped(self, step: Any) -> Iterator[Event]:
        """Write nothing before the end."""
        return iter(())

    def finish(self, step: Any, *, whole: bool) -> Iterator[Event]:
        """Write the page, once all of it is there."""
        if whole:
            self.said, self.figures = tuple(step.found.lines), step.found.figures
            record = self.record.model_copy(update={"figures": dict(self.figures)}).to_json()
            with replacing(self.output) as draft:
                draft.file.write(step.document)
                draft.file.write(f"<!-- {record.replace('--', '-&#45;')} -->\n".encode())
            self._written = (self.output,)
        return iter(())


@dataclass(eq=False)
class ReportWriter(Writer):
    """Lets a task write its own files.

    Attributes:
        output: where to.
    """

    output: Path
    history: list[StepLosses] = field(default_factory=list)
    said: tuple[str, ...] = ()

    @property
    def written(self) -> tuple[Path, ...]:
        """The file or the folder."""
        return (self.output,)

    def stepped(self, step: Any) -> Iterator[Event]:
        """Write nothing before the end."""
        return iter(())

    def finish(self, step: Any, *, whole: bool) -> Iterator[Event]:
        """Write everything."""
        self.said = tuple(step.write(self.output))
        return iter(())
