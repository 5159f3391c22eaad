from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("superres",), "name one with -o, as in 'reverie export instant"),
        (("supperres", "-o", "m.onnx"), "did you mean 'superres'"),
        (("superres", "-o", "m.pth"), ".onnx"),
        (("superres", "-o", "gone/m.onnx"), "no folder"),
        (("superres", "-o", "m.onnx", "--factor", "7"), "factor: input should be less than or equal to 4; got '7'"),
        (("superres", "-o", "m.onnx", "--factor", "two"), "factor: input should be a valid integer"),
        (("instant", "-o", "m.onnx", "--factor", "2"), "--factor belongs to superres"),
        (("instant", "-o", "m.onnx", "--painting", "monnet"), "no file or sample style 'monnet'"),
        (("instant", "-o", "m.onnx", "--size", "64"), "--painting"),
        (("superres", "-o", "m.onnx", "--painting", "mosaic"), "--painting belongs to instant"),
        (("superres", "-o", "m.onnx", "--calibrate", "."), "--int8"),
        (("superres", "-o", "m.onnx", "--int8", "--calibrate", "gone"), "none called 'gone'"),
        (("superres", "-o", "m.onnx", "--int8", "--calibrate", "bare"), "holds none"),
        (("superres", "-o", "m.onnx", "--runtime", "x.tgz"), "--runtime is for a page; name its folder with -o"),
        (("dreamnet", "-o", "m.onnx", "--layers", "relu9_9"), "relu9_9"),
        (("broken.safetensors", "-o", "m.onnx"), "broken.safetensors"),
        (("gone.safetensors", "-o", "m.onnx"), "gone.safetensors"),
        (("dreamnet", "-o", "site"), "makes maps"),
        (("superres", "-o", "."), "new or empty; '.' holds"),
        (("superres", "-o", "site", "--layers", "relu1_1"), "--layers is for an .onnx file"),
        (("superres", "-o", "site", "--runtime", "photo.png"), "sha512"),
        (("superres", "-o", "site", "--runtime", "bare"), "lacks ort.wasm.min.mjs"),
        (("superres", "-o", "site", "--runtime", "gone.tgz"), "gone.tgz"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(reverie: Run, folder: Path, words: tuple[str, ...], says: str) -> None:
    (folder / "bare").mkdir()
    (folder / "broken.safetensors").write_bytes(b"\1" * 40)
    before = sorted(path.name for path in folder.rglob("*"))
    ended = reverie("export", *words)
    assert ended.code == 2 and ended.out == ""
    assert ended.err.startswith("reverie: ") and ended.err.count("\n") == 1 and "Traceback" not in ended.err
    assert says in ended.err
    assert sorted(path.name for path in folder.rglob("*")) == before, "nothing is left behind"


def test_it_is_among_the_commands(reverie: Run) -> None:
    assert " export " in reverie("--help").out
    told = reverie("export", "--help").out
    for option in ("--factor", "--painting", "--layers", "--int8", "--calibrate", "--runtime", "--output"):
        assert option in told


@pytest.mark.slow
def test_a_file_and_what_is_said_of_it(reverie: Run, folder: Path) -> None:
    ended = reverie("export", "superres-sharp", "--factor", "3", "-o", "m.onnx", "--int8", "--calibrate", ".")
    assert ended.code == 0 and ended.err == ""
    assert "takes picture (batch, 3, height, width)" in ended.out and "gives enlarged" in ended.out
    assert ended.out.count("against Python at") == 2 and "of 1/255" in ended.out
    assert "int8" in ended.out and " kB " in ended.out and " dB" in ended.out
    assert (folder / "m.onnx").stat().st_size < 400_000
