"""The grammar of subjects, and how they are made equally strong."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie.errors import LayerNotFound, RecipeError
from reverie.networks import Network
from reverie.recipes.parts.subjects import (
    Subjects,
    WeightedChannel,
    WeightedName,
    by_octave,
    objective_of,
    parse_channel,
    parse_weighted,
)
from tests.conftest import MakePicture


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("relu5_2", WeightedName("relu5_2")),
        ("relu5_2:2", WeightedName("relu5_2", 2)),
        ("night sky:.5", WeightedName("night sky", 0.5)),
        (" castle ", WeightedName("castle")),
        ("483", WeightedName("483")),
    ],
)
def test_subjects(text: str, subject: WeightedName) -> None:
    assert parse_weighted(text) == subject


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("relu5_2:11", WeightedChannel("relu5_2", ((11, 1),))),
        ("relu5_2:11:0.5", WeightedChannel("relu5_2", ((11, 1),), weight=0.5)),
        ("relu5_2:11+42-7:2", WeightedChannel("relu5_2", ((11, 1), (42, 1), (7, -1)), weight=2)),
        ("relu5_2:11@0.3/.5", WeightedChannel("relu5_2", ((11, 1),), at=(0.3, 0.5))),
        ("features.3:1@0/0.5:3", WeightedChannel("features.3", ((1, 1),), at=(0, 0.5), weight=3)),
    ],
)
def test_channels(text: str, subject: WeightedChannel) -> None:
    assert parse_channel(text) == subject


@pytest.mark.parametrize("text", ["", ":2", "relu5_2:0", "macaw:0.0"])
def test_what_is_no_wish(text: str) -> None:
    with pytest.raises(RecipeError):
        parse_weighted(text)


@pytest.mark.parametrize("text", ["relu5_2", "relu5_2:x", "relu5_2:1:0", "relu5_2:1@1/0", "a:1+2@0.1/0.1", "a:1@0.1"])
def test_what_is_no_channel(text: str) -> None:
    with pytest.raises(RecipeError):
        parse_channel(text)


def test_layers_by_octave() -> None:
    assert by_octave(["a", "b:2/c", "d"], 3) == [
        (WeightedName("a"), WeightedName("b", 2)),
        (WeightedName("c"), WeightedName("d")),
        (WeightedName("c"), WeightedName("d")),
    ]
    assert by_octave([], 2) == [(), ()]
    with pytest.raises(RecipeError, match="for 3 octaves; the dream has 2"):
        by_octave(["a/b/c"], 2)


def gradient(objective: rv.Objective, network: Network, picture: Tensor) -> Tensor:
    return rv.evaluate(objective, network, picture).gradient


def rms(x: Tensor) -> float:
    return float(x.pow(2).mean().sqrt())


def test_each_wish_is_as_strong_as_its_weight_and_stride(tiny: Network, make_picture: MakePicture) -> None:
    picture = make_picture(2, 48, 64)
    subjects = Subjects(layers=(WeightedName("relu2", 3), WeightedName("relu3")), classes=(WeightedName("dog", 0.5),))
    parts = objective_of(subjects, tiny, picture).parts
    strengths = {str(term): rms(gradient(w * term, tiny, picture)) for w, term in parts if w}
    assert strengths["energy(relu2)"] / strengths["energy(relu3)"] == pytest.approx(3 / 2, rel=1e-3)  # strides 2 and 4
    (scored,) = (v for name, v in strengths.items() if name.startswith("logit"))
    assert scored / strengths["energy(relu3)"] == pytest.approx(2 * 0.5, rel=1e-3)
    assert all(w <= 0 for w, _ in parts), "all are maximised"


def test_a_wish_alone_is_itself(tiny: Network, make_picture: MakePicture) -> None:
    (only,) = objective_of(Subjects(layers=(WeightedName("relu3", 7),)), tiny, make_picture(0, 32, 32)).parts
    assert only == (-1.0, rv.energy("relu3"))


def test_a_silent_channel_is_measured_by_its_layer(dreamnet: Network) -> None:
    """On black nearly nothing answers: no weight explodes for it."""
    picture = torch.zeros(1, 3, 64, 64)
    subjects = Subjects(channels=tuple(WeightedChannel("relu4_2", ((k, 1),)) for k in range(6)))
    weights = [abs(w) for w, _ in objective_of(subjects, dreamnet, picture).parts if w]
    assert max(weights) == pytest.approx(min(weights), rel=1e-5)


def test_what_to_avoid_is_minimised(tiny: Network, make_picture: MakePicture) -> None:
    subjects = Subjects(
        layers=(WeightedName("relu3"),), avoid=(WeightedName("dog"),), unlike=(make_picture(4, 32, 32),)
    )
    signs = {str(t).split("(")[0]: w for w, t in objective_of(subjects, tiny, make_picture(0, 32, 32)).parts if w}
    assert signs["energy"] < 0 < min(signs["presence"], signs["likeness"])


def test_a_kind_makes_all_classes_local(dreamnet: Network, make_picture: MakePicture) -> None:
    def names(*classes: str) -> set[str]:
        parts = objective_of(
            Subjects(classes=tuple(map(WeightedName, classes))), dreamnet, make_picture(0, 32, 32)
        ).parts
        return {t.name for w, t in parts if w}

    assert names("castle", "teapot") == {"logit"}
    assert names("castle", "dogs") == names("dogs") == {"presence"}


def test_regions_are_one_for_each_wish(tiny: Network, make_picture: MakePicture) -> None:
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., :16] = 1
    picture = make_picture(0, 32, 32)
    two = Subjects(layers=(WeightedName("relu2"), WeightedName("relu3")), regions=(mask, 1 - mask))
    (_, left), (_, right) = (part for part in objective_of(two, tiny, picture).parts if part[0])
    assert (
        gradient(left, tiny, picture)[..., 24:].abs().max() == 0 < gradient(right, tiny, picture)[..., 24:].abs().max()
    )
    with pytest.raises(RecipeError, match="a region for each subject, 2 here; got 3"):
        objective_of(Subjects(layers=two.layers, regions=(mask, mask, mask)), tiny, picture)


def test_defaults_where_nothing_is_wished(dreamnet: Network, make_picture: MakePicture) -> None:
    own = tuple(map(WeightedName, dreamnet.dream_layers))
    picture = make_picture(0, 32, 32)
    assert Subjects().completed(dreamnet).layers == own
    assert Subjects(avoid=(WeightedName("dogs"),)).completed(dreamnet).layers == own
    assert Subjects(guide=picture, classes=(WeightedName("castle"),)).completed(dreamnet).layers == own
    assert Subjects(classes=(WeightedName("castle"),)).completed(dreamnet).layers == ()
    assert Subjects(like=(picture,)).completed(dreamnet).layers == ()


def test_names_that_are_none(dreamnet: Network, make_picture: MakePicture) -> None:
    picture = make_picture(0, 32, 32)
    for subjects, words in (
        (Subjects(layers=(WeightedName("relu4-2"),)), "did you mean 'relu4_2'"),
        (Subjects(classes=(WeightedName("castel"),)), "did you mean"),
        (Subjects(channels=(WeightedChannel("relu4_2", ((9999, 1),)),)), "has channels 0 to"),
        (Subjects(avoid=(WeightedName("doggs"),)), "did you mean 'dogs'"),
    ):
        with pytest.raises(LayerNotFound, match=words):
            objective_of(subjects.completed(dreamnet), dreamnet, picture)


def test_a_class_wished_of_a_network_that_knows_none_is_refused() -> None:
    network = rv.networks.load("vgg16", weights="random")
    for wished in (Subjects(classes=(WeightedName("castle"),)), Subjects(avoid=(WeightedName("castle"),))):
        with pytest.raises(LayerNotFound, match="vgg16 has no classes; dreamnet, googlenet or resnet50 have"):
            wished.deep(network)
