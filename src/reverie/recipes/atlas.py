"""An atlas of a network: every channel of every layer on one page, with what excites it in your own photos.

Source: OpenAI Microscope (Schubert et al. 2020), the page of all units; Carter et al. (2019), the activation atlas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from reverie.canvas import FourierCanvas
from reverie.crafts.craft import craft
from reverie.crafts.kinds import Document, Folder
from reverie.crafts.settings import DIAL, Positional, RunSettings, Words
from reverie.engine import Batch, Findings, Series, Showing, Synthesis, cooling
from reverie.networks import Network, photo_activations
from reverie.networks.ops import Call, Concat, Op, Relu
from reverie.objectives import Objective, by_picture, channel, direction
from reverie.optimisers import Adam
from reverie.pictures import contact_sheet, resize
from reverie.recipes.parts.activation_grid import activation_grid
from reverie.recipes.parts.atlas_page import GridPage, LayerPage, page_of
from reverie.recipes.parts.networks import network_for
from reverie.recipes.parts.scanning import Scan, scan
from reverie.views import compose, framed, jitter, scale

VIEWS = compose(jitter(4), scale(0.92, 1.08), jitter(2))
RATE = 0.03
TOGETHER = 200_000  # pixels of a batch: 32 pictures of 80
SHALLOW, DEEP = 32, 80  # pixels of a picture of the shallowest and the deepest layers
CELL, PATCH = 80, 40  # pixels on the page: of a channel's picture at most, and of a patch
PATCHES = 5  # of each channel
NAMED = 3  # classes of each picture
RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Hardswish, nn.Mish)


class AtlasSettings(RunSettings):
    """Settings of an atlas."""

    network: Annotated[str, Positional("NETWORK"), DIAL] = Field(
        default="dreamnet", description="the network to map; 'reverie networks' lists them"
    )
    layers: Annotated[Words, DIAL] = Field(
        default=(), description="layers to show; default: every one after its rectifier, or all where there are none"
    )
    grid_layer: Annotated[str | None, DIAL] = Field(
        default=None, description="layer of the activation atlas, with photos; default: the network's own choice"
    )
    grid: Annotated[int, DIAL] = Field(
        default=10, ge=2, le=40, description="cells of the activation atlas, each way; with photos"
    )
    most: Annotated[int, DIAL] = Field(
        default=400, ge=1, le=1_000_000, description="photos to look through, chosen evenly where there are more"
    )
    steps: int = Field(default=56, ge=1, le=10_000, description="steps of each picture")
    leak: float = Field(
        default=0.1, ge=0, le=1, description="gradient let through units that are off, so that silent ones wake"
    )


def _label(settings: AtlasSettings) -> str:
    return f"{settings.network}-atlas"


@craft(example="reverie atlas dreamnet --photos ~/Pictures -o atlas.html", makes=Document, label=_label)
def atlas(
    settings: AtlasSettings = AtlasSettings(),
    *,
    photos: Annotated[Folder | None, "photos in which to find what excites each channel most"] = None,
    network: Network | None = None,
) -> Series:
    """Show all channels of a network on one page, with what excites them in your photos.

    Args:
        settings: of which network, and how.
        photos: files; without them there are no patches and no activation atlas.
        network: your own, instead of the one that the settings name.
    Yields:
        A `SeriesStep` a step; the last one's `document` is the page.
    Raises:
        LayerNotFound: a layer that the network lacks.
        RecipeError: not one photo can be read.
    Example:
        *_, last = rv.recipes.atlas(rv.AtlasSettings(layers=("relu4_2",)))
        Path("atlas.html").write_bytes(last.document)
    """
    plain = network_for(settings, network, seamless=False)
    atlas = _Atlas(settings, plain, _layers(settings, plain), _chosen(photos, settings.most))
    return Series(atlas.batches, atlas.size, atlas.shown, atlas.concluded)


def _layers(settings: AtlasSettings, network: Network) -> list[str]:
    """List the layers to show: of each step of the network the map after its rectifier."""
    if settings.layers:
        for layer in settings.layers:
            network.channels(layer)
        return list(settings.layers)
    after = {node.name for node in network.blueprint.nodes if _rectifies(node.op)}
    shown = [layer for layer in network.layers if layer in after]
    return shown or [layer for layer in network.layers if layer != network.class_layer]


def _rectifies(op: Op) -> bool:
    """True if maps come out of an operation as the next layers see them, rectified."""
    return isinstance(op, Relu | Concat) or (isinstance(op, Call) and isinstance(op.function, RECTIFIERS))


def _chosen(photos: Sequence[Path] | None, most: int) -> list[Path]:
    """Choose evenly among the photos."""
    paths = list(photos or ())
    count = min(most, len(paths))
    return [paths[i * len(paths) // count] for i in range(count)]


@dataclass(frozen=True, eq=False)
class _Group:
    """Channels of a layer whose pictures are made together."""

    layer: str
    first: int
    last: int
    side: int


@dataclass(frozen=True, eq=False)
class _Atlas:
    """Everything on the page.

    Attributes:
        settings: how it is made.
        network: with its rectifiers as they are.
        layers: that are shown.
        photos: that are looked through.
    """

    settings: AtlasSettings
    network: Network
    layers: Sequence[str]
    photos: Sequence[Path]

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of what shows the last pictures made."""
        return DEEP, DEEP

    @cached_property
    def groups(self) -> list[_Group]:
        """Channels in batches, layer by layer."""
        found = []
        for layer in self.layers:
            side, count = self._side(layer), self.network.channels(layer)
            each = max(1, TOGETHER // side**2)
            found += [_Group(layer, i, min(i + each, count), side) for i in range(0, count, each)]
        return found

    @property
    def batches(self) -> list[Batch]:
        """Batches of channels, then those of the activation atlas, for which the photos are looked through."""
        channels = [
            Batch(partial(self._of_channels, group), self._work(group.side, group.last - group.first))
            for group in self.groups
        ]
        return [*channels, *(Batch(partial(self._of_cells, a, b), self._work(DEEP, b - a)) for a, b in self._cells)]

    @cached_property
    def scan(self) -> Scan:
        """What the photos showed."""
        return scan(self.network, self.photos, self.layers, of=self._grid_layer, count=PATCHES, seed=self.settings.seed)

    @cached_property
    def grid(self) -> tuple[Tensor, Tensor]:
        """Mean activations of the cells of the activation atlas, and how many there are in each."""
        return activation_grid(self.scan.vectors, self.settings.grid)

    def shown(self, made: Sequence[Tensor]) -> Showing:
        """Show the pictures made last."""
        return Showing(contact_sheet([made[-1]], columns=8, width=8 * (DEEP + 8)))

    def concluded(self, made: Sequence[Tensor]) -> Showing:
        """Measure all pictures and build the page."""
        channels = made[: len(self.groups)]
        layers = [self._page_of_layer(layer, channels) for layer in self.layers]
        grid = self._page_of_grid(made[len(self.groups) :]) if self.photos else None
        page = page_of(self.network.name, self._about(), layers, grid)
        count = sum(len(layer.icons) for layer in layers)
        known = [f["times"] for layer in layers for f in layer.figures if "times" in f]
        figures: dict[str, Any] = {"layers": len(layers), "channels": count, "photos": len(self.photos)}
        lines = [f"  {count} channels of {len(layers)} layers, {len(page) / 1e6:.1f} MB"]
        if known:
            figures["median_times_photos"] = float(torch.tensor(known).median())
            lines.append(f"  excited {figures['median_times_photos']:.3g} times as much as by any photo, at the median")
        return Showing(self.shown(made).image, document=page, found=Findings(figures, lines))

    def _of_channels(self, group: _Group) -> Synthesis:
        objectives = [-channel(group.layer, index) for index in range(group.first, group.last)]
        return self._synthesis(objectives, group.side)

    def _of_cells(self, first: int, last: int) -> Synthesis:
        means, _ = self.grid
        objectives = [-direction(self._grid_layer, vector + 1e-6) for vector in means[first:last]]
        return self._synthesis(objectives, DEEP)

    def _synthesis(self, objectives: Sequence[Objective], side: int) -> Synthesis:
        local = all(map(self.network.blueprint.is_local, self.layers))
        return Synthesis(
            by_picture(objectives),
            self.network,
            FourierCanvas((side, side), batch=len(objectives), seed=self.settings.seed),
            cooling((side, side), self.settings.steps, leak=self.settings.leak),
            Adam(rate=RATE),
            view=VIEWS if local else framed(VIEWS),
            seed=self.settings.seed,
        )

    @property
    def _cells(self) -> list[tuple[int, int]]:
        """First and last cells of the batches of the activation atlas."""
        count, each = self.settings.grid**2 if self.photos else 0, max(1, TOGETHER // DEEP**2)
        return [(i, min(i + each, count)) for i in range(0, count, each)]

    @property
    def _grid_layer(self) -> str:
        return self.settings.grid_layer or next(reversed(self.network.dream_layers), self.layers[-1])

    def _side(self, layer: str) -> int:
        """Side of a layer's pictures, pixels: half of what a feature sees, in steps of 8."""
        if not self.network.blueprint.is_local(layer):
            return DEEP
        field = self.network.geometry(layer).field
        return min(DEEP, max(SHALLOW, self.network.smallest(layer), -(-(field + SHALLOW) // 16) * 8))

    def _work(self, side: int, count: int) -> float:
        return float(side * side * count * self.settings.steps)

    def _page_of_layer(self, layer: str, made: Sequence[Tensor]) -> LayerPage:
        mine = [x for group, x in zip(self.groups, made, strict=True) if group.layer == layer]
        icons = torch.cat(mine)
        figures = [figure for batch in mine for figure in self._figures(layer, batch)]
        self._with_times(layer, figures)
        patches = self.scan.patches(layer, PATCH) if self.photos else None
        return LayerPage(layer, _at_most(icons, CELL), figures, patches)

    def _figures(self, layer: str, pictures: Tensor) -> list[dict[str, Any]]:
        """Activation and likeliest classes of each picture, for now of the first channels of the batch."""
        asked = [layer, *([self.network.class_layer] if self.network.class_layer else [])]
        with torch.no_grad():
            maps = self.network(pictures.to(self.network.device), dict.fromkeys(asked))
        means = maps[layer].float().mean((2, 3))
        names = self._classes(maps[asked[-1]]) if len(asked) > 1 else [[] for _ in pictures]
        return [{"means": row, "classes": each} for row, each in zip(means, names, strict=True)]

    def _with_times(self, layer: str, figures: list[dict[str, Any]]) -> None:
        """Replace each row of means by the channel's own, and set it against photos."""
        known = photo_activations(self.network)
        for index, each in enumerate(figures):
            activation = float(each.pop("means")[index])
            each["activation"] = float(f"{activation:.4g}")
            most = 0.0 if known is None else float(known.most[layer][index])
            if most > 0:
                each["times"] = float(f"{activation / most:.3g}")

    def _classes(self, scores: Tensor) -> list[list[str]]:
        """Names of the likeliest classes of each picture."""
        names = self.network.classes or ()
        best = scores.float().mean((2, 3)).topk(min(NAMED, scores.shape[1]), dim=1).indices
        return [[names[i] if names else str(i) for i in row] for row in best.tolist()]

    def _page_of_grid(self, made: Sequence[Tensor]) -> GridPage:
        icons = torch.cat(list(made))
        classes: list[list[str]] = [[] for _ in icons]
        if self.network.class_layer:
            with torch.no_grad():
                (maps,) = self.network(icons.to(self.network.device), [self.network.class_layer]).values()
            classes = self._classes(maps)
        return GridPage(self._grid_layer, icons, self.grid[1].tolist(), classes)

    def _about(self) -> dict[str, Any]:
        known = photo_activations(self.network)
        return {
            "network": self.network.name,
            "photos": len(self.scan.paths) if self.photos else 0,
            "compared": 0 if known is None else known.photos,
            "classes": self.network.class_layer is not None,
        }


def _at_most(icons: Tensor, side: int) -> Tensor:
    return icons if icons.shape[-1] <= side else resize(icons, (side, side)).clamp(0, 1)
