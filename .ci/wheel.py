"""Build the wheel and the sdist and try each in an empty environment: `python .ci/wheel.py dist`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).parents[1]
LARGEST = 15 * 2**20  # bytes of a wheel, the weights included
SLOWEST = 5.0  # seconds of a first dream
PHOTO = ROOT / "docs" / "gallery" / "photos" / "cat.jpg"


def main() -> int:
    """Build both into a folder and try them."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "dist").resolve()
    with empty_environment() as python:
        run(python, "-m", "pip", "install", "--quiet", "build")
        run(python, "-m", "build", "--outdir", str(folder), str(ROOT))
    newest = [max(folder.glob(pattern), key=os.path.getmtime) for pattern in ("*.whl", "*.tar.gz")]
    for package in newest:
        size = package.stat().st_size
        print(f"{package.name}: {size / 2**20:.1f} MB, {tried(package):.1f} s to a first dream")
        if size > LARGEST:
            sys.exit(f"{package.name} has {size} bytes; at most {LARGEST} are allowed")
    return 0


def tried(package: Path) -> float:
    """Install a package into an empty environment and dream offline.

    Returns:
        Seconds that the dream took, process and all; the second of two, when its files are in memory.
    """
    with empty_environment() as python, tempfile.TemporaryDirectory() as place:
        run(python, "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt"), str(package))
        words = [python, "-m", "reverie", "dream", str(PHOTO), "--size", "128", "--quality", "draft"]
        nobody = "http://127.0.0.1:9"
        offline = {"no_proxy": "", "https_proxy": nobody, "http_proxy": nobody, "REVERIE_HOME": f"{place}/home"}
        for number in (1, 2):
            began = time.monotonic()
            run(*words, "-o", str(Path(place) / f"dream-{number}.png"), more=offline)
            seconds = time.monotonic() - began
    if seconds > SLOWEST:
        print(f"a first dream took {seconds:.1f} s; {SLOWEST:.0f} s are the aim on an idle machine")
    return seconds


@contextmanager
def empty_environment() -> Iterator[str]:
    """Make an environment with nothing but pip, in a folder whose name has spaces; yield its Python."""
    with tempfile.TemporaryDirectory(prefix="an empty place ") as place:
        venv.create(place, with_pip=True)
        yield str(Path(place) / ("Scripts" if os.name == "nt" else "bin") / "python")


def run(*words: str, more: Mapping[str, str] = MappingProxyType({})) -> None:
    """Run a command somewhere else than in the project, so that nothing is imported from it."""
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(words, check=True, env={**surroundings, **more}, cwd=tempfile.gettempdir())


if __name__ == "__main__":
    sys.exit(main())
