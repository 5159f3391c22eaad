"""Files that were exported: what ONNX Runtime makes of them, with and without Reverie."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from torch import Tensor

from reverie import __version__, styles
from reverie.errors import PictureError, RecipeError
from reverie.export import Exported, export_onnx, spec_of
from reverie.export.onnxfile import write_onnx
from reverie.export.quantise import calibration, wide_convolutions
from reverie.export.sessions import session_for
from reverie.export.specs import grain_for
from reverie.feedforward.johnson import draw_johnson, read_johnson, write_johnson
from reverie.pictures import read_image
from reverie.recipes.instant import painter
from reverie.recipes.parts.at_once import InstantSettings
from reverie.recipes.upscale import UpscaleSettings, upscale

pytestmark = pytest.mark.xdist_group("onnx")  # the exported files are made once
Make = Callable[..., Tensor]
PAGE = Path(__file__).parents[2] / "docs" / "export.md"


@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (1, 3, 37, 50), (3, 3, 64, 21)])
def test_any_size_is_enlarged_as_by_python(enlarging: Exported, make_picture: Make, shape: tuple[int, ...]) -> None:
    picture = make_picture(4, *shape[2:], batch=shape[0])
    (made,) = session_for(enlarging.path).run(None, {"picture": picture.numpy()})
    assert made.shape == (*shape[:2], 2 * shape[2], 2 * shape[3]) and made.dtype == np.float32
    assert np.abs(made - upscale(picture, UpscaleSettings(precision="float32")).numpy()).max() < 0.01 / 255
    assert made.min() >= 0 and made.max() <= 1


def test_what_is_told_is_so(enlarging: Exported) -> None:
    assert enlarging.bytes == enlarging.path.stat().st_size < 2e6
    assert [p.size for p in enlarging.parity] == [(48, 56), (93, 75)]
    assert all(0 < p.mean < p.most < 0.01 for p in enlarging.parity)
    model = onnx.load(str(enlarging.path))
    about = {entry.key: entry.value for entry in model.metadata_props}
    spec = spec_of("superres")
    assert about["name"] == "superres-x2" and about["sha256"] == spec.sha256 and about["factor"] == "2"
    assert about["reverie"] == __version__
    assert not any(x.data_location for x in model.graph.initializer), "weights lie in the one file"
    assert [f.name for f in enlarging.path.parent.iterdir()] == ["superres.onnx"]


def test_a_file_that_differs_is_not_kept(enlarging: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Program:
        def save(self, path: str, external_data: bool) -> None:
            Path(path).write_bytes(enlarging.path.read_bytes())

    monkeypatch.setattr("reverie.export.onnxfile._trace", lambda spec: Program())
    (tmp_path / "m.onnx").write_bytes(b"an older file")
    honest = spec_of("superres")
    spec = replace(honest, expected=lambda x: (honest.expected(x)[0] + 3 / 255,))
    with pytest.raises(RecipeError, match=r"differs from Python's by 3.* no file is kept") as refused:
        write_onnx(spec, tmp_path / "m.onnx")
    assert "\n" not in str(refused.value)
    assert [(f.name, f.read_bytes()) for f in tmp_path.iterdir()] == [("m.onnx", b"an older file")]


@pytest.mark.slow
def test_a_style_of_your_own_in_8_bits(tmp_path: Path, make_picture: Make) -> None:
    write_johnson(tmp_path / "mine.safetensors", draw_johnson(widths=(8, 16), blocks=1, seed=2))
    made = export_onnx(tmp_path / "mine.safetensors", tmp_path / "mine.onnx", int8=True)
    found = made.quantised
    assert made.name == "mine" and found is not None
    assert found.kilobytes[1] < found.kilobytes[0] and found.psnr > 25 and found.mean < 8
    assert 0 < found.convolutions[0] < found.convolutions[1]
    assert made.bytes == made.path.stat().st_size
    photo = make_picture(0, 45, 62)
    (got,) = session_for(made.path).run(None, {"photo": photo.numpy()})
    wanted = read_johnson(tmp_path / "mine.safetensors")(photo).clamp(0, 1).numpy()
    assert got.shape == photo.shape and 0 < np.abs(got - wanted).mean() < 8 / 255


def test_which_convolutions_go_into_8_bits(enlarging: Exported) -> None:
    """Those of the blocks: not the entry, nor the head, nor the bicubic filter."""
    model = onnx.load(str(enlarging.path))
    shapes = {x.name: tuple(x.dims) for x in model.graph.initializer}
    nodes = {n.name: shapes[n.input[1]] for n in model.graph.node if n.op_type == "Conv"}
    chosen = wide_convolutions(model)
    assert len(chosen) == 2 * spec_of("superres").module.network.blocks == len(nodes) - 3  # type: ignore[union-attr,operator]
    assert all(min(nodes[name][:2]) >= 16 for name in chosen)


def test_pictures_to_calibrate_by(tmp_path: Path) -> None:
    samples, broken = calibration(None)
    assert len(samples) == len(styles.names()) and not broken
    assert max(max(x.shape[2:]) for x in samples) == 192
    with pytest.raises(PictureError, match="holds none"):
        calibration(tmp_path)
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    found, broken = calibration(tmp_path)
    assert [tuple(x.shape) for x in found] == [(1, 3, 30, 40)] and list(broken) == [tmp_path / "b.png"]
    with pytest.raises(PictureError, match="none called"):
        calibration(tmp_path / "gone")


BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "reverie", "onnx", "onnxscript"):
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Blocked())
"""


def test_it_runs_without_torch_and_reverie(enlarging: Exported, tmp_path: Path) -> None:
    """The page's own lines, in a process in which neither can be imported."""
    _photo(tmp_path / "photo.jpg")
    (tmp_path / "superres.onnx").write_bytes(enlarging.path.read_bytes())
    code = BLOCKED + _lines("superres.onnx")
    ended = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    _check_enlarged(tmp_path)


@pytest.mark.slow
def test_it_runs_where_only_onnxruntime_is_installed(enlarging: Exported, tmp_path: Path) -> None:
    """A true bare environment, filled by pip."""
    venv.create(tmp_path / "bare", with_pip=True)
    python = [str(next((tmp_path / "bare").glob("[bS]*/python*"))), "-I"]  # xdist puts what is here on PYTHONPATH
    words = [*python, "-m", "pip", "install", "--quiet", "onnxruntime", "pillow"]
    installed = subprocess.run(words, capture_output=True, text=True, check=False)
    if installed.returncode:
        pytest.skip(f"pip cannot install onnxruntime here: {installed.stderr[-200:]}")
    _photo(tmp_path / "photo.jpg")
    (tmp_path / "superres.onnx").write_bytes(enlarging.path.read_bytes())
    bare = subprocess.run([*python, "-c", "import torch"], capture_output=True, check=False)
    assert bare.returncode == 1, "there is no torch"
    subprocess.run([*python, "-c", _lines("superres.onnx")], cwd=tmp_path, check=True)
    _check_enlarged(tmp_path)


@pytest.mark.slow
def test_instant_is_rv_instant(tmp_path: Path, make_picture: Make) -> None:
    made = export_onnx("instant", tmp_path / "instant.onnx")
    assert all(p.most < 1 for p in made.parity)
    session = session_for(made.path)
    for size in ((97, 130), (120, 121)):
        photo, painting = make_picture(0, *size), make_picture(1, 90, 110)
        feed = {"photo": photo, "painting": painting, "noise": grain_for(size)}
        (got,) = session.run(None, {name: x.numpy() for name, x in feed.items()})
        settings = InstantSettings(precision="float32", tile=0, likeness=0, motifs=2)
        wanted = painter([painting], settings).plain(photo)
        assert np.abs(got - wanted.numpy()).max() < 1 / 255


@pytest.mark.slow
def test_the_page_s_lines_for_instant(tmp_path: Path) -> None:
    export_onnx("instant", tmp_path / "instant.onnx")
    _photo(tmp_path / "photo.jpg")
    _photo(tmp_path / "painting.jpg", turned=True)
    code = BLOCKED + _lines("instant.onnx")
    subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, check=True)
    with Image.open(tmp_path / "painted.png") as painted:
        assert painted.size == (90, 61)


@pytest.mark.slow
def test_a_painting_inside_and_8_bits(tmp_path: Path) -> None:
    painting = read_image(styles.path("mosaic"))
    made = export_onnx("instant", tmp_path / "m.onnx", painting=painting, size=256, int8=True)
    assert list(made.inputs) == ["photo", "noise"]
    assert made.quantised is not None and made.quantised.psnr > 20
    assert made.quantised.kilobytes[1] < 0.6 * made.quantised.kilobytes[0]


@pytest.mark.slow
def test_maps_of_dreamnet(tmp_path: Path, make_picture: Make, dreamnet: object) -> None:
    made = export_onnx("dreamnet", tmp_path / "d.onnx", layers=["relu3_2", "relu4_2"])
    assert made.outputs == ("relu3_2", "relu4_2") and all(p.most < 1e-5 for p in made.parity)
    shallow, deep = session_for(made.path).run(None, {"picture": make_picture(0, 64, 96).numpy()})
    assert shallow.shape == (1, 128, 16, 24) and deep.shape == (1, 256, 8, 12)


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r"pip install 'reverie-dream\[export\]'"):
        export_onnx("superres", tmp_path / "m.onnx")


def _lines(file: str) -> str:
    """The page's block of Python that uses a file."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf8"), re.S)
    (found,) = [block for block in blocks if f'"{file}"' in block]
    return str(found)


def _photo(path: Path, *, turned: bool = False) -> None:
    y, x = np.mgrid[:61, :90] / 90
    colours = np.stack([x, y, 0.5 + 0.5 * np.sin(30 * x * y)], axis=2)
    image = Image.fromarray((255 * colours).astype(np.uint8))
    (image.rotate(90, expand=True) if turned else image).save(path)


def _check_enlarged(folder: Path) -> None:
    with Image.open(folder / "enlarged.png") as file:
        made = np.asarray(file)
    wanted = upscale(read_image(folder / "photo.jpg"))[0].permute(1, 2, 0)
    assert made.shape == (122, 180, 3)
    assert np.abs(made - (255 * wanted).round().numpy()).max() <= 1
    assert torch.isfinite(wanted).all()
