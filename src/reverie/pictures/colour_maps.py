"""Maps from the colours of one picture to those of another, made from two bounded samples.

Each takes samples (N, 3) of OKLab in float64 and gives a function of (1, 3, H, W) OKLab that
changes every colour by itself, so that it serves pictures of any size, a band at a time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from reverie.pictures.colour import srgb_to_oklab
from reverie.pictures.raster import Array

Colours = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
ColourMap = Callable[[Tensor], Tensor]

_MOST = 1 << 18  # colours sampled in all: every pixel of pictures up to 512 x 512
_NARROW = 1e-4  # variance (a spread of 0.01) below which colours are not stretched as if they were more than noise
_ROTATIONS, _BINS = 16, 1024
_BLUR = 0.008  # spread of the blur of each axis' histogram
_ENTRY = 0.016  # OKLab between the entries of a table of moves
_SOFTNESS = 0.5  # of the squared distance between neighbouring centres: how far each one's move reaches
_CENTRES, _LLOYD_STEPS = 8, 24
_CELL, _LIKENESS = 0.05, 0.2  # OKLab: cells that first centres are looked for in, and how far apart these lie
_APART = 0.08  # OKLab: nearest that two main colours lie to each other
_LEARNT = 1 << 14  # colours that centres are learnt from


def sample(pictures: Sequence[Tensor], most: int = _MOST) -> Colours:
    """Sample colours of some pictures as (N, 3) OKLab in float64; all of them if they are few enough.

    Args:
        pictures: (1, 3, h, w) sRGB [0, 1], of any sizes; each has the same weight.
        most: colours in all.
    """
    return np.concatenate([_sample_one(picture, most // len(pictures)) for picture in pictures])


def _sample_one(picture: Tensor, most: int) -> Colours:
    height, width = picture.shape[2:]
    if height * width > most:  # drawn at random, since a regular grid would see patterns of its own step
        generator = torch.Generator().manual_seed(0)
        place = torch.randint(height * width, (most,), generator=generator).to(picture.device)
        picture = picture[:, :, place // width, place % width][..., None]
    lab: Colours = srgb_to_oklab(picture.detach()).flatten(2)[0].T.cpu().double().numpy()
    return lab


# --- mean and covariance ---------------------------------------------------------------------------


def gaussian_map(source: Colours, target: Colours) -> ColourMap:
    """Return the symmetric linear map that gives colours the mean and covariance of others, moving them least.

    Directions in which the source hardly varies (a grey photo's hues) are not stretched as if
    they did: their noise would become colours.

    Source: Pitié and Kokaram, "The linear Monge-Kantorovitch linear colour mapping", 2007, equation 5.
    """
    wanted = _covariance(target)
    spreads, directions = np.linalg.eigh(_covariance(source))
    along = np.einsum("ji,jk,ki->i", directions, wanted, directions)
    spreads = np.maximum(spreads, np.clip(along, 1e-12, _NARROW))
    root = (directions * np.sqrt(spreads)) @ directions.T
    inverse = (directions / np.sqrt(spreads)) @ directions.T
    stretch = inverse @ _root(root @ wanted @ root) @ inverse
    shift = target.mean(axis=0) - stretch @ source.mean(axis=0)
    return lambda lab: _turned(stretch, lab) + torch.as_tensor(shift).to(lab)[None, :, None, None]


def _covariance(colours: Colours) -> Colours:
    return np.atleast_2d(np.cov(colours, rowvar=False, bias=True))


def _root(matrix: Colours) -> Colours:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T)


def _turned(matrix: Colours, lab: Tensor) -> Tensor:
    return torch.einsum("ij,bjhw->bihw", torch.as_tensor(matrix).to(lab), lab)


# --- histogram ---------------------------------------------------------------------------------------


def histogram_map(source: Colours, target: Colours) -> ColourMap:
    """Return a map of the whole distribution of colours, axis by axis in a fixed sequence of rotations.

    Source: Pitié, Kokaram, Dahyot, "Automated colour grading using colour distribution transfer", 2007.
    We differ: what the sample's colours are moved by is smoothed over neighbouring colours, so
    that a flat area is shifted and not torn apart, and every size of picture has one small table.
    """
    colours = source
    for rotation in _rotations():
        turned, wanted = colours @ rotation.T, target @ rotation.T
        moved = [turned[:, axis] + _axis_shift(turned[:, axis], wanted[:, axis]) for axis in range(3)]
        colours = np.stack(moved, axis=1) @ rotation
    return _tabulated(source, colours - source)


def _rotations() -> list[Colours]:
    """Return the identity, then fixed random rotations, each between two others."""
    generator = torch.Generator().manual_seed(0)
    square = torch.randn(_ROTATIONS - 1, 3, 3, generator=generator, dtype=torch.float64)
    return [np.eye(3), *torch.linalg.qr(square).Q.numpy()]


def _axis_shift(source: Colours, target: Colours) -> Colours:
    """Return the shift of each value that turns one distribution of values into the other."""
    low, high = min(source.min(), target.min()) - _BLUR, max(source.max(), target.max()) + _BLUR
    edges = np.linspace(low, high, _BINS + 1)
    moved = np.interp(_cumulated(source, edges), _cumulated(target, edges), edges)
    return np.interp(source, edges, moved - edges)


def _cumulated(values: Colours, edges: Colours) -> Colours:
    """Return the share of values below each edge, slightly blurred, strictly increasing from 0 to 1."""
    counts = np.histogram(values, edges)[0] / len(values)
    step = edges[1] - edges[0]
    reach = int(np.ceil(4 * _BLUR / step))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / _BLUR) ** 2)
    blurred = np.convolve(counts, kernel / kernel.sum(), mode="full")[reach : reach + len(counts)]
    sums = np.concatenate([[0.0], np.cumsum(blurred + 1e-9)])
    return np.asarray(sums / sums[-1])


def _tabulated(colours: Colours, moves: Colours) -> ColourMap:
    """Tabulate moves known at many colours smoothly, to be interpolated between entries."""
    low = colours.min(axis=0) - _ENTRY
    shape = [int(n) + 3 for n in (colours.max(axis=0) - low) / _ENTRY]
    place = np.ravel_multi_index(tuple(((colours - low) / _ENTRY + 0.5).astype(np.int64).T), shape)
    values = np.column_stack([moves, np.ones(len(moves))])
    sums = [np.bincount(place, column, int(np.prod(shape))).reshape(shape) for column in values.T]
    blurred = _blurred(torch.from_numpy(np.stack(sums)))
    table = blurred[:3] / blurred[3:]
    return lambda lab: lab + _looked_up(table, low, lab)


def _blurred(sums: Tensor) -> Tensor:
    """Blur (4, A, B, C) sums, and where there are none nearby, faintly by ever wider blurs."""
    near = sums
    total = torch.zeros_like(sums) + 1e-30 * sums.sum(dim=(1, 2, 3), keepdim=True)
    for share, times in ((1.0, 1), (1e-3, 8), (1e-6, 64)):
        for _ in range(times):
            for axis in (1, 2, 3):
                near = _binomial(near, axis)
        total += share * near
    return total


def _binomial(x: Tensor, axis: int) -> Tensor:
    """Mix each entry with its neighbours along an axis, 1 : 2 : 1."""
    before = torch.cat([x.narrow(axis, 0, 1), x.narrow(axis, 0, x.shape[axis] - 1)], dim=axis)
    after = torch.cat([x.narrow(axis, 1, x.shape[axis] - 1), x.narrow(axis, x.shape[axis] - 1, 1)], dim=axis)
    return (before + 2 * x + after) / 4


def _looked_up(table: Tensor, low: Colours, lab: Tensor) -> Tensor:
    """Look up (B, 3, H, W) moves of OKLab colours; beyond the table, those at its border."""
    most = torch.tensor(table.shape[1:]).to(lab) - 1
    place = (lab.movedim(1, -1) - torch.as_tensor(low).to(lab)) / _ENTRY
    grid = (2 * place / most - 1).flip(-1)[:, None]
    batch = table.to(lab).expand(len(lab), -1, -1, -1, -1)
    return functional.grid_sample(batch, grid, padding_mode="border", align_corners=True)[:, :, 0]


# --- palette ---------------------------------------------------------------------------------------


def palette_of(colours: Colours, count: int = _CENTRES) -> tuple[Colours, Colours]:
    """Find the main colours by k-means, most frequent first, and the share of each; fewer if there are fewer.

    Source: Lloyd, "Least squares quantization in PCM", 1982; begun from frequent colours as in
    Chang et al., "Palette-based photo recoloring", 2015, section 3.2.
    """
    colours = colours[:: max(1, len(colours) // _LEARNT)]
    centres = _far_apart(colours, count)
    for _ in range(_LLOYD_STEPS):
        nearest = _distances(colours, centres).argmin(axis=1)
        sizes = np.bincount(nearest, minlength=len(centres))
        centres = np.where(sizes[:, None] > 0, _means(colours, nearest, sizes), centres)
    apart = _kept_apart(centres[np.argsort(-sizes, kind="stable")])
    sizes = np.bincount(_distances(colours, apart).argmin(axis=1), minlength=len(apart))
    order = np.argsort(-sizes, kind="stable")
    return apart[order], sizes[order] / len(colours)


def _kept_apart(centres: Colours) -> Colours:
    """Drop centres nearly equal to an earlier one: separating two such would tear smooth areas."""
    kept = centres[:1]
    for centre in centres[1:]:
        if _distances(kept, centre[None]).min() > _APART**2:
            kept = np.concatenate([kept, centre[None]])
    return kept


def _far_apart(colours: Colours, count: int) -> Colours:
    """Choose frequent colours, each the most frequent of those not near one chosen already, while there are any."""
    cells, counts = _cells(colours)
    chosen: list[Colours] = []
    weights = counts.astype(np.float64)
    while len(chosen) < count and weights.max() >= 1e-3 * len(colours) / count:
        chosen.append(cells[weights.argmax()])
        weights = weights * (1 - np.exp(-_distances(cells, chosen[-1][None])[:, 0] / _LIKENESS**2))
    return np.stack(chosen)


def _cells(colours: Colours) -> tuple[Colours, Array]:
    """Return the mean colours of a coarse grid's occupied cells, and the count in each."""
    keys = np.floor(colours / _CELL).astype(np.int64)
    _, place, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    return _means(colours, place.reshape(-1), counts), counts


def _means(colours: Colours, place: Array, counts: Array) -> Colours:
    sums = [np.bincount(place, colours[:, axis], len(counts)) for axis in range(3)]
    return np.stack(sums, axis=1) / np.maximum(counts, 1)[:, None]


def _distances(colours: Colours, centres: Colours) -> Colours:
    """Squared distances (N, K)."""
    result: Colours = ((colours[:, None] - centres[None]) ** 2).sum(axis=2)
    return result


def palette_map(source: Colours, target: Colours) -> ColourMap:
    """Return a map that moves each main colour of one picture onto one of the other's, and those between smoothly.

    Source: Chang et al., "Palette-based photo recoloring", 2015.
    We differ: both palettes are found, and paired so that colours move least in all.
    """
    mine, shares = palette_of(source)
    theirs, _ = palette_of(target)
    wanted = theirs[_partners(mine, shares, theirs)] - mine
    apart = np.sort(_distances(mine, mine), axis=1)[:, 1:2]
    width = max(float(apart.mean()) * _SOFTNESS, 1e-6) if len(mine) > 1 else 1.0
    near = np.exp(-_distances(mine, mine) / width)
    moves = np.linalg.solve(near / near.sum(axis=1, keepdims=True), wanted)  # so that the centres themselves arrive
    return lambda lab: _moved_softly(lab, mine, moves, width)


def _partners(mine: Colours, shares: Colours, theirs: Colours) -> list[int]:
    """Pair each source colour with a target colour: all different if there are enough."""
    cost = shares[:, None] * _distances(mine, theirs)
    if len(theirs) < len(mine):
        return [int(j) for j in cost.argmin(axis=1)]
    choices = np.array(list(itertools.permutations(range(len(theirs)), len(mine))))
    total = cost[np.arange(len(mine)), choices].sum(axis=1)
    return [int(j) for j in choices[total.argmin()]]


def _moved_softly(lab: Tensor, centres: Colours, moves: Colours, width: float) -> Tensor:
    """Move each colour as the centres near it are."""
    points = torch.as_tensor(centres).to(lab)
    distances = torch.stack([((lab - point[None, :, None, None]) ** 2).sum(dim=1) for point in points], dim=1)
    near = torch.softmax(-distances / width, dim=1)
    return lab + torch.einsum("bkhw,kc->bchw", near, torch.as_tensor(moves).to(lab))
