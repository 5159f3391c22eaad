from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from reverie.errors import PictureError
from reverie.pictures import (
    ColourMode,
    Method,
    coloured,
    keep_colours,
    match_colours,
    oklab_to_srgb,
    palette,
    remix,
    srgb_to_oklab,
)
from reverie.pictures.colour_maps import palette_of, sample

Array = np.ndarray[tuple[int, ...], np.dtype[Any]]
METHODS = get_args(Method)
STEP = 1 / 255

each_method = pytest.mark.parametrize("method", METHODS)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def scene(seed: int = 0, size: tuple[int, int] = (60, 80)) -> Tensor:
    """A picture with soft areas of several colours and some grain."""
    broad = torch.nn.functional.interpolate(noise(1, 3, 5, 6, seed=seed), size=size, mode="bicubic").clamp(0, 1)
    return (0.8 * broad + 0.1 + 0.06 * (noise(1, 3, *size, seed=seed + 100) - 0.5)).clamp(0, 1)


def pale(seed: int) -> Tensor:
    """A picture so pale that no recolouring leaves the gamut."""
    lab = noise(1, 3, 40, 50, seed=seed) - 0.5
    mixing = torch.tensor([[0.25, 0.0, 0.0], [0.03, 0.05, 0.0], [-0.02, 0.03, 0.06]]) * (1 + 0.2 * seed)
    lab = torch.einsum("ij,bjhw->bihw", mixing, lab) + torch.tensor([0.55 + 0.05 * seed, 0.01, -0.01])[:, None, None]
    return oklab_to_srgb(lab)


def lab_of(x: Tensor) -> Array:
    """(N, 3) colours in float64."""
    colours: Array = srgb_to_oklab(x.double())[0].flatten(1).T.numpy()
    return colours


def distance(x: Tensor, y: Tensor) -> float:
    """Earth mover's distance of colours in sRGB, averaged over fixed directions."""
    turns = np.random.default_rng(5).normal(size=(3, 24))
    turns /= np.linalg.norm(turns, axis=0)
    shares = np.linspace(0, 1, 257)
    one, other = (np.quantile(p[0].flatten(1).T.numpy() @ turns, shares, axis=0) for p in (x, y))
    return float(np.abs(one - other).mean())


# --- laws ------------------------------------------------------------------------------------------


@each_method
@pytest.mark.parametrize("kind", ["scene", "noise", "grey", "flat", "dot"])
def test_a_picture_matched_to_itself_stays(method: Method, kind: str) -> None:
    pictures = {"scene": scene(), "noise": noise(1, 3, 30, 30), "grey": noise(1, 1, 30, 30).repeat(1, 3, 1, 1)}
    pictures |= {"flat": torch.full((1, 3, 8, 8), 0.3), "dot": torch.tensor([0.9, 0.2, 0.1]).reshape(1, 3, 1, 1)}
    x = pictures[kind]
    assert (match_colours(x, x, method=method) - x).abs().max() < STEP


@pytest.mark.parametrize(
    "method", [pytest.param(m, marks=[pytest.mark.slow] if m == "histogram" else []) for m in get_args(Method)]
)
def test_large_pictures_are_matched_to_themselves_from_a_sample(method: Method) -> None:
    x = scene(size=(600, 480))
    assert (match_colours(x, x, method=method) - x).abs().max() < STEP


@pytest.mark.parametrize("mode", get_args(ColourMode))
def test_amount_nought_changes_nothing(mode: ColourMode) -> None:
    x, photo = scene(), scene(1)
    assert torch.equal(coloured(x, photo=photo, paintings=[scene(2)], mode=mode, amount=0), x)


@each_method
def test_the_amount_is_a_way_in_oklab(method: Method) -> None:
    x, like = pale(0), pale(1)
    start, half, end = (lab_of(match_colours(x, like, method=method, amount=a)) for a in (0, 0.5, 1))
    assert np.abs(half - (start + end) / 2).max() < 1e-4


def test_mean_and_covariance_become_equal() -> None:
    matched, like = lab_of(match_colours(pale(0), pale(1))), lab_of(pale(1))
    assert np.abs(matched.mean(0) - like.mean(0)).max() < 1e-5
    assert np.abs(np.cov(matched.T) - np.cov(like.T)).max() < 1e-6


def test_the_map_of_means_and_covariances_is_the_optimal_one() -> None:
    """Re-derived in float64: the only symmetric positive map between the covariances."""
    x, like = pale(0), pale(1)
    source, target = lab_of(x), lab_of(like)
    a, b = (np.cov(colours.T, bias=True) for colours in (source, target))
    values, vectors = np.linalg.eig(a @ b)
    root = (vectors * np.sqrt(values)) @ np.linalg.inv(vectors)
    stretch = np.linalg.solve(a, root)
    assert np.allclose(stretch, stretch.T, atol=1e-9)
    wanted = (source - source.mean(0)) @ stretch.T + target.mean(0)
    assert np.abs(lab_of(match_colours(x, like)) - wanted).max() < 1e-5


def test_histograms_come_near() -> None:
    for one, other in ((scene(), scene(1)), (scene(2), scene(3)), (scene(4), noise(1, 3, 50, 50))):
        before = distance(one, other)
        assert distance(match_colours(one, other, method="histogram"), other) < 0.2 * before


def test_histogram_keeps_flat_areas_flat() -> None:
    x = torch.zeros(1, 3, 40, 40)
    x[..., 20:] = 0.8
    x += 0.004 * (noise(1, 3, 40, 40) - 0.5)
    matched = match_colours(x.clamp(0, 1), scene(), method="histogram")
    assert matched[..., 20:].std(dim=(2, 3)).max() < 0.02


def test_palette_moves_main_colours_onto_main_colours() -> None:
    mine = torch.tensor([[0.9, 0.2, 0.2], [0.2, 0.3, 0.8], [0.1, 0.1, 0.1]])
    theirs = torch.tensor([[0.8, 0.5, 0.1], [0.1, 0.5, 0.5], [0.3, 0.1, 0.2]])
    x, like = (c.T.reshape(1, 3, 1, 3).repeat_interleave(20, 2).repeat_interleave(20, 3) for c in (mine, theirs))
    matched = match_colours(x, like, method="palette")
    assert (matched - like).abs().max() < STEP
    centres, shares = palette_of(sample([x]))
    assert len(centres) == 3 and shares.tolist() == pytest.approx([1 / 3] * 3)


@each_method
@pytest.mark.parametrize("like", ["scene", "grey", "dot"])
@pytest.mark.parametrize("kind", ["scene", "grey", "flat", "dot", "black", "line"])
def test_nothing_is_ever_nan(method: Method, kind: str, like: str) -> None:
    pictures = {"scene": scene(), "grey": noise(1, 1, 9, 9).repeat(1, 3, 1, 1), "flat": torch.full((1, 3, 4, 4), 0.4)}
    pictures |= {"dot": noise(1, 3, 1, 1), "black": torch.zeros(1, 3, 3, 3), "line": noise(1, 3, 1, 300)}
    matched = match_colours(pictures[kind], pictures[like], method=method)
    assert matched.shape == pictures[kind].shape
    assert matched.min() >= 0 and matched.max() <= 1  # false for NaN


@pytest.mark.parametrize("method", ["mean-covariance", "palette"])
def test_a_picture_becomes_one_colour_when_the_other_is(method: Method) -> None:
    dot = torch.tensor([0.7, 0.5, 0.3]).reshape(1, 3, 1, 1)
    matched = match_colours(scene(), dot, method="mean-covariance")
    assert (matched - dot).abs().max() < 2 * STEP
    single = match_colours(torch.full((1, 3, 5, 5), 0.2), dot, method=method)
    assert (single - dot).abs().max() < 2 * STEP


def test_the_noise_of_a_grey_photo_does_not_become_colours() -> None:
    grey = noise(1, 1, 40, 40) * 0.8 + 0.1 + 0.004 * (noise(1, 3, 40, 40) - 0.5)
    matched = match_colours(grey, scene())
    chroma = srgb_to_oklab(matched)[:, 1:]
    lightness = srgb_to_oklab(matched)[:, :1].flatten()
    for part in chroma[0]:  # what is left once the tint of each lightness is taken out
        slope, offset = np.polyfit(lightness.numpy(), part.flatten().numpy(), 1)
        assert (part.flatten() - slope * lightness - offset).std() < 0.01


@pytest.mark.parametrize("pair", [(scene(), scene(1)), (noise(1, 3, 40, 40), noise(1, 3, 40, 40, seed=1))])
def test_kept_colours_are_the_photos(pair: tuple[Tensor, Tensor]) -> None:
    result, photo = pair
    kept, own = (srgb_to_oklab(p)[:, 1:] for p in (keep_colours(result, photo), photo))
    assert (kept - own).abs().max() < STEP
    assert (kept.norm(dim=1) - own.norm(dim=1)).abs().max() < STEP


def test_kept_colours_have_the_results_lightness_where_there_is_such_a_colour() -> None:
    kept = keep_colours(pale(0), pale(1))
    assert np.abs(lab_of(kept)[:, 0] - lab_of(pale(0))[:, 0]).max() < 1e-5
    grey = noise(1, 1, 8, 8).repeat(1, 3, 1, 1)
    assert np.abs(lab_of(keep_colours(scene(size=(8, 8)), grey))[:, 1:]).max() < 1e-4
    assert torch.allclose(keep_colours(scene(), scene()), scene(), atol=1e-4)


@pytest.mark.parametrize("mode", get_args(ColourMode))
def test_bands_make_no_difference(mode: ColourMode, monkeypatch: pytest.MonkeyPatch) -> None:
    x, photo, painting = scene(), scene(1), scene(2)
    whole = coloured(x, photo=photo, paintings=[painting], mode=mode)
    monkeypatch.setattr("reverie.pictures.bands._BAND", 7 * 80)
    parts = coloured(x, photo=photo, paintings=[painting], mode=mode)
    assert (whole - parts).abs().max() < 1e-5
    assert torch.equal(parts, coloured(x, photo=photo, paintings=[painting], mode=mode))


# --- modes -----------------------------------------------------------------------------------------


def test_modes_are_what_they_say() -> None:
    x, photo, paintings = scene(), scene(1, (30, 40)), [scene(2), scene(3)]
    seen = {mode: coloured(x, photo=photo, paintings=paintings, mode=mode) for mode in get_args(ColourMode)}
    assert seen["painting"] is x
    assert torch.equal(seen["photo"], keep_colours(x, photo))
    assert torch.equal(seen["mean"], match_colours(x, photo))
    assert torch.equal(seen["histogram"], match_colours(x, photo, method="histogram"))
    assert torch.equal(seen["palette"], match_colours(x, paintings, method="palette"))


def test_every_method_has_a_map() -> None:
    assert set(palette._MAPS) == set(METHODS)


def test_remix_goes_from_the_photo_to_the_result_and_beyond() -> None:
    photo, result = pale(0), pale(1)
    assert torch.equal(remix(photo, result, strength=0), photo)
    assert torch.equal(remix(photo, result), result)
    own, painted = lab_of(photo), lab_of(result)
    for strength in (0.3, 1.2):
        mixed = lab_of(remix(photo, result, strength=strength))
        assert np.abs(mixed - (own + strength * (painted - own))).max() < 1e-4
    strong = remix(scene(), noise(1, 3, 60, 80), strength=1.5)
    assert strong.min() >= 0 and strong.max() <= 1
    kept = remix(photo, result, strength=0.7, mode="photo")
    assert torch.equal(kept, keep_colours(remix(photo, result, strength=0.7), photo))


def test_refusals() -> None:
    x = scene()
    for message, call in (
        ("Did you mean 'photo'", lambda: coloured(x, photo=x, mode="foto")),  # type: ignore[arg-type]
        ("'photo' are those of a photo; got none", lambda: coloured(x, photo=None, mode="photo")),
        ("'palette' are those of paintings", lambda: coloured(x, photo=x, mode="palette")),
        ("Did you mean 'histogram'", lambda: match_colours(x, x, method="histograms")),  # type: ignore[arg-type]
        ("got none; give one", lambda: match_colours(x, [])),
        ("0 to 1; got 1.5", lambda: match_colours(x, x, amount=1.5)),
        ("0 to 1; got nan", lambda: keep_colours(x, x, amount=float("nan"))),
        (r"got \(2, 3, 4, 4\)", lambda: keep_colours(x, noise(2, 3, 4, 4))),
        ("0 to 1.5; got 2", lambda: remix(x, x, strength=2)),
    ):
        with pytest.raises(PictureError, match=message) as caught:
            call()
        assert ("\n" not in str(caught.value) and ";" in str(caught.value)) or "Did you mean" in str(caught.value)
