"""Texts that others wrote: jobs in their folders, manifests, presets, records, lists of pictures."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

from reverie.recipes.catalogue import find
from reverie.recipes.presets import Preset, presets
from reverie.recipes.record import Input, NetworkUsed, Record, Remixed

from fuzz.mutate import changed, changed_json
from fuzz.target import Target
from reverie.jobs import Job, Source, reopen
from reverie.jobs.items import gather
from reverie.jobs.manifest import LINES, Manifest

_SHA = "0123456789abcdef" * 4


@functools.cache
def _record() -> Record:
    photo = Input(role="photo", path="../in/cat.png", sha256=_SHA)
    return Record(
        reverie="1.0",
        torch="2.0",
        threads=2,
        recipe="dream",
        settings=find("dream").settings().model_dump(mode="json"),
        inputs=(photo,),
        network=NetworkUsed(name="dreamnet", sha256=_SHA),
        remixed=(Remixed(result=photo, settings={"keep": 0.5}),),
    )


def _jobs() -> tuple[bytes, ...]:
    source = Source(role="photo", name="cat.png", origin="../in/cat.png")
    bare = _record().model_copy(update={"inputs": ()})
    jobs = (Job(record=bare, output="o.png"), Job(record=_record(), output="o.png", sources=(source,)))
    return tuple(job.to_json().encode() for job in jobs)


def _manifests() -> tuple[bytes, ...]:
    row = {"item": "a", "inputs": {"photo": "a.png"}, "settings": {}, "status": "made", "seconds": 1.5, "note": None}
    return (json.dumps(row).encode(),)


def _presets() -> tuple[bytes, ...]:
    return tuple(preset.model_dump_json().encode() for preset in presets().values())


def _lists() -> tuple[bytes, ...]:
    return (b"# mine\ncat.png\n../in/dog.jpg\n", "\ufeffZo\u00eb.png\r\nb.tif".encode())


def changed_job(random: Random, seeds: Sequence[bytes]) -> bytes:
    """A job's text changed, its identity mostly made right again where there still is one."""
    data = changed_json(random, seeds)
    if random.random() < 0.3:
        return data
    try:
        said = json.loads(data)
        run = Job.model_validate({name: value for name, value in said.items() if name != "run"}).run
        return json.dumps({**said, "run": run}).encode()
    except Exception:  # it is odd enough as it is
        return data


def changed_rows(random: Random, seeds: Sequence[bytes]) -> bytes:
    """A few lines of JSON, each changed."""
    return b"\n".join(changed_json(random, seeds) for _ in range(random.randint(1, 4)))


def _reopen(path: Path, out: Path) -> None:
    (out / "job.json").write_bytes(path.read_bytes())
    with reopen(out) as folder:
        folder.job.record_now.resolve()
        folder.inputs()
        folder.checkpoints.newest()


def _continue(path: Path, out: Path) -> None:
    (out / LINES).write_bytes(path.read_bytes())
    Manifest(out, ())


def _given(path: Path, _: Path) -> None:
    Preset.from_json(path.read_bytes()).given()


TARGETS = (
    Target("job-folders", _jobs, _reopen, changed_job, ".json", 2.0, 256),
    Target("manifests", _manifests, _continue, changed_rows, ".jsonl", 2.0, 256),
    Target(
        "presets", _presets, lambda path, _: Preset.from_json(path.read_bytes()).given(), changed_json, ".json", 2.0
    ),
    Target(
        "records",
        lambda: (_record().to_json().encode(),),
        lambda path, _: Record.from_json(path.read_bytes()).resolve(),
        changed_json,
        ".json",
        2.0,
    ),
    Target("lists", _lists, lambda path, _: gather([str(path)]), changed, ".txt", 2.0),
)
