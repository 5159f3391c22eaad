"""What a page of the documentation shows: files, and commands to type; and packages installed from such files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE = re.compile(r"^`([^`\n]+)`:\n\n```\w+\n(.*?)^```$", re.S | re.M)
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.S | re.M)


def files_in(page: str) -> dict[str, str]:
    """The files that a page shows, each under its path."""
    return dict(FILE.findall(page))


def commands_in(page: str) -> list[list[str]]:
    """The commands that a page shows, block by block."""
    return [block.splitlines() for block in CONSOLE.findall(page)]


def write_files(files: Mapping[str, str], folder: Path) -> None:
    """Put files into a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf8")


def install(project: Path, target: Path) -> None:
    """Put a project's modules and its metadata where Python finds them, as pip does, by hand."""
    about = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf8"))["project"]
    for path in project.rglob("*"):
        if path.is_file() and path.name != "pyproject.toml":
            write_files({str(path.relative_to(project)): path.read_text(encoding="utf8")}, target)
    groups = about["entry-points"].items()
    points = "".join(f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in names.items()) for group, names in groups)
    head = f"Metadata-Version: 2.4\nName: {about['name']}\nVersion: {about['version']}\n"
    head += f"License-Expression: {about['license']}\n" if "license" in about else ""
    room = f"{about['name'].replace('-', '_')}-{about['version']}.dist-info"
    write_files({f"{room}/METADATA": head, f"{room}/entry_points.txt": points}, target)


def run(words: list[str], folder: Path, *packages: Path) -> subprocess.CompletedProcess[str]:
    """A program in a process of its own, which finds the packages and the tests' own Reverie."""
    known = [str(path) for path in packages] + [path for path in sys.path if path]
    home = {"REVERIE_HOME": str(folder / "home"), "PYTHONPATH": os.pathsep.join(known), "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env={**os.environ, **home}, text=True, capture_output=True, check=False
    )
