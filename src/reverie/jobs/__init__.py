"""Jobs: requests, the one place that executes them, and runs that survive being stopped or killed."""

from reverie.jobs.checkpoints import Checkpoints, read_state, write_state
from reverie.jobs.events import Event
from reverie.jobs.folder import Folder, begin, holds_job, reopen
from reverie.jobs.job import Job
from reverie.jobs.kept_run import KeptRun, Source
from reverie.jobs.machines import Machines
from reverie.jobs.perform import perform, resume
from reverie.jobs.record import Record, read_record
from reverie.jobs.replay import replayed
from reverie.jobs.schedule import CheckpointSchedule
from reverie.jobs.states import flatten, unflatten

__all__ = [
    "CheckpointSchedule",
    "Checkpoints",
    "Event",
    "Folder",
    "Job",
    "KeptRun",
    "Machines",
    "Record",
    "Source",
    "begin",
    "flatten",
    "holds_job",
    "perform",
    "read_record",
    "read_state",
    "reopen",
    "replayed",
    "resume",
    "unflatten",
    "write_state",
]
