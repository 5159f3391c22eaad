"""Messages and lines of runs in Chinese where the environment asks for it; English is the source."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from reverie.cli import messages
from reverie.cli.messages import piece, told
from tests.cli.conftest import QUICK, Run
from tests.cli.test_bad_inputs import KINDS, spoil

SOURCE = Path(messages.__file__).parents[1]
KNOWN = json.loads((SOURCE / "cli" / "chinese_messages.json").read_text(encoding="utf-8"))
ERRORS = {
    "ChecksumMismatch", "ClipError", "DiskFull", "Diverged", "FileError", "InUse", "LayerNotFound", "Noted",
    "OutOfMemory", "PictureError", "RecipeError", "UnknownId", "WeightsError",
}  # fmt: skip
FOR_BUILDERS = (
    "canvas", "objectives", "optimisers", "views", "insight", "queue", "studio", "finding", "feedforward", "plugins",
    "engine/cluster.py", "engine/evaluate.py", "engine/executors.py", "engine/federated.py", "engine/fit.py",
    "engine/iterates.py", "engine/series.py", "engine/stages.py", "engine/synthesize.py", "engine/tiles.py",
    "export/graphs.py", "export/onnxfile.py", "export/page.py", "export/quantise.py", "export/runtime.py",
    "export/specs.py", "networks/fetch.py", "networks/graph.py", "networks/network.py", "networks/plugins.py",
    "networks/tensorfiles.py", "networks/weights.py", "networks/wrapped.py", "pictures/arrays.py",
    "pictures/colour.py", "pictures/magnify.py", "pictures/matte.py", "pictures/recipe.py", "pictures/resize.py",
    "pictures/sheets.py", "pictures/strip.py", "crafts/registry.py", "untrusted.py", "cli/options.py",
)  # fmt: skip
"""Where messages are for those who write programs, or come from files that only experts bring; these stay English."""
OF_PYDANTIC = "{}: {}; got {}."
"""Messages of a library, each of which is in "others"."""
OF_TENSORS = re.compile(r"\(B, 3, H, W\)|\(1, \d?,? ?H, W\)|\(1, \{\}, H, W\)|tensor|rv\.")
"""Messages that only a program can cause."""


@cache
def strings(path: Path) -> frozenset[str]:
    """The strings of a module; of f-strings the templates."""
    return frozenset(filter(None, map(template, ast.walk(ast.parse(path.read_text(encoding="utf-8"))))))


def template(node: ast.AST) -> str:
    """A string, with {} for what is put into it; empty for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return ""


def refusals() -> Iterator[tuple[str, str]]:
    """Every message of an error that a user of the command line may meet, and where it is written."""
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        if name.startswith(FOR_BUILDERS):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if isinstance(node, ast.Call) and called in ERRORS and node.args:
                yield template(node.args[0]), f"{name}:{node.lineno}"


def test_nothing_is_missing() -> None:
    met = [(said, where) for said, where in refusals() if len(said.replace("{}", "")) > 8]
    assert len(met) > 150
    known = {*KNOWN["source"], OF_PYDANTIC}
    missing = {where: said for said, where in met if said not in known and not OF_TENSORS.search(said)}
    assert not missing, "translate these in src/reverie/cli/chinese_messages.json"


def test_nothing_is_left_over() -> None:
    written = frozenset[str]().union(*map(strings, SOURCE.rglob("*.py")))
    assert not set(KNOWN["source"]) - written, "these are no longer said"


@pytest.mark.parametrize(("english", "chinese"), [pair for kind in KNOWN.values() for pair in kind.items()])
def test_what_stands_in_a_message_stands_in_the_other(english: str, chinese: str) -> None:
    count = english.count("{}")
    named = {int(number) for number in re.findall(r"\{(\d)\}", chinese)}
    assert named <= set(range(count)) and (named or chinese.count("{}") == count)
    assert re.search(r"[一-鿿]", chinese) or english in (
        "{} or {}",
        "{} or a {}",
        "--start photo or ",
        "'{}': {}",
        "{}: {}: {}.",
    )


MISTAKES = [
    ("dream no.png", "没有文件“no.png”；请检查拼写和所在的文件夹"),
    ("dream photo.png --size 5", "size 至少为 16；得到 '5'。"),
    ("dream photo.png --size big", "size 应是整数；得到 'big'。"),
    ("dream photo.png --strength=-1", "应大于 0"),
    ("dream photo.png --precision double", "precision 应是"),
    ("dream photo.png --network vgg9", "没有网络“vgg9”；你是不是想写“vgg19”？有的是 dreamnet"),
    (
        "dream photo.png --layers relu9_9",
        "dreamnet 里没有层“relu9_9”；你是不是想写“relu5_3”？“reverie networks dreamnet”列出",
    ),
    ("dream photo.png --class castel", "dreamnet 没有类别“castel”；你是不是想写“castle”？"),
    ("dream photo.png --class 1000", "dreamnet 的类别是 0 到 999；得到 1000。"),
    ("dream photo.png --memory lots", "内存应写成"),
    ("dream photo.png --memory 1MB", "准备起始图像需要内存"),
    ("dream photo.png --device tpu", "这里没有设备“tpu”"),
    ("dream photo.png --sise 64", "没有选项 --sise"),
    ("dream photo.png -o out.xyz", "后缀决定格式"),
    ("dream photo.png -o nowhere/out.png", "没有文件夹“nowhere”；请先建立"),
    ("dream photo.png -o photo.png", "是原料之一"),
    ("dream", "缺少参数“PHOTO”。 “reverie dream --help”列出"),
    ("dram photo.png", "没有命令“dram”，你是不是想写“dream”？"),
    (
        "style photo.png nigth-strokes",
        "没有文件或自带样式“nigth-strokes”；“reverie styles”列出自带的样式。你是不是想写“night-strokes”？",
    ),
    ("style photo.png night.jpg --preset nothere", "style 没有预设“nothere”"),
    ("style photo.png night.jpg --weights 1,2", "每幅画一个权重；1 幅画得到 2 个。"),
    ("style photo.png", "style 需要 PAINTING 或 --find-painting；请给其中之一，或给一个自带它的 --preset"),
    ("upscale photo.png --factor 5", "factor 至多为 4"),
    ("replay photo.png", "里没有配方"),
    ("resume no-folder", "里没有任务"),
    ("train style night.jpg", "缺少选项“--photos”。"),
    ("batch dream no-folder", "没有文件或文件夹“no-folder”"),
    ("zoom photo.png -o zoom.xyz", "变焦写入文件夹"),
]


@pytest.mark.parametrize(("words", "said"), MISTAKES, ids=[words for words, _ in MISTAKES])
def test_what_a_beginner_meets(reverie: Run, monkeypatch: pytest.MonkeyPatch, words: str, said: str) -> None:
    monkeypatch.setenv("REVERIE_LANG", "zh")
    ended = reverie(*words.split())
    assert ended.code == 2 and ended.err.count("\n") == 1
    assert said in ended.err
    assert not re.search(r"\b(the|input|should|there|cannot)\b", ended.err)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_picture(reverie: Run, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setenv("REVERIE_LANG", "zh")
    bad = spoil(kind)
    line = reverie("dream", bad, *QUICK).err
    assert bad.name in line and re.search(r"[一-鿿]{4}", line)


def test_a_run_in_chinese(reverie: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVERIE_LANG", "zh")
    ended = reverie("dream", "photo.png", *QUICK, "-o", "o.png")
    assert re.fullmatch(r"o\.png  64x48  \d+\.\d 秒\n", ended.out)
    plan = reverie("dream", "photo.png", *QUICK, "--dry-run").out
    assert re.match(r"64x48 整张：内存至多 .+；全尺寸每步 .+ 秒，共约 ", plan)


def test_programs_read_english(reverie: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVERIE_LANG", "zh")
    event = json.loads(reverie("dream", "no.png", "--json").out)
    assert event["message"] == "there is no file 'no.png'; check the spelling and folder"


def test_what_fits_no_template_is_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVERIE_LANG", "zh")
    assert told("a novel refusal; do something else") == "a novel refusal; do something else"
    assert told("there is no file '{0}'; check the spelling and folder") == "没有文件“{0}”；请检查拼写和所在的文件夹"
    assert piece("12 steps") == "12 步"


def test_english_is_as_it_was() -> None:
    assert told("1 step") == piece("1 step") == "1 step"
