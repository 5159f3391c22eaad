"""Make the gallery, a picture for each control: `python examples/gallery.py docs/gallery`.

Photographs are those that scikit-image carries, paintings the sample styles; masks and maps are drawn here. The folder
gets the pictures, what they are made from, and a page that shows each with the commands that make it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shlex
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import skimage.data
import torch
from gallery_maps import MAPS
from gallery_pictures import GALLERY, Entry, alone
from torch import Tensor

import reverie as rv
from reverie import styles
from reverie.cli import main as reverie
from reverie.pictures import Picture, fit, read_picture, read_recipe, resize, size_of

PHOTOS = {
    "cat": skimage.data.chelsea,
    "coffee": skimage.data.coffee,
    "astronaut": skimage.data.astronaut,
    "rocket": skimage.data.rocket,
}
USUAL = 512  # pixels of the longer side of a picture that stands alone
MADE = "commands.json"  # what each picture was made by
SOURCE = "../../examples/gallery.py"


def photographs(folder: Path | None) -> dict[str, Tensor]:
    """The photographs by name; those of a folder take the place of the first ones."""
    found = {name: _read(load) for name, load in PHOTOS.items()}
    own = [] if folder is None else [rv.read_image(path) for path in _files(folder)]
    return found | dict(zip(found, own, strict=False))


def _read(load: object) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(load())).permute(2, 0, 1)[None].float() / 255  # type: ignore[operator]


def _files(folder: Path) -> list[Path]:
    known = {".jpg", ".jpeg", ".png", ".webp", ".tif"}
    return sorted(path.resolve() for path in folder.iterdir() if path.suffix.lower() in known)


def write_inputs(folder: Path, photos: Mapping[str, Tensor], paintings: Mapping[str, Path], *, anew: bool) -> None:
    """The photographs, and the masks and maps drawn on them and on paintings, as the commands name them."""
    for part in ("photos", "maps"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for name, photo in photos.items():
        path = folder / "photos" / f"{name}.jpg"
        if anew or not path.exists():
            rv.write_image(path, _small(photo), quality=90)
    for name, (subject, draw) in MAPS.items():
        path = folder / "maps" / f"{name}.png"
        if anew or not path.exists():
            lies_on = photos[subject] if subject in photos else rv.read_image(paintings[subject])
            draw(_small(lies_on)).save(path, optimize=True)


def _small(picture: Tensor, longer: int = USUAL) -> Tensor:
    size = fit(size_of(picture), longer=min(longer, max(size_of(picture))))
    return resize(picture, size).clamp(0, 1)


def commands_of(entry: Entry, *, size: int, paintings: Mapping[str, Path]) -> list[str]:
    """The commands of a picture, at another size, and with paintings in the place of sample styles of that name."""

    def resized(match: re.Match[str]) -> str:
        return f"--size {max(64, round(int(match[1]) * size / USUAL))}"

    named = [re.sub(r"--size (\d+)", resized, command) for command in entry.commands]
    words = {name: shlex.quote(str(path)) for name, path in paintings.items()}
    return [" ".join(words.get(word, word) for word in command.split(" ")) for command in named]


def make(entry: Entry, commands: Sequence[str], folder: Path) -> None:
    """Run a picture's commands where its inputs are in reach, and write what they made as one picture."""
    beside = folder.resolve().parent  # as deep as the gallery itself: records name their inputs from there
    with tempfile.TemporaryDirectory(dir=beside) as name:
        room = Path(name)
        for part in ("photos", "maps"):
            (room / part).symlink_to((folder / part).resolve())
        with contextlib.chdir(room):
            for command in commands:
                _run(command, entry)
            made = _made(commands, room)
        before = [read_picture(room / entry.photo)] if entry.photo else []
        shown = entry.show([*before, *made], entry.captions)
        recipe = read_recipe(_output(commands[0], room)) if entry.show is alone else None
        rv.write_image(folder / f"{entry.name}.jpg", shown, quality=82, recipe=recipe)


def _run(command: str, entry: Entry) -> None:
    program, *words = shlex.split(command)
    if program != "reverie" or reverie(words) != 0:
        raise SystemExit(f"{entry.name}: '{command}' failed.")


def _made(commands: Sequence[str], room: Path) -> list[Picture]:
    """The pictures that commands wrote; the frames of a zoom one by one."""
    paths: list[Path] = []
    for command in commands:
        output = _output(command, room)
        paths += sorted(output.glob("*.png")) if output.is_dir() else [output]
    return [read_picture(path) for path in paths]


def _output(command: str, room: Path) -> Path:
    words = shlex.split(command)
    return room / words[words.index("-o") + 1]


def page(entries: Sequence[Entry], commands: Mapping[str, Sequence[str]]) -> str:
    """The page of the gallery: each picture, one sentence, and what a user types to make it."""
    lines = [
        "# Gallery",
        "",
        "One picture for each control of the crafts, made by the embedded network on a CPU. `make gallery` makes what",
        f"has changed and writes this page ([how]({SOURCE})); the commands below run as they stand in this folder.",
        "The photographs come with scikit-image, the paintings are the sample styles that `reverie styles` lists.",
        "What one command made carries its recipe: `reverie replay default.jpg --inputs photos` makes it again.",
        "",
        " ".join(f'<img src="photos/{name}.jpg" height="120" alt="{name}">' for name in PHOTOS),
        "",
        " ".join(f'<img src="maps/{name}.png" height="80" alt="{name}">' for name in MAPS),
    ]
    craft = ""
    for entry in entries:
        if entry.craft != craft:
            craft = entry.craft
            lines += ["", f"## {craft}"]
        shown = [*commands[entry.name]]
        lines += ["", f"### {entry.title}", "", f"![{entry.title}]({entry.name}.jpg)", "", entry.says, ""]
        lines += ["```console", *shown, "```"]
    return "\n".join(lines) + "\n"


def read_made(folder: Path) -> dict[str, list[str]]:
    """What each picture in the folder was made by."""
    path = folder / MADE
    return json.loads(path.read_text(encoding="utf8")) if path.exists() else {}


def asked() -> argparse.Namespace:
    """What was typed."""
    parser = argparse.ArgumentParser(description="Make the gallery: a picture for each control.")
    parser.add_argument("folder", type=Path, help="where to")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these pictures")
    parser.add_argument("--force", action="store_true", help="also those whose commands have not changed")
    parser.add_argument("--size", type=int, default=USUAL, help=f"longer side of a picture alone, pixels ({USUAL})")
    parser.add_argument("--photos", type=Path, metavar="FOLDER", help="photographs of yours in place of ours")
    parser.add_argument("--paintings", type=Path, metavar="FOLDER", help="paintings of yours in place of the styles")
    given = parser.parse_args()
    unknown = set(given.only or ()) - {entry.name for entry in GALLERY}
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; known are {', '.join(e.name for e in GALLERY)}")
    return given


def main() -> None:
    given = asked()
    folder: Path = given.folder
    own = dict(zip(styles.names(), _files(given.paintings) if given.paintings else [], strict=False))
    paintings = {name: own.get(name, styles.path(name)) for name in styles.names()}
    write_inputs(folder, photographs(given.photos), paintings, anew=given.force or bool(own or given.photos))
    wanted = {e.name: commands_of(e, size=given.size, paintings=own) for e in GALLERY}
    made = read_made(folder)
    for entry in GALLERY:
        target, commands = folder / f"{entry.name}.jpg", wanted[entry.name]
        stale = given.force or not target.exists() or made.get(entry.name) != commands
        if stale and (given.only is None or entry.name in given.only):
            began = time.monotonic()
            make(entry, commands, folder)
            made[entry.name] = commands
            kept = {e.name: made[e.name] for e in GALLERY if e.name in made}
            (folder / MADE).write_text(json.dumps(kept, indent=1) + "\n", encoding="utf8")
            print(f"  {target}  {time.monotonic() - began:.1f} s", flush=True)
    there = [entry for entry in GALLERY if (folder / f"{entry.name}.jpg").exists()]
    (folder / "README.md").write_text(page(there, wanted), encoding="utf8")


if __name__ == "__main__":
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    main()
