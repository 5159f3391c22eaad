"""Networks that can be exported, by name: module, inputs, outputs, and Python's results to compare with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reverie import styles
from reverie.choices import Variant
from reverie.errors import RecipeError, suggestion
from reverie.export.graphs import (
    STYLE_LAYERS,
    Enlarge,
    Maps,
    Paint,
    PaintBaked,
    PaintCustom,
    PaintLike,
    StyleStatistics,
    targets_in,
)
from reverie.feedforward import Instant, load_instant, load_superres
from reverie.feedforward.custom import custom_styles, find_custom_style
from reverie.feedforward.instant import KEPT, STRIDE
from reverie.feedforward.johnson import read_johnson
from reverie.feedforward.painting import TargetStatistics, decode, encode, noises_for, targets_of
from reverie.feedforward.superres import FACTORS
from reverie.networks import Network, load
from reverie.networks.zoo import names as feature_networks
from reverie.pictures import painting_size, read_image, resize, size_of
from reverie.recipes.instant import painter
from reverie.recipes.parts.at_once import InstantSettings
from reverie.recipes.upscale import UpscaleSettings, upscale

ENLARGERS: Mapping[str, Variant] = {"superres": "faithful", "superres-sharp": "sharp"}
INSTANT = "instant"
SIDE = 512
"""Side in pixels of the square photo at whose scale a stored painting is encoded."""
_GRAIN = 85  # normal numbers for each position of the deepest map: 1 + 4 + 16 + 64
_PICTURE_LIMIT, _MAPS_LIMIT = 0.5, 1e-3  # steps of 1/255; share of the largest number of a map
_INSTANT_LIMIT = 1.0  # roots are in float64 in Python, in float32 in the file
_TRACED, _SIZES, _LARGER = (61, 83), ((48, 56), (93, 75)), ((96, 112), (129, 91))  # (H, W)

Shape = tuple[int | str, ...]


@dataclass(frozen=True, eq=False)
class ExportSpec:
    """A network prepared for export.

    Attributes:
        name: what it is called.
        kind: "enlarge", "paint" (a custom style network), "instant" or "maps".
        module: what is followed.
        inputs: shape by name; words are sides of any length.
        outputs: names.
        expected: what Python makes of inputs, a tensor for each output.
        given: inputs for a picture (B, 3, H, W).
        sha256: of the weights.
        facts: more to write into the file.
        limit: the largest difference that is allowed.
        pictures: whether the outputs are pictures, in [0, 1].
        sizes: (H, W) of the pictures that are compared.
        many: whether the module takes its inputs after the second as one list.
    """

    name: str
    kind: str
    module: nn.Module
    inputs: Mapping[str, Shape]
    outputs: tuple[str, ...]
    expected: Callable[..., tuple[Tensor, ...]]
    given: Callable[[Tensor], tuple[Tensor, ...]]
    sha256: str
    facts: Mapping[str, str] = field(default_factory=dict)
    limit: float = _PICTURE_LIMIT
    pictures: bool = True
    sizes: tuple[tuple[int, int], ...] = _SIZES
    many: bool = False

    def example(self, size: tuple[int, int]) -> tuple[Tensor, ...]:
        """Make inputs for a test picture of (H, W); two pictures if the batch size is free."""
        return self.given(sample(size, batch=2 if next(iter(self.inputs.values()))[0] == "batch" else 1))

    @property
    def traced(self) -> tuple[Tensor, ...]:
        """Inputs to trace the module with."""
        return self.example(_TRACED)


def spec_of(
    name: str | Path,
    *,
    factor: int | None = None,
    painting: Tensor | None = None,
    size: int | None = None,
    layers: Sequence[str] = (),
) -> ExportSpec:
    """Find a network by name, or by the file of a trained one.

    Args:
        name: ``superres``, ``superres-sharp``, ``instant``, a network that ``networks.names()`` knows, or the name or
            file of a custom style network.
        factor: 2, 3 or 4, of those that enlarge; default 2.
        painting: (1, 3, h, w), to be kept inside ``instant``.
        size: pixels of the square photo at whose scale that painting is looked at; default 512.
        layers: of a network that ``networks.names()`` knows; default: its content layer.

    Raises:
        RecipeError: there is no such network, or it takes no such thing.
        WeightsError: its weights cannot be had or read.
        LayerNotFound: it has no such layer.

    Example:
        >>> spec_of("superres", factor=3).name
        'superres-x3'
    """
    name = str(name)
    custom = name not in (*ENLARGERS, INSTANT, *feature_networks())
    kind = "enlarge" if name in ENLARGERS else name if name == INSTANT else "paint" if custom else "maps"
    if custom and not _is_custom(name):
        raise RecipeError(_unknown(name))
    _check_belongs("--factor", "enlarge", factor is not None, kind)
    _check_belongs("--painting", INSTANT, painting is not None, kind)
    _check_belongs("--layers", "maps", bool(layers), kind)
    if size is not None and painting is None:
        raise RecipeError("--size is the scale of a painting kept inside; give --painting, too.")
    if kind == "enlarge":
        return enlarging(name, 2 if factor is None else factor)
    if kind == INSTANT:
        return instant_like() if painting is None else instant_baked(painting, SIDE if size is None else size)
    return custom_spec(find_custom_style(name)) if custom else maps_of(load(name), layers)


def enlarging(name: str, factor: int) -> ExportSpec:
    """Describe a network that enlarges a picture."""
    if factor not in FACTORS:
        raise RecipeError(f"a factor is one of {', '.join(map(str, FACTORS))}; got {factor}.")
    network, settings = load_superres(ENLARGERS[name]), UpscaleSettings(factor=factor, variant=ENLARGERS[name])
    return ExportSpec(
        f"{name}-x{factor}",
        "enlarge",
        Enlarge(network, factor),
        {"picture": ("batch", 3, "height", "width")},
        ("enlarged",),
        lambda picture: (upscale(picture, settings, network=network),),
        lambda picture: (picture,),
        network.sha256,
        {"factor": str(factor)},
    )


def custom_spec(path: Path) -> ExportSpec:
    """Describe a custom style network."""
    network = read_johnson(path)
    module = PaintCustom(network)
    return ExportSpec(
        path.stem,
        "paint",
        module,
        {"photo": ("batch", 3, "height", "width")},
        ("painted",),
        lambda photo: (network(photo).clamp(0, 1),),
        lambda picture: (picture,),
        network.sha256,
        {"least": "16 pixels each way"},
    )


def maps_of(network: Network, layers: Sequence[str]) -> ExportSpec:
    """Describe a network that computes a picture's feature maps."""
    layers = tuple(dict.fromkeys(layers)) or (network.content_layer,)
    for layer in layers:
        network.blueprint.node(layer)
    least = max((network.smallest(layer) for layer in layers if network.blueprint.is_local(layer)), default=32)
    return ExportSpec(
        network.name,
        "maps",
        Maps(network, layers),
        {"picture": ("batch", 3, "height", "width")},
        layers,
        lambda picture: tuple(network(picture, layers).values()),
        lambda picture: (picture,),
        network.sha256,
        limit=_MAPS_LIMIT,
        pictures=False,
        sizes=tuple((max(h, least), max(w, least)) for h, w in _SIZES),
    )


def instant_like(decoder: Instant | None = None) -> ExportSpec:
    """Describe a network that takes a photo, a painting and noise."""
    network, decoder = _encoder(), decoder or load_instant()

    def expected(photo: Tensor, painting: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
        return (painter([painting], _PLAIN, decoder=decoder).plain(photo),)

    return ExportSpec(
        INSTANT,
        INSTANT,
        PaintLike(network, decoder),
        {"photo": _PHOTO, "painting": (1, 3, "rows", "columns"), "noise": ("numbers",)},
        ("painted",),
        expected,
        lambda photo: (photo, _painting(size_of(photo)), grain_for(size_of(photo))),
        decoder.sha256,
        _GRAINY,
        limit=_INSTANT_LIMIT,
        sizes=_LARGER,
    )


def instant_baked(painting: Tensor, side: int, decoder: Instant | None = None) -> ExportSpec:
    """Describe a network that takes a photo and noise, and stores the painting."""
    if side < STRIDE:
        raise RecipeError(f"--size is {STRIDE} pixels or more; got {side}.")
    network, decoder = _encoder(), decoder or load_instant()
    own = resize(painting, painting_size(size_of(painting), side * side, 1.0)).clamp(0, 1)
    targets = targets_of(encode(network, own, STYLE_LAYERS, 0, keep=()).seen)

    def expected(photo: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
        return (_painted(photo, network, decoder, targets),)

    return ExportSpec(
        INSTANT,
        INSTANT,
        PaintBaked(network, decoder, own),
        {"photo": _PHOTO, "noise": ("numbers",)},
        ("painted",),
        expected,
        lambda photo: (photo, grain_for(size_of(photo))),
        decoder.sha256,
        _GRAINY,
        limit=_INSTANT_LIMIT,
        sizes=_LARGER,
    )


def instant_halves() -> tuple[ExportSpec, ExportSpec]:
    """Describe instant as two networks, so that a painting is encoded only once: an encoder and a painter."""
    network, decoder = _encoder(), load_instant()
    looking, painting = StyleStatistics(network), Paint(network, decoder)
    known = tuple(f"{layer}.{part}" for layer in STYLE_LAYERS for part in ("mean", "root"))
    sides = [3, *(network.channels(layer) for layer in STYLE_LAYERS[1:])]
    shapes: list[Shape] = [shape for c in sides for shape in ((1, c), (1, c, c))]

    def expected(photo: Tensor, noise: Tensor, *manner: Tensor) -> tuple[Tensor, ...]:
        return (_painted(photo, network, decoder, targets_in([part.double() for part in manner])),)

    def given(photo: Tensor) -> tuple[Tensor, ...]:
        return photo, grain_for(size_of(photo)), *looking(_painting(size_of(photo)))

    look = ExportSpec(
        "manner", INSTANT, looking, {"painting": (1, 3, "rows", "columns")}, known, lambda x: tuple(looking(x)),
        lambda painting: (painting,), decoder.sha256, limit=_MAPS_LIMIT, pictures=False,
    )  # fmt: skip
    paint = ExportSpec(
        INSTANT, INSTANT, painting, {"photo": _PHOTO, "noise": ("numbers",), **dict(zip(known, shapes, strict=True))},
        ("painted",), expected, given, decoder.sha256, _GRAINY, limit=_INSTANT_LIMIT, sizes=_LARGER, many=True,
    )  # fmt: skip
    return look, paint


def grain_for(size: tuple[int, int], seed: int = 0) -> Tensor:
    """Draw the noise that ``reverie instant`` uses for a photo of this (H, W), as one row (85 h w,)."""
    shape = -(-size[0] // STRIDE), -(-size[1] // STRIDE)
    return torch.cat([noise.flatten() for noise in noises_for(shape, seed, 1.0)])


def sample(size: tuple[int, int], *, seed: int = 0, batch: int = 1) -> Tensor:
    """Draw a test picture (B, 3, H, W): smooth colours, an edge, and a little noise."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, 3, 5, 5, generator=generator)
    smooth = resize(coarse, size)
    smooth[..., size[1] // 3 :] = 1 - smooth[..., size[1] // 3 :]
    return (smooth + 0.05 * torch.randn(batch, 3, *size, generator=generator)).clamp(0, 1)


_PHOTO: Shape = (1, 3, "height", "width")
_PLAIN = InstantSettings(precision="float32", tile=0, likeness=0, motifs=2)
_GRAINY = {"noise": f"{_GRAIN} normal numbers for each {STRIDE}x{STRIDE} pixels of the photo, sides rounded up"}


def _painted(photo: Tensor, network: Network, decoder: Instant, targets: TargetStatistics) -> Tensor:
    """A photo painted by the engine, the noise that of seed 0."""
    height, width = size_of(photo)
    whole = F.pad(photo, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
    found = encode(network, whole, KEPT, 0)
    noises = noises_for(size_of(found.maps[KEPT[0]]), 0, 1.0)
    return decode(decoder, found, targets, noises, 0)[..., :height, :width]


def _painting(size: tuple[int, int]) -> Tensor:
    """Read a sample style, a little smaller than a photo of this (H, W)."""
    return resize(read_image(styles.path("night-strokes")), (size[0] - 9, size[1] - 4)).clamp(0, 1)


def _encoder() -> Network:
    """Load dreamnet as the instant recipe does."""
    return load(pooling="average", padding="replicate")


def _is_custom(name: str) -> bool:
    return Path(name).suffix.lower() in (".safetensors", ".pth") or Path(name).is_file() or name in custom_styles()


def _check_belongs(option: str, kind: str, given: bool, asked: str) -> None:
    owners = {"enlarge": "superres and superres-sharp", INSTANT: INSTANT, "maps": "feature networks such as dreamnet"}
    if given and asked != kind:
        raise RecipeError(f"{option} belongs to {owners[kind]}; leave it out, or export one of those.")


def _unknown(name: str) -> str:
    known = (*ENLARGERS, INSTANT, *feature_networks(), *custom_styles())
    hint = suggestion(name, known)
    return (
        f"there is no network '{name}' to export;{hint.lower() or ' known are ' + ', '.join(known) + ','}"
        f"{' or give' if hint else ' or'} the .safetensors of a style of your own."
    )
