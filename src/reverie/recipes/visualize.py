"""Feature visualisation: synthesise from noise a picture of what a channel, neuron, class or direction detects.

Source: Olah, Mordvintsev & Schubert (2017), "Feature visualization"; caricatures, Carter et al. (2019); inversion,
Mahendran & Vedaldi (2015); phases alone, Fel et al. (2023); CPPNs, Mordvintsev et al. (2018). We differ: rectifiers let
some gradient through while they are off, so that silent units wake, but only in the first half: after it the picture
is one for the network as it is, and the rate falls to nothing, so that views leave no noise. Constants of colour and
spectrum are our own, measured on photos.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from reverie.canvas import Canvas, CPPNCanvas, FourierCanvas, PhaseCanvas
from reverie.crafts.craft import craft
from reverie.crafts.kinds import Photo, Sheet
from reverie.crafts.settings import DIAL, Panel, Positional, RunSettings, Words
from reverie.engine import Batch, Findings, Iterate, Series, Showing, Synthesis, cooling
from reverie.errors import RecipeError
from reverie.networks import Network
from reverie.objectives import Objective, by_picture, caricature, content, diversity, total_variation
from reverie.optimisers import Adam
from reverie.pictures import contact_sheet, fit, sheet_width, size_of
from reverie.recipes.parts.excitation import Excitation, attribution, excitation, summary
from reverie.recipes.parts.networks import network_for
from reverie.recipes.parts.units import Unit, parse_layers, parse_units
from reverie.views import View, compose, crops, framed, jitter, noise, rotate, scale

VIEWS = compose(jitter(8), scale(0.9, 1.1), rotate(8), jitter(4))
TOGETHER = 400_000  # pixels of a batch: 8 pictures of 224
DRAWN = 224  # pixels at which a CPPN is optimised, whatever it is drawn at
SMOOTH = 0.05  # weight of the total variation in an inversion

CanvasName = Literal["fourier", "phase", "cppn"]
RUN = Panel("Steps")


class VisualizeSettings(RunSettings):
    """Settings of a visualisation."""

    network: Annotated[str, Positional("NETWORK"), DIAL] = Field(
        default="dreamnet", description="the network to look into; 'reverie networks' lists them"
    )
    units: Annotated[Words, Positional("UNIT…"), DIAL] = Field(
        default=(),
        description="LAYER:7, several LAYER:0..15, a direction LAYER:7+9-3, one neuron LAYER:7@0.5/0.5, class:macaw, or"
        " LAYER for all of its channels; with a photo, LAYER",
    )
    size: Annotated[int, DIAL] = Field(default=224, ge=16, le=20_000, description="longer side of each picture, pixels")
    canvas: Annotated[CanvasName, DIAL] = Field(
        default="fourier",
        description="fourier; phase: as strong as in photos everywhere (MACO); cppn: smooth lines at any size",
    )
    sign: Annotated[Literal["positive", "negative", "both"], DIAL] = Field(
        default="positive", description="what excites the unit most, least, or both"
    )
    variants: Annotated[int, DIAL] = Field(
        default=1, ge=1, le=16, description="several pictures of each unit, as different as they can be"
    )
    photo_as: Annotated[Literal["caricature", "inversion"], DIAL] = Field(
        default="caricature", description="with a photo: exaggerate what a layer sees, or show what is left of it there"
    )
    transparent: bool = Field(
        default=False, description="transparent where nothing excites the unit; for a single picture"
    )
    columns: int | None = Field(default=None, ge=1, le=100, description="pictures in a row of the sheet")
    steps: Annotated[int | None, RUN] = Field(
        default=None, ge=1, le=10_000, description="steps; default: 192, of a phase canvas 128, of a CPPN 384"
    )
    leak: Annotated[float, RUN] = Field(
        default=0.1, ge=0, le=1, description="gradient let through units that are off, so that silent ones wake"
    )


@dataclass(frozen=True)
class Manner:
    """How a kind of canvas is optimised.

    Attributes:
        rate: of Adam, in the unit of the canvas's parameters.
        steps: as many as it takes.
        view: the random view before each step, of pictures of a size.
    """

    rate: float
    steps: int
    view: Callable[[tuple[int, int]], View]


MANNERS: dict[CanvasName, Manner] = {
    "fourier": Manner(0.02, 192, lambda size: VIEWS),
    "phase": Manner(0.5, 128, lambda size: windows(size)),
    "cppn": Manner(0.006, 384, lambda size: VIEWS),
}


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture of a sheet.

    Attributes:
        caption: what it shows, until it is measured.
        objective: to be minimised.
        unit: that it shows; None of a photo.
        negative: whether it is to excite the unit as little as possible.
        layer: in which variants are to differ; None where there is one.
        placed: whether it matters where in the picture something is.
    """

    caption: str
    objective: Objective
    unit: Unit | None = None
    negative: bool = False
    layer: str | None = None
    placed: bool = False


def windows(size: tuple[int, int]) -> View:
    """Return the views of MACO: windows of the picture, most of them of its middle, and noise."""
    return compose(crops(0.35, 0.7, count=3, side=max(32, min(size) // 2)), noise(0.05))


def _label(settings: VisualizeSettings) -> str:
    words = "-".join(settings.units[:3]).replace(":", "-").replace("/", "-").replace("..", "-")
    return f"{settings.network}-{words}".replace("@", "-at-").replace(" ", "-")


@craft(example="reverie visualize dreamnet relu4_2:7 -o v.png", makes=Sheet, label=_label)
def visualize(
    settings: VisualizeSettings = VisualizeSettings(),
    *,
    photo: Annotated[Photo | None, "show what a layer makes of this photo"] = None,
    network: Network | None = None,
    objective: Objective | None = None,
) -> Series:
    """Show what a network looks for: channels, directions, neurons, classes, or its view of a photo.

    Args:
        settings: what, and how.
        photo: (1, 3, H, W) sRGB in [0, 1]: a caricature or an inversion by each layer instead.
        network: your own, such as `rv.networks.wrap(module, mean=…, std=…)`, instead of the one that the settings name.
        objective: your own, to be minimised, instead of units.
    Yields:
        A `SeriesStep` a step; the last one's `pictures` are (B, 3, H, W) in [0, 1], its `image` shows them all, and
        `found.figures` tells how strongly each excites its unit, beside the strongest of thousands of photos.
    Raises:
        LayerNotFound: a layer, channel or class that the network lacks.
        RecipeError: nothing to show, or wishes that do not go together.
    Example:
        *_, last = rv.recipes.visualize(rv.VisualizeSettings(units=("relu4_2:7",)))
    """
    plain = network_for(settings, network, seamless=False)
    size = (settings.size, settings.size) if photo is None else fit(size_of(photo), longer=settings.size)
    _introduce(plain, settings.units, size)
    pictures = _pictures(settings, plain, photo, objective)
    _check(settings, pictures, photo, objective)
    sheet = _Sheet(settings, plain, pictures, size)
    return Series(
        [Batch(partial(sheet.synthesis, group), sheet.work(group)) for group in sheet.groups],
        sheet.size,
        sheet.shown,
        sheet.concluded,
        draw=sheet.drawn if settings.canvas == "cppn" else None,
    )


def _introduce(network: Network, words: Sequence[str], size: tuple[int, int]) -> None:
    """Run layers that see the whole picture once at its size: some networks take no other."""
    for layer in {word.partition(":")[0] for word in words} & set(network.layers):
        if not network.blueprint.is_local(layer):
            network.extent(layer, size)


def _pictures(
    settings: VisualizeSettings, network: Network, photo: Tensor | None, objective: Objective | None
) -> list[Picture]:
    """List the pictures of the sheet."""
    if objective is not None:
        return [Picture(str(objective), objective)]
    if photo is not None:
        layers = parse_layers(settings.units, network)
        return [_of_photo(settings, layer, photo) for layer in layers]
    signs = {"positive": (False,), "negative": (True,), "both": (False, True)}[settings.sign]
    units = parse_units(settings.units, network)
    return [_of_unit(unit, negative=negative) for unit in units for negative in signs]


def _of_photo(settings: VisualizeSettings, layer: str, photo: Tensor) -> Picture:
    if settings.photo_as == "caricature":
        return Picture(f"{layer}: caricature", -caricature(layer, like=photo), placed=True)
    return Picture(f"{layer}: inversion", content(layer, like=photo) + SMOOTH * total_variation(), placed=True)


def _of_unit(unit: Unit, *, negative: bool) -> Picture:
    objective = unit.objective if negative else -unit.objective
    return Picture(f"{unit.name}{' (least)' if negative else ''}", objective, unit, negative, unit.layer, unit.placed)


def _check(
    settings: VisualizeSettings, pictures: Sequence[Picture], photo: Tensor | None, objective: Objective | None
) -> None:
    """Refuse wishes that do not go together."""
    if not pictures:
        raise RecipeError("name the layers by which to show the photo, as in relu4_2.")
    if photo is not None and settings.variants > 1:
        raise RecipeError("a photo is shown once by each layer; leave out --variants.")
    if settings.transparent and (len(pictures) * settings.variants > 1 or photo is not None or objective is not None):
        raise RecipeError("--transparent is for the picture of a single unit; name one, as in relu4_2:7.")


@dataclass(frozen=True, eq=False)
class _Sheet:
    """The pictures, in the batches in which they are made, and what shows them.

    Attributes:
        settings, pictures: what is shown, and how.
        network: with its rectifiers as they are.
        size: (H, W) of each picture.
    """

    settings: VisualizeSettings
    network: Network
    pictures: Sequence[Picture]
    shape: tuple[int, int]

    @property
    def groups(self) -> list[Sequence[Picture]]:
        """Pictures that are made together."""
        height, width = self._computed
        each = max(1, TOGETHER // (height * width * self.settings.variants))
        return [self.pictures[i : i + each] for i in range(0, len(self.pictures), each)]

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the sheet, to a few pixels."""
        count = len(self.pictures) * self.settings.variants
        if count == 1:
            return self.shape
        rows = -(-count // self._columns)
        width = sheet_width(self.shape[1], self._columns)
        return round(rows * self.shape[0] * 1.25), width

    def synthesis(self, group: Sequence[Picture]) -> Synthesis:
        """Build the run of a batch."""
        settings, manner = self.settings, MANNERS[self.settings.canvas]
        objectives = [self._varied(picture) for picture in group]
        return Synthesis(
            objectives[0] if len(objectives) == 1 else by_picture(objectives),
            self.network,
            self._canvas(len(group) * settings.variants),
            cooling(self._computed, settings.steps or manner.steps, leak=settings.leak),
            Adam(rate=manner.rate),
            view=self._view,
            seed=settings.seed,
        )

    def work(self, group: Sequence[Picture]) -> float:
        """Pixels times steps times pictures of a batch."""
        height, width = self._computed
        steps = self.settings.steps or MANNERS[self.settings.canvas].steps
        return float(height * width * steps * len(group) * self.settings.variants)

    def drawn(self, number: int, iterate: Iterate) -> Tensor:
        """Draw the pictures of a CPPN at their own size, from the weights of its last step."""
        canvas = self._canvas(len(self.groups[number]) * self.settings.variants).resized(self.shape)
        return canvas.drawn(iterate.state()["parameters"])

    def shown(self, made: Sequence[Tensor]) -> Showing:
        """Lay out the pictures with the names of their units."""
        return Showing(self._laid_out(made, [picture.caption for picture in self.pictures]))

    def concluded(self, made: Sequence[Tensor]) -> Showing:
        """Measure the pictures, and lay them out with their figures."""
        singles = [single[None] for batch in made for single in batch]
        shown = [picture for picture in self.pictures for _ in range(self.settings.variants)]
        found = [self._measured(picture, x) for picture, x in zip(shown, singles, strict=True)]
        captions = [p.caption if f is None else f.caption for p, f in zip(shown, found, strict=True)]
        known = [each for each in found if each is not None]
        findings = Findings(summary(known), [each.line for each in known]) if known else Findings()
        image = self._laid_out(made, captions, each=1)
        unit = self.pictures[0].unit
        alpha = None
        if self.settings.transparent and unit is not None:
            negative = self.pictures[0].negative
            alpha = attribution(self.network, unit, image, view=VIEWS, seed=self.settings.seed, negative=negative)
        return Showing(image, alpha, found=findings)

    def _measured(self, picture: Picture, x: Tensor) -> Excitation | None:
        return None if picture.unit is None else excitation(self.network, picture.unit, x, negative=picture.negative)

    def _laid_out(self, made: Sequence[Tensor], captions: Sequence[str], *, each: int | None = None) -> Tensor:
        """Arrange pictures on a page; a single one fills it."""
        singles: list[Tensor] = [single[None] for batch in made for single in batch]
        if len(self.pictures) * self.settings.variants == 1:
            return singles[0]
        repeated = [c for c in captions for _ in range(each or self.settings.variants)][: len(singles)]
        width = sheet_width(self.shape[1], self._columns)
        sheet: Tensor = contact_sheet(singles, columns=self._columns, captions=repeated, width=width, ground="light")
        return sheet

    def _varied(self, picture: Picture) -> Objective:
        """Add that variants are to differ."""
        if self.settings.variants == 1 or picture.layer is None:
            return picture.objective
        return picture.objective - self._apart(picture.layer) * diversity(picture.layer)

    def _apart(self, layer: str) -> float:
        """Return the weight of the diversity: how much the layer's activations vary on noise like a photo's."""
        noise_like = PhaseCanvas(self._computed, seed=0).drawn().to(self.network.device)
        with torch.no_grad():
            return float(self.network(noise_like, [layer])[layer].float().std())

    def _canvas(self, batch: int) -> Canvas:
        makes: dict[CanvasName, Callable[..., Canvas]] = {
            "fourier": FourierCanvas,
            "phase": PhaseCanvas,
            "cppn": CPPNCanvas,
        }
        return makes[self.settings.canvas](self._computed, batch=batch, seed=self.settings.seed)

    @property
    def _computed(self) -> tuple[int, int]:
        """(H, W) at which the pictures are optimised."""
        longer = min(DRAWN, max(self.shape)) if self.settings.canvas == "cppn" else max(self.shape)
        return fit(self.shape, longer=longer)

    @property
    def _view(self) -> View:
        if any(picture.placed for picture in self.pictures):
            return jitter(4)
        view, local = MANNERS[self.settings.canvas].view(self._computed), self.network.blueprint.is_local
        units = [picture.unit for picture in self.pictures]
        free = all(unit is not None and local(unit.layer) for unit in units)
        return view if free else framed(view)

    @property
    def _columns(self) -> int:
        """Pictures in a row: those of a unit side by side, otherwise about as many across as down."""
        if self.settings.columns is not None:
            return self.settings.columns
        count = len(self.pictures) * self.settings.variants
        across = self.settings.variants if self.settings.variants > 1 else 2 if self.settings.sign == "both" else 0
        return min(count, across or max(2, round((1.4 * count) ** 0.5)))
