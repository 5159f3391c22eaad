"""Texts that others wrote: jobs in their folders, manifests, presets, records, lists of pictures."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

from fuzz.mutate import changed, changed_json
from fuzz.target import Target
from reverie.crafts.registry import find
from reverie.files import own
from reverie.jobs import Job, KeptRun, Record, Source, reopen
from reverie.jobs.gather import gather
from reverie.jobs.manifest import LINES, Manifest, names_in
from reverie.jobs.presets import Preset, presets
from reverie.jobs.record import Input
from reverie.networks import NetworkUsed

_SHA = "0123456789abcdef" * 4


@functools.cache
def _record() -> Record:
    photo = Input(role="photo", path="../in/cat.png", sha256=_SHA)
    return Record(
        reverie="1.0",
        torch="2.0",
        threads=2,
        craft="dream",
        settings=find("dream").settings().model_dump(mode="json"),
        inputs=(photo,),
        networks=(NetworkUsed(name="dreamnet", sha256=_SHA),),
    )


def _asked() -> tuple[Job, ...]:
    settings, inputs = {"size": 64, "layers": ["relu4_2"]}, {"photo": ("cat.png",)}
    return Job(craft="dream"), Job(craft="dream", settings=settings, inputs=inputs, output="o.png")


def _jobs() -> tuple[bytes, ...]:
    return tuple(job.to_json().encode() for job in _asked())


def _kept() -> tuple[bytes, ...]:
    source = Source(role="photo", name="cat.png", origin="../in/cat.png")
    bare = _record().model_copy(update={"inputs": ()})
    noise, photo = _asked()
    kept = KeptRun(job=photo, record=_record(), output="o.png", sources=(source,))
    return tuple(each.to_json().encode() for each in (KeptRun(job=noise, record=bare, output="o.png"), kept))


def _manifests() -> tuple[bytes, ...]:
    row = {"item": "a", "inputs": {"photo": "a.png"}, "settings": {"craft": "dream"}}
    return (json.dumps({**row, "status": "made", "seconds": 1.5, "note": None}).encode(),)


def _presets() -> tuple[bytes, ...]:
    return tuple(preset.model_dump_json().encode() for preset in presets().values())


def _lists() -> tuple[bytes, ...]:
    return (b"# mine\ncat.png\n../in/dog.jpg\n", "\ufeffZo\u00eb.png\r\nb.tif".encode())


def changed_kept(random: Random, seeds: Sequence[bytes]) -> bytes:
    """The text of a kept run changed, its identity mostly made right again where there still is one."""
    data = changed_json(random, seeds)
    if random.random() < 0.3:
        return data
    try:
        said = json.loads(data)
        run = KeptRun.model_validate({name: value for name, value in said.items() if name != "run"}).run
        return json.dumps({**said, "run": run}).encode()
    except Exception:  # it is odd enough as it is
        return data


def changed_rows(random: Random, seeds: Sequence[bytes]) -> bytes:
    """A few lines of JSON, each changed."""
    return b"\n".join(changed_json(random, seeds) for _ in range(random.randint(1, 4)))


def _reopen(path: Path, out: Path) -> None:
    with own(out) as owned:
        owned.write("job.json", path.read_bytes())
    with reopen(out) as folder:
        folder.kept.record_now.resolve()
        folder.request()
        folder.checkpoints.newest()


def _continue(path: Path, out: Path) -> None:
    (out / LINES).write_bytes(path.read_bytes())
    names_in(out)
    with own(out, others="always") as owned:
        Manifest(owned, ())


TARGETS = (
    Target("jobs", _jobs, lambda path, _: Job.from_json(path.read_bytes()), changed_json, ".json", 2.0, 256),
    Target("job-folders", _kept, _reopen, changed_kept, ".json", 2.0, 256),
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
