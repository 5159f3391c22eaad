"""The engine: stages, executors, one evaluation, and the generator that runs them."""

from reverie.engine.evaluate import Evaluation, bind, evaluate
from reverie.engine.executors import Executor, WholeExecutor
from reverie.engine.stages import Stage, octaves, pyramid
from reverie.engine.tiles import TiledExecutor
from reverie.engine.synthesize import Iterate, synthesize

__all__ = ["Evaluation", "Executor", "Iterate", "Stage", "TiledExecutor", "WholeExecutor", "bind", "evaluate", "octaves", "pyramid", "synthesize"]
