"""The engine: stages, executors, one evaluation, the planner, and the generator that runs them."""

from reverie.engine.cluster import RayExecutor
from reverie.engine.descent import Descent, Update
from reverie.engine.evaluate import Evaluation, bind, evaluate
from reverie.engine.executors import Executor, WholeExecutor
from reverie.engine.findings import Findings
from reverie.engine.fit import Learner, Training, TrainingStep, fit
from reverie.engine.iterates import Iterate, State
from reverie.engine.memory import parse_memory
from reverie.engine.plan import Plan, plan
from reverie.engine.runs import Frames, FrameStep, OnePass, Part, Run, Step
from reverie.engine.series import Batch, Series, SeriesStep, Showing
from reverie.engine.stages import Stage, cooling, octaves, pyramid
from reverie.engine.synthesize import Enlargement, Synthesis, synthesize
from reverie.engine.tasks import Task
from reverie.engine.tiles import TiledExecutor

__all__ = [
    "Batch",
    "Descent",
    "Enlargement",
    "Evaluation",
    "Executor",
    "Findings",
    "FrameStep",
    "Frames",
    "Iterate",
    "Learner",
    "OnePass",
    "Part",
    "Plan",
    "RayExecutor",
    "Run",
    "Series",
    "SeriesStep",
    "Showing",
    "Stage",
    "State",
    "Step",
    "Synthesis",
    "Task",
    "TiledExecutor",
    "Training",
    "TrainingStep",
    "Update",
    "WholeExecutor",
    "bind",
    "cooling",
    "evaluate",
    "fit",
    "octaves",
    "parse_memory",
    "plan",
    "pyramid",
    "synthesize",
]
