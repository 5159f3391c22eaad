"""The precision probe and its cache, which nothing may break."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import reverie as rv
from reverie.engine import precision
from reverie.errors import OutOfMemory, RecipeError
from reverie.networks import Network


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the cache will be, in a home of its own."""
    home = tmp_path / "home"
    monkeypatch.setenv("REVERIE_HOME", str(home))
    return home / "precisions.json"


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The networks that were probed; the second candidate is always the fastest."""
    seen: list[str] = []

    def probe(network: Network) -> precision.Candidate:
        seen.append(network.name)
        return precision.CANDIDATES[1]

    monkeypatch.setattr(precision, "probe", probe)
    return seen


def test_the_probe_finds_a_candidate(tiny: Network) -> None:
    assert precision.probe(tiny) in precision.CANDIDATES


def test_an_unfaithful_candidate_is_not_taken(tiny: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_gradient", lambda n, p, layers: -p if _is_quick(n) else p)
    monkeypatch.setattr(precision, "_seconds", lambda n, *_: 0.1 if _is_quick(n) else 1.0)
    assert precision.probe(tiny).dtype == torch.float32


def test_the_probe_takes_the_fastest(tiny: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_gradient", lambda n, p, layers: p)
    monkeypatch.setattr(precision, "_seconds", lambda n, *_: 1.0 if _is_quick(n) else 3.0)
    assert precision.probe(tiny) is precision.CANDIDATES[1]


def test_a_machine_that_is_busy_for_a_while_misleads_no_probe(tiny: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """The candidates take turns: what else the machine does meets all of them."""
    load = iter((9.0, 9.0, 9.0, 9.0, 1.0, 1.0, 1.0, 1.0))
    monkeypatch.setattr(precision, "_gradient", lambda n, p, layers: p)
    monkeypatch.setattr(precision, "_seconds", lambda n, *_: next(load) * (1.0 if _is_quick(n) else 2.0))
    assert precision.probe(tiny) is precision.CANDIDATES[1]


def _is_quick(network: Network) -> bool:
    return network.dtype == torch.bfloat16


def test_the_probe_of_a_network_nobody_can_follow() -> None:
    class Moody(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x) if bool(x.detach().mean() > 0) else self.conv(x) * 2

    assert precision.probe(rv.networks.wrap(Moody(), mean=0.5, std=0.2)) in precision.CANDIDATES


def test_it_is_remembered(tiny: Network, cache: Path, probes: list[str]) -> None:
    first, second = precision.fastest(tiny), precision.fastest(tiny)
    assert first is second is precision.CANDIDATES[1]
    assert len(probes) == 1
    (known,) = json.loads(cache.read_text()).items()
    assert torch.__version__ in known[0]
    assert tiny.sha256[:16] in known[0]
    assert list(cache.parent.iterdir()) == [cache]


def test_networks_and_threads_are_kept_apart(
    tiny: Network,
    dreamnet: Network,
    cache: Path,
    probes: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    precision.fastest(tiny)
    precision.fastest(dreamnet)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 99)
    precision.fastest(tiny)
    assert probes == [tiny.name, "dreamnet", tiny.name]
    assert len(json.loads(cache.read_text())) == 3


DAMAGED = [
    b"",
    b"{",
    b"[1, 2]",
    b"null",
    b'"text"',
    b"\xff\xfe\x00",
    b'{"a": "x"}',
    b'{"a": null}',
    b'{"a": Infinity}',
]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_cache_is_as_good_as_none(tiny: Network, cache: Path, probes: list[str], content: bytes) -> None:
    cache.parent.mkdir()
    cache.write_bytes(content)
    assert precision.fastest(tiny) is precision.CANDIDATES[1]
    assert len(probes) == 1
    precision.fastest(tiny)
    assert len(probes) == 1


@pytest.mark.parametrize("index", [-1, 3, 1000])
def test_a_candidate_that_is_not_there_is_probed_again(
    tiny: Network, cache: Path, probes: list[str], index: int
) -> None:
    precision.fastest(tiny)
    (key,) = json.loads(cache.read_text())
    cache.write_text(json.dumps({key: index}))
    assert precision.fastest(tiny) is precision.CANDIDATES[1]
    assert len(probes) == 2


def test_a_home_that_cannot_be_made(
    tiny: Network, tmp_path: Path, probes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("REVERIE_HOME", str(tmp_path / "file" / "home"))
    assert precision.fastest(tiny) is precision.CANDIDATES[1]


@pytest.mark.parametrize("error", [PermissionError(13, "no"), OSError(30, "read-only"), OSError(28, "full")])
def test_a_home_that_is_read_only(
    tiny: Network, cache: Path, probes: list[str], monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    cache.parent.mkdir()

    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("os.open", refuse)
    monkeypatch.setattr(Path, "write_text", refuse)
    assert precision.fastest(tiny) is precision.CANDIDATES[1]


def test_named_precisions(tiny: Network) -> None:
    assert precision.with_precision(tiny, "float32").dtype == torch.float32
    quick = precision.with_precision(tiny, "bfloat16")
    assert quick.dtype == torch.bfloat16
    assert quick.channels_last
    assert tiny.dtype == torch.float32


def test_auto_uses_what_was_found(tiny: Network, cache: Path, probes: list[str]) -> None:
    network = precision.with_precision(tiny)
    assert (network.dtype, network.channels_last) == (torch.bfloat16, True)


def test_an_unknown_precision_is_refused(tiny: Network) -> None:
    with pytest.raises(RecipeError, match="float32 or bfloat16"):
        precision.with_precision(tiny, "float8")  # type: ignore[arg-type]


def test_a_probe_that_does_not_fit_is_refused(tiny: Network, cache: Path, probes: list[str]) -> None:
    with pytest.raises(OutOfMemory, match=r"--precision float32 or --memory \d+MB"):
        precision.fastest(tiny, memory=2**20)
    assert not probes and not cache.exists()
    precision.fastest(tiny, memory=2**40)
    assert precision.fastest(tiny, memory=2**20) is precision.CANDIDATES[1], "it is known now, and takes nothing"
