"""Jobs, records, presets, manifests, checkpoints and lists that others wrote, or that a disk damaged."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch

from reverie.crafts.registry import find
from reverie.errors import PictureError, RecipeError
from reverie.files import own
from reverie.jobs import Checkpoints, Job, KeptRun, Record, Source, read_state, reopen, write_state
from reverie.jobs.gather import gather
from reverie.jobs.manifest import LINES, Manifest
from reverie.jobs.presets import Preset
from reverie.networks import NetworkUsed

DEEP = "[" * 100_000
TEXTS = ("", "{", "[]", "null", "3", DEEP, '{"a":' * 50_000, "9" * 5000, "\ud800".encode("utf8", "surrogatepass"))


def record() -> Record:
    used = NetworkUsed(name="dreamnet", sha256="0" * 64)
    settings = find("dream").settings().model_dump(mode="json")
    return Record(reverie="1", torch="2", threads=1, craft="dream", settings=settings, inputs=(), networks=(used,))


@pytest.mark.parametrize("kind", [Job, KeptRun, Preset, Record])
@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_what_is_no_such_text_is_one_refusal(kind: type[Job | KeptRun | Preset | Record], text: str | bytes) -> None:
    with pytest.raises(RecipeError) as caught:
        kind.from_json(text)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"summary": "x" * 200}, "the preset is damaged: summary: string should have at most 90"),
        ({"settings": 3}, "the preset is damaged: settings: input should be a valid dictionary"),
        ({"a\nb" * 90: 1}, "the preset is damaged: a"),
    ],
)
def test_presets_are_refused_in_our_words(change: dict[str, object], said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Preset.from_json(json.dumps({"craft": "dream", "summary": "x", **change}))
    assert str(caught.value).startswith(said) and len(str(caught.value)) < 300 and "pydantic" not in str(caught.value)


@pytest.mark.parametrize("field", ["output", "base"])
def test_paths_that_no_system_takes_are_refused(field: str) -> None:
    said = json.loads(KeptRun(job=Job(craft="dream"), record=record(), output="/out/o.png").to_json())
    assert KeptRun.from_json(json.dumps(said)).output == "/out/o.png"
    with pytest.raises(RecipeError, match="the job is damaged"):
        KeptRun.from_json(json.dumps({**said, field: "a\0b"}))
    for source in ({"name": "a\0b", "origin": "x"}, {"name": "a", "origin": "x\0"}):
        with pytest.raises(ValueError, match=r"is not a (file name|path)"):
            Source(role="photo", **source)


def test_a_folder_with_a_deep_text_is_refused_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "ck"
    with own(folder) as owned:
        owned.write("job.json", DEEP.encode())
    with pytest.raises(RecipeError, match=r"job.json': the job is damaged"), reopen(folder):
        pass
    (folder / "job.json").write_bytes(b" " * (17 << 20))
    with pytest.raises(RecipeError, match=r"has 17825792 bytes where"), reopen(folder):
        pass


ROWS = (DEEP, '{"item":1}', '{"item":"a","seconds":1e999,"note":null}', '{"item":"a","seconds":"x","note":null}',
        '{"item":"a","seconds":' + "9" * 4000 + ',"note":null}', '{"item":"a","seconds":1,"note":[1]}')  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=range(len(ROWS)))
def test_a_damaged_manifest_is_as_good_as_none(row: str, tmp_path: Path) -> None:
    (tmp_path / LINES).write_text(row)
    with own(tmp_path, others="always") as owned:
        assert Manifest(owned, ()).rows == []


STATES = (DEEP, '{"tensor":"none"}', '{"dict":3}', '{"dict":[[[1],2]]}', "[1]", '{"list":{"a":1}}', '{"tensor":[]}')


@pytest.mark.parametrize("text", STATES, ids=range(len(STATES)))
def test_a_checkpoint_with_a_right_digest_and_odd_content_is_damaged(text: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-001-000001.safetensors"
    write_state(path, {"x": torch.zeros(2)}, run="r")
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] |= {"state": text, "sha256": "0" * 64}
    head = json.dumps(header, separators=(",", ":")).encode()
    whole = len(head).to_bytes(8, "little") + head + data[end:]
    path.write_bytes(whole.replace(b"0" * 64, hashlib.sha256(whole).hexdigest().encode(), 1))
    assert read_state(path, run="r") is None
    with own(tmp_path / "ck") as owned:
        owned.write(path.name, path.read_bytes())
        with pytest.raises(RecipeError, match=r"every checkpoint in .* is damaged"):
            Checkpoints(owned, "r").newest()


def test_a_list_with_a_zero_byte_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"a.png\nb\0c.png\n")
    with pytest.raises(PictureError, match="is no list of paths: a zero byte"):
        gather([str(tmp_path / "list.txt")])
