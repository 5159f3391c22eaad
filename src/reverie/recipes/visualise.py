"""Feature visualisation: synthesise from noise a picture of what a channel, neuron, class or direction detects.

Source: Olah, Mordvintsev & Schubert (2017), "Feature Visualization". We differ: rectifiers let some gradient through
while they are off, at every step, so that silent units wake; and the step is a quarter as long, see `FourierCanvas`.
"""

from __future__ import annotations

from collections.abc import Iterator

from reverie.canvas import FourierCanvas
from reverie.engine import Iterate, Stage, synthesize
from reverie.networks import Network, load
from reverie.objectives import Objective
from reverie.optimisers import Adam
from reverie.views import View, compose, jitter, rotate, scale

RATE = 0.0125  # a quarter of lucid's .05: nothing is divided by 4 here
VIEWS = compose(jitter(8), scale(0.9, 1.1), rotate(5), jitter(4))


def visualise(
    objective: Objective,
    network: Network | str = "dreamnet",
    size: tuple[int, int] = (256, 256),
    *,
    view: View | None = VIEWS,
    steps: int = 256,
    rate: float = RATE,
    leak: float = 0.1,
    batch: int = 1,
    seed: int = 0,
) -> Iterator[Iterate]:
    """Show what an objective asks for: minus a channel, a neuron, a class or a direction.

    Args:
        objective: to be minimised, e.g. `-channel("relu4_2", 7)`.
        network: or the name of one.
        size: (H, W) of the picture, pixels.
        view: a random view before each step; None: the picture as it is, and noise that nobody could see.
        steps: of Adam.
        rate: of Adam, in units of the spectrum; larger ones end in pure primary colours.
        leak: share of the gradient, in [0, 1], that passes rectifiers which are off.
        batch: pictures made at once; they differ where the objective asks for `diversity`.
        seed: of the first spectrum and of the views.
    Yields:
        An `Iterate` a step; the last one's image is (batch, 3, H, W) in [0, 1].
    Raises:
        LayerNotFound: a layer or channel that the network lacks.
        RecipeError: no steps, or a leak outside [0, 1].
    Example:
        *_, last = rv.recipes.visualise(-rv.channel("relu4_2", 7))
    """
    network = load(network) if isinstance(network, str) else network
    return synthesize(
        objective,
        network.with_leak(leak),
        canvas=FourierCanvas(size, batch=batch, seed=seed),
        stages=(Stage(size, steps),),
        optimiser=Adam(rate=rate),
        view=view,
        seed=seed,
    )
