"""What `reverie networks` prints of files that others wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from reverie.cli import main
from reverie.feedforward.johnson import Johnson, draw_johnson, write_johnson


def shown(capsys: pytest.CaptureFixture[str], path: Path, **facts: object) -> str:
    write_johnson(path, Johnson(draw_johnson(widths=(4, 6), blocks=1).tensors, facts))
    code = main(["networks", str(path)])
    out, err = capsys.readouterr()
    assert code in (0, 2) and bool(err) == (code == 2) and len(err.splitlines()) <= 1
    return out + err


def test_what_a_terminal_would_obey_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = {"painting": "\x1b[31mred\ud800\n", "judge": "\x9b2J", "settings": {"\x1b]0;x": "\u202e", "size": 256}}
    text = shown(capsys, tmp_path / "a.safetensors", **facts, steps=5, seconds=120.0)
    assert r"\x1b[31mred\ud800\n" in text and r"\x9b2J" in text and r"\x1b]0;x=\u202e" in text
    assert not {"\x1b", "\x9b", "\u202e", "\ud800"} & set(text) and "5 steps, 2 min" in text and "256 px" in text


@pytest.mark.parametrize("facts", [{"steps": 10**30, "seconds": 10**400}, {"settings": [1]}, {"painting": ["x"]}])
def test_odd_facts_are_one_refusal(
    facts: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "the facts in 'a.safetensors' are damaged" in shown(capsys, tmp_path / "a.safetensors", **facts)


def test_long_facts_are_shortened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, tmp_path / "a.safetensors", painting="x" * 100_000, judge="\ud800")
    assert len(text) < 20_000 and "…" in text


@pytest.mark.parametrize(
    "words",
    [("texture", "9" * 400), ("networks", f"{'9' * 400}.safetensors"), ("instant", "a.png", "--network", "9" * 400)],
)
def test_a_name_too_long_for_a_file_is_refused(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
