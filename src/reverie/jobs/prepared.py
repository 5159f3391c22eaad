"""A job prepared to run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from reverie.crafts.craft import Craft
from reverie.engine import Plan, Run
from reverie.jobs.job import Job
from reverie.jobs.record import Record
from reverie.jobs.writers.writer import Photo


@dataclass(frozen=True, eq=False)
class PreparedJob:
    """A prepared job: files checked, inputs read, every automatic choice made.

    Attributes:
        job: as it was asked for.
        craft: of the job.
        record: with the settings that are used.
        run, plan: what runs, and how.
        photo: what the result takes over from it.
        shown: captions and pictures of a comparison.
    """

    job: Job
    craft: Craft[..., Any]
    record: Record
    run: Run
    plan: Plan
    photo: Photo
    shown: Sequence[tuple[str, torch.Tensor]]
    files: Sequence[Path]
