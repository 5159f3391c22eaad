"""The folder of a queue: its journal, the pictures that were brought, a folder for each job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reverie.files import data_folder, make_folder, remove

INPUTS, RUN, PREVIEW = "inputs", "run", "preview.jpg"


@dataclass(frozen=True)
class Home:
    """The folder of a queue.

    Attributes:
        path: of the folder; made with its first use.
    """

    path: Path

    @property
    def journal(self) -> Path:
        """The database."""
        return self.path / "queue.db"

    @property
    def lock(self) -> Path:
        """The file that the one process which gives out work has locked."""
        return self.path / "working.lock"

    def picture(self, id: str) -> Path:
        """Path of a picture that was brought; it has no suffix, and what it is says its content."""
        return self.path / "pictures" / id

    def small(self, kind: str, id: str, side: int) -> Path:
        """Path of the small copy of a picture, a result or a style."""
        return self.path / "small" / f"{kind}-{id}-{side}.jpg"

    def job(self, id: str) -> Path:
        """Folder of a job: its inputs by their names, its results, its run while it is kept."""
        return self.path / "jobs" / id

    def run(self, id: str) -> Path:
        """Folder in which a job's run is kept."""
        return self.job(id) / RUN

    def preview(self, id: str) -> Path:
        """Path of a job's picture on the way."""
        return self.job(id) / PREVIEW

    def forget(self, kind: str, id: str) -> None:
        """Remove the small copies of a file."""
        for path in (self.path / "small").glob(f"{kind}-{id}-*.jpg"):
            remove(path)

    def made(self) -> Home:
        """Make its folders where they are missing.

        Raises:
            FileError: they cannot be made.
        """
        for name in ("pictures", "small", "jobs"):
            make_folder(self.path / name, beside="name another --home")
        return self


def queue_home() -> Home:
    """Return the queue of this user: in ``$REVERIE_HOME``, or the platform's folder for data."""
    return Home(data_folder() / "studio")
