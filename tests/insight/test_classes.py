"""What a network sees: class maps add up to the logits, and boxes lie round the evidence."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie.insight import box_around, class_maps, evidence_for, see
from reverie.networks import Network
from tests.conftest import CLASSES, MakePicture


def test_class_maps_are_exact(dreamnet: Network, astronaut: Tensor) -> None:
    """The classifier of the mean features is the mean of the classifier at each position."""
    picture = rv.pictures.resize(astronaut, (96, 128))
    maps = class_maps(dreamnet, picture)
    with torch.no_grad():
        features = dreamnet(picture, ["relu5_3"])["relu5_3"].double().mean((2, 3))[0]
    filters = dict(dreamnet.filters.named_parameters())
    weight, bias = filters["classes.weight"].double()[:, :, 0, 0], filters["classes.bias"].double()
    assert torch.allclose(maps.double().mean((2, 3))[0], weight @ features + bias, atol=1e-4)


def test_evidence_adds_up_to_the_log_odds(tiny64: Network, make_picture: MakePicture) -> None:
    with torch.no_grad():
        scores = tiny64(make_picture(3, 40, 56, dtype=torch.float64), ["relu3"])["relu3"][0]
    logits = scores.mean((1, 2))
    for index in range(len(logits)):
        others = torch.cat([logits[:index], logits[index + 1 :]])
        wanted = logits[index] - (others.softmax(0) * others).sum()
        assert torch.allclose(evidence_for(scores, logits, index).mean(), wanted, atol=1e-12)


def test_the_likeliest_come_first(tiny: Network, make_picture: MakePicture) -> None:
    photo = make_picture(1, 60, 80)
    found = see(tiny, photo, size=64, count=len(CLASSES))
    assert {each.name for each in found} == set(CLASSES)
    chances = [each.probability for each in found]
    assert chances == sorted(chances, reverse=True)
    assert sum(chances) == pytest.approx(1, abs=1e-5)
    asked = see(tiny, photo, size=64, classes=[4, 1])
    assert [each.name for each in asked] == [CLASSES[4], CLASSES[1]]
    assert asked[0].probability == next(e.probability for e in found if e.index == 4)


def test_a_box_lies_round_the_strongest_region() -> None:
    evidence = torch.full((10, 20), -1.0)
    evidence[2:5, 3:9] = 2
    evidence[7:9, 15:19] = 1.9  # another, which is not connected
    left, top, right, bottom = box_around(evidence) or (0, 0, 0, 0)
    assert (left, right) == pytest.approx((3 / 20, 9 / 20), abs=0.03)
    assert (top, bottom) == pytest.approx((2 / 10, 5 / 10), abs=0.04)
    assert box_around(torch.full((4, 4), -0.1)) is None
    assert box_around(torch.ones(3, 5)) == (0, 0, 1, 1)


def test_a_network_without_classes_is_refused(make_picture: MakePicture) -> None:
    network = rv.networks.wrap(torch.nn.Conv2d(3, 4, 3), mean=0.5, std=0.5)
    with pytest.raises(rv.LayerNotFound, match="has no classes"):
        see(network, make_picture(0, 32, 32))
