"""Jobs: runs that survive being stopped or killed."""

from reverie.jobs.checkpoints import Checkpoints, read_state, write_state
from reverie.jobs.folder import Folder, Job, Source, begin, holds_job, reopen
from reverie.jobs.pace import Pace
from reverie.jobs.states import flatten, unflatten

__all__ = [
    "Checkpoints",
    "Folder",
    "Job",
    "Pace",
    "Source",
    "begin",
    "flatten",
    "holds_job",
    "read_state",
    "reopen",
    "unflatten",
    "write_state",
]
