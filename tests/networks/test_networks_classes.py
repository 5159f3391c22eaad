"""Finding a class from what a person types."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from reverie.errors import LayerNotFound
from reverie.networks import find_class, listed_classes, load, said_of
from reverie.networks.classes import KINDS, imagenet_classes, imagenet_words
from reverie.networks.network import Network

SHARED = Path(__file__).parents[3] / "shared" / "weights" / "squeezenet1_1.safetensors"


@pytest.fixture(scope="module")
def network() -> Network:
    return load("dreamnet")


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("espresso", 967),
        (" ESPRESSO ", 967),
        ("281", 281),
        ("0", 0),
        ("lighthouse", 437),
        ("Horse", 339),
        ("horses", 339),
        ("strawberries", 949),
        ("feathers", 84),
        ("web", 815),
        ("tiger cat", 282),
        ("cup", 968),
        ("goldfish", 1),
    ],
)
def test_a_class_is_found(network: Network, text: str, index: int) -> None:
    assert find_class(network, text) == index


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("crane", "'crane' may be crane (134), crane (517); say which, by name or number."),
        (
            "cat",
            "'cat' may be tiger cat (282), Persian cat (283), Siamese cat (284),"
            " Egyptian cat (285), Madagascar cat (383); say which, by name or number.",
        ),
        ("expresso", "dreamnet has no class 'expresso'; did you mean 'espresso'"),
        ("dog", "'dog' may be Maltese dog (153), Greater Swiss Mountain dog (238)"),
        ("octopus", "dreamnet has no class 'octopus'; did you mean 'jellyfish' or 'sea slug' or 'starfish'?"),
        ("trees", "dreamnet has no class 'trees'; did you mean 'lakeside'"),
        ("face", "dreamnet has no class 'face'; did you mean 'mask'"),
        ("shopping", "dreamnet has no class 'shopping'; did you mean 'shopping basket' or 'shopping cart'?"),
        ("zzzzzz", "dreamnet has no class 'zzzzzz'; 'reverie classes' lists them."),
        ("", "dreamnet has no class ''"),
        ("1000", "dreamnet has classes 0 to 999; got 1000."),
    ],
)
def test_what_is_not_clear_is_said(network: Network, text: str, message: str) -> None:
    with pytest.raises(LayerNotFound) as caught:
        find_class(network, text)
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_many_of_a_kind_are_offered_with_the_single_ones(network: Network) -> None:
    with pytest.raises(LayerNotFound, match="'dogs' are all of them"):
        find_class(network, "dog")


def test_words_are_for_classes_that_there_are(network: Network) -> None:
    """Every word is none of the names, and means one of them, or lies near some."""
    names, words = set(imagenet_classes()), imagenet_words()
    said = [*words.usual, *words.near]
    assert len(said) >= 200 and said == [word.lower() for word in said]
    assert len(set(said)) == len(said)
    assert not {name.lower() for name in names} & set(said)
    assert names >= set(words.usual.values()) | {name for near in words.near.values() for name in near}
    assert all(
        said_of(network, word).startswith(f"{name} (") for word, name in words.usual.items() if word not in KINDS
    )


def test_classes_are_listed_by_any_word_for_them(network: Network) -> None:
    assert [*listed_classes(network, "lighthouse")] == [("437", "beacon", "lighthouse, tower")]
    assert [name for _, name, _ in listed_classes(network, "octopus")] == ["jellyfish", "sea slug", "starfish"]
    assert ("118 classes", "dogs", "") in [*listed_classes(network)]
    assert len([*listed_classes(network)]) == 1000 + len(KINDS)


def test_a_network_without_classes_says_so() -> None:
    with pytest.raises(LayerNotFound, match="vgg16 has no classes"):
        find_class(load("vgg16", weights="random"), "cat")


def photograph(name: str) -> torch.Tensor:
    """The centre of one of scikit-image's photographs, 224 px square."""
    data = pytest.importorskip("skimage.data")
    picture = torch.tensor(getattr(data, name)()).permute(2, 0, 1)[None].float() / 255
    scale = 224 / min(picture.shape[2:])
    size = [round(side * scale) for side in picture.shape[2:]]
    small = torch.nn.functional.interpolate(picture, size, mode="bicubic", antialias=True)
    top, left = (size[0] - 224) // 2, (size[1] - 224) // 2
    return small.clamp(0, 1)[:, :, top : top + 224, left : left + 224]


def best(network: Network, name: str, count: int) -> list[str]:
    scores = network(photograph(name), ["classes"])["classes"].mean((2, 3))[0]
    assert network.classes is not None
    return [network.classes[i] for i in scores.topk(count).indices]


@pytest.mark.shared
def test_squeezenet_knows_a_cat_and_a_cup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not SHARED.exists():
        pytest.skip(f"the weights beside the project are missing: {SHARED}")
    monkeypatch.setenv("REVERIE_HOME", str(tmp_path))
    network = load("squeezenet1_1", weights=SHARED)
    assert best(network, "chelsea", 1)[0] in ("Egyptian cat", "tabby", "tiger cat")
    assert best(network, "coffee", 1) == ["espresso"]


def test_real_weights_from_a_file_know_a_cup(network: Network, tmp_path: Path) -> None:
    """Of a file under its published names, as a training writes them, with nothing taken from the package."""
    named = {f"{name.replace('classes', 'classifier')}.{part}": getattr(filters, part).half()
             for name, filters in network.filters.items() for part in ("weight", "bias")}  # fmt: skip
    save_file(named, tmp_path / "mine.safetensors")
    mine = load("dreamnet", weights=tmp_path / "mine.safetensors")
    assert mine.sha256 != network.sha256
    assert "espresso" in best(mine, "coffee", 2) and "space shuttle" in best(mine, "rocket", 2)
    assert best(mine, "chelsea", 1) == ["Egyptian cat"] == best(network, "chelsea", 1)


def test_dreamnet_knows_a_cat(network: Network) -> None:
    cats = {"Egyptian cat", "tabby", "tiger cat", "Persian cat", "Siamese cat", "lynx"}
    assert cats & set(best(network, "chelsea", 5))
